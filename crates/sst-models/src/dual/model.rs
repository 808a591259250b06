//! Two towers, their projections, and the numbers that turn cosines into logits, as a [`Model`].

use std::cell::RefCell;

use serde_json::Value;
use sst_core::nn::Linear;
use sst_core::{
    Encoder, Error, Head, HeadKind, Init, LayerStack, Modality, Model, ParamStore, Result, Scope,
    Similarity,
};
use tch::Tensor;

use super::projection::Projection;
use crate::entry::{ModelEntry, architecture, saved_config};
use crate::error::{ModelError, bad};
use crate::heads::Heads;
use crate::init::plain;
use crate::options::BuildOptions;
use crate::plan::Parts;
use crate::tower::{ConfigPart, TowerEncoder, in_part, names, with_type};

/// The differences between dual encoders, besides the towers.
pub(crate) struct DualShape {
    /// The keys of the model's config, as they are saved, besides those of the towers.
    pub(crate) config: Value,
    /// The width of the shared space; `None` if the towers have no projections.
    pub(crate) projection: Option<i64>,
    /// The standard deviation of the initial projections, times the square root of the width of the pooled vectors.
    pub(crate) std: f64,
    /// The shape of `logit_scale`.
    pub(crate) scalar: &'static [i64],
    /// The initial logarithm of the scale.
    pub(crate) log_scale: f64,
    /// The initial bias of the logits; `None` for a model without one.
    pub(crate) bias: Option<f64>,
}

/// An encoder, and what the model knows of it.
struct Side {
    modality: Modality,
    encoder: Box<dyn TowerEncoder>,
    stack: LayerStack,
}

struct DualModel {
    entry: &'static ModelEntry,
    config: Value,
    params: ParamStore,
    sides: Vec<Side>,
    heads: Heads,
    log_scale: Tensor,
    bias: Option<Tensor>,
}

/// Builds a dual encoder. `entry.parts` gives the configurations of its towers.
pub(crate) fn build(
    entry: &'static ModelEntry,
    config: &Value,
    options: &BuildOptions,
    parts: &Parts,
    shape: DualShape,
) -> Result<Box<dyn Model>, ModelError> {
    plain(&options.init, entry.model_type)?;
    let architecture = architecture(entry, options)?;
    let store = RefCell::new(parts.store(options));
    let root = Scope::root(&store);
    let (mut heads, mut sides) = (Heads::default(), Vec::new());
    let mut saved = shape.config;
    let mut widths = Vec::new();
    for ConfigPart { key, value, tower } in (entry.parts)(config)? {
        let modality = tower.modality;
        let (module, _) = names(modality);
        let built = (tower.build)(&root.sub(module), &value).map_err(in_part(modality))?;
        saved[key] = with_type(built.config, tower.model_type);
        let projection = shape.projection.map(|outputs| {
            let scope = root.sub(projection_of(modality));
            let width = built.pooled_width;
            Linear::without_bias(&scope, width, outputs, shape.std * (width as f64).powf(-0.5))
        });
        let outputs = shape.projection.unwrap_or(built.pooled_width);
        widths.push(outputs);
        let head = Projection::new(built.pool, projection.transpose()?, outputs);
        heads.add(HeadKind::Projection(modality), head);
        let prefix = format!("{module}.{}", built.layers);
        let stack = LayerStack { prefix, depth: built.depth };
        sides.push(Side { modality, encoder: built.encoder, stack });
    }
    if let [text, image] = widths[..]
        && text != image
    {
        let message = format!(
            "the vectors of texts have {text} numbers and those of images {image}: they cannot be compared"
        );
        return Err(bad("", &message));
    }
    let scalar = |name: &str, value: f64| root.param(name, shape.scalar, Init::Constant(value));
    let log_scale = scalar("logit_scale", shape.log_scale)?;
    let bias = shape.bias.map(|bias| scalar("logit_bias", bias)).transpose()?;
    let config = saved_config(entry, architecture, saved);
    let params = store.into_inner();
    Ok(Box::new(DualModel { entry, config, params, sides, heads, log_scale, bias }))
}

/// The module of the projection of a tower.
pub(super) fn projection_of(modality: Modality) -> &'static str {
    match modality {
        Modality::Text => "text_projection",
        Modality::Image => "visual_projection",
    }
}

impl Model for DualModel {
    fn model_type(&self) -> &'static str {
        self.entry.model_type
    }

    fn config(&self) -> Value {
        self.config.clone()
    }

    fn params(&self) -> &ParamStore {
        &self.params
    }

    fn params_mut(&mut self) -> &mut ParamStore {
        &mut self.params
    }

    fn encoder(&self, modality: Modality) -> Result<&dyn Encoder> {
        let side = self.sides.iter().find(|side| side.modality == modality);
        side.map(|side| &*side.encoder as &dyn Encoder).ok_or_else(|| Error::MissingEncoder {
            model_type: self.entry.model_type.into(),
            modality,
        })
    }

    /// The layers of the text tower, then those of the image tower.
    fn stacks(&self) -> Vec<LayerStack> {
        self.sides.iter().map(|side| side.stack.clone()).collect()
    }

    /// The layers of each tower are numbered from 0.
    fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> Result<usize> {
        Ok(self.sides.iter_mut().map(|side| side.encoder.checkpoint_layers(select)).sum())
    }

    fn head(&self, kind: HeadKind) -> Result<&dyn Head> {
        self.heads.get(kind).ok_or_else(|| Error::MissingHead {
            model: self.entry.architectures[0].into(),
            head: kind,
            architectures: Vec::new(),
        })
    }

    fn similarity(&self) -> Result<Similarity<'_>> {
        Ok(Similarity { log_scale: &self.log_scale, bias: self.bias.as_ref() })
    }
}
