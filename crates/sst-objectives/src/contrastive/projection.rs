//! What vectors go through before they are compared, while training alone.
//!
//! Shapes: b rows, d the encoder's width, p the width of what is compared.

use std::cell::RefCell;

use serde::{Deserialize, Serialize};
use sst_core::nn::Linear;
use sst_core::{ParamStore, Result, Scope};
use tch::{Kind, Tensor};

/// The kinds there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Projection {
    /// The vectors themselves.
    #[default]
    None,
    /// A linear layer (Chen et al. 2020, "SimCLR", section 4.2, for this and for `mlp`).
    Linear,
    /// A linear layer and tanh, as SimCSE has it for training (Gao et al. 2021, section 6.3).
    Tanh,
    /// Two linear layers with ReLU between them, the first as wide as the encoder (Chen et al. 2020, "Improved
    /// Baselines with Momentum Contrastive Learning", section 2).
    Mlp,
}

/// What all parameters of a head have before their names.
const PREFIX: &str = "projection";

/// The layers of a projection.
#[derive(Debug)]
pub(super) struct Head {
    dense: Linear,
    kind: Kinds,
}

#[derive(Debug)]
enum Kinds {
    Linear,
    Tanh,
    Mlp(Linear),
}

impl Head {
    /// The head `kind` from `width` to `size`; `None` if that is none. Weights begin so that what comes out varies
    /// about as much as what goes in (LeCun et al. 1998, "Efficient BackProp", section 4.6), biases at zero.
    pub(super) fn new(
        kind: Projection,
        params: &RefCell<ParamStore>,
        width: i64,
        size: i64,
    ) -> Result<Option<Self>> {
        let scope = Scope::root(params).sub(PREFIX);
        let layer = |name: &str, output: i64| {
            Linear::new(&scope.sub(name), width, output, (width as f64).powf(-0.5))
        };
        let (dense, kind) = match kind {
            Projection::None => return Ok(None),
            Projection::Linear => (layer("dense", size)?, Kinds::Linear),
            Projection::Tanh => (layer("dense", size)?, Kinds::Tanh),
            Projection::Mlp => (layer("dense", width)?, Kinds::Mlp(layer("output", size)?)),
        };
        Ok(Some(Self { dense, kind }))
    }

    /// `[b, p]` of `[b, d]`, in fp32 whatever autocast does elsewhere, for the reason that cosines are.
    pub(super) fn forward(&self, vectors_bd: &Tensor) -> Result<Tensor> {
        let _full = sst_kernels::autocast(vectors_bd.device(), None)?;
        // LoRA, whose dropout training turns on, adapts no layer of an objective.
        let train = false;
        let dense = self.dense.forward(&vectors_bd.f_to_kind(Kind::Float)?, train)?;
        match &self.kind {
            Kinds::Linear => Ok(dense),
            Kinds::Tanh => Ok(dense.f_tanh()?),
            Kinds::Mlp(output) => output.forward(&dense.f_relu()?, train),
        }
    }
}

/// Those of `params` that are of a head.
pub(super) fn head_params(params: &ParamStore) -> impl Iterator<Item = (&str, &Tensor)> {
    params.iter().filter(|(name, _)| name.starts_with(PREFIX))
}
