//! The projection head, which vectors pass through before they are compared. It is used in training only.
//!
//! Shapes: b rows, d the encoder's width, p the output width of the projection.

use std::cell::RefCell;

use serde::{Deserialize, Serialize};
use sst_core::nn::Linear;
use sst_core::{ParamStore, Result, Scope};
use tch::{Kind, Tensor};

/// The kind of projection head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Projection {
    /// No projection: the vectors themselves are compared.
    #[default]
    None,
    /// One linear layer. SimCLR compares this with `mlp` (Chen et al. 2020, section 4.2).
    Linear,
    /// One linear layer and tanh, as in the training of SimCSE (Gao et al. 2021, section 6.3).
    Tanh,
    /// Two linear layers with ReLU between them; the hidden layer has the width of the encoder (Chen et al. 2020,
    /// "Improved Baselines with Momentum Contrastive Learning", section 2).
    Mlp,
}

/// The prefix of the names of all projection parameters.
const PREFIX: &str = "projection";

/// The layers of a projection head.
#[derive(Debug)]
pub(super) struct ProjectionHead {
    dense: Linear,
    after_dense: AfterDense,
}

/// What follows the first linear layer.
#[derive(Debug)]
enum AfterDense {
    Nothing,
    Tanh,
    /// ReLU and this linear layer.
    ReluLinear(Linear),
}

impl ProjectionHead {
    /// The projection `kind` from `width` to `size`; `None` if there is no projection. Weights are drawn with the
    /// standard deviation `width^-0.5`, so that the output has about the variance of the input (LeCun et al. 1998,
    /// "Efficient BackProp", section 4.6); biases are 0.
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
        let (dense, after_dense) = match kind {
            Projection::None => return Ok(None),
            Projection::Linear => (layer("dense", size)?, AfterDense::Nothing),
            Projection::Tanh => (layer("dense", size)?, AfterDense::Tanh),
            Projection::Mlp => {
                (layer("dense", width)?, AfterDense::ReluLinear(layer("output", size)?))
            }
        };
        Ok(Some(Self { dense, after_dense }))
    }

    /// Projects `[b, d]` to `[b, p]`. Like the cosine similarities, this is computed in fp32 even under autocast.
    pub(super) fn forward(&self, vectors_bd: &Tensor) -> Result<Tensor> {
        let _full = sst_kernels::autocast(vectors_bd.device(), None)?;
        // LoRA, whose dropout training turns on, adapts no layer of an objective.
        let train = false;
        let dense = self.dense.forward(&vectors_bd.f_to_kind(Kind::Float)?, train)?;
        match &self.after_dense {
            AfterDense::Nothing => Ok(dense),
            AfterDense::Tanh => Ok(dense.f_tanh()?),
            AfterDense::ReluLinear(output) => output.forward(&dense.f_relu()?, train),
        }
    }
}

/// The parameters of a projection head among `params`.
pub(super) fn projection_params(params: &ParamStore) -> impl Iterator<Item = (&str, &Tensor)> {
    params.iter().filter(|(name, _)| name.starts_with(PREFIX))
}
