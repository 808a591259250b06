//! The architectures of ViT as [`Model`]s: `ViTModel` and `ViTForImageClassification`.

use std::cell::RefCell;

use serde_json::{Value, json};
use sst_core::{
    Encoder, Error, Head, HeadKind, LayerStack, Modality, Model, ParamStore, Result, Scope,
};

use super::config::{HARMLESS, VitConfig};
use super::plan::{BASE, CLASSIFICATION, parameter, plan};
use super::tower::{LAYERS, TOWER, encoder, pooler};
use crate::decoder::flops_per_token;
use crate::entry::{ModelEntry, architecture, no_parts, parse_config, saved_config};
use crate::error::ModelError;
use crate::heads::labels::Labels;
use crate::heads::{Classifier, HeadConfig, Heads, SequenceClassification, Sizes};
use crate::image::ImageEncoder;
use crate::init::plain;
use crate::options::BuildOptions;
use crate::plan::Parts;
use crate::tower::TowerEncoder;

/// The registry's entry for ViT.
pub(crate) const ENTRY: ModelEntry = ModelEntry {
    model_type: "vit",
    summary: "encoder of images as patches, for classification and self-supervised training",
    modalities: &[Modality::Image],
    is_causal: false,
    dropout: &["hidden_dropout_prob", "attention_probs_dropout_prob"],
    architectures: &[BASE],
    tasks: &[(CLASSIFICATION, HeadKind::SequenceClassification)],
    towers: &[TOWER],
    default_config: || json!(VitConfig::default()),
    check: |config| parse_config::<VitConfig>(config)?.check(),
    harmless: HARMLESS,
    without_effect: |_| Vec::new(),
    parts: no_parts,
    build,
    rename: parameter,
    plan,
};

struct Vit {
    architecture: &'static str,
    config: VitConfig,
    params: ParamStore,
    encoder: ImageEncoder,
    heads: Heads,
}

/// Builds the architecture that the options name, or else `ViTModel`.
fn build(
    config: &Value,
    options: &BuildOptions,
    parts: &Parts,
) -> Result<Box<dyn Model>, ModelError> {
    let config: VitConfig = parse_config(config)?;
    config.check()?;
    plain(&options.init, ENTRY.model_type)?;
    let architecture = architecture(&ENTRY, options)?;
    let is_base = architecture == BASE;
    let store = RefCell::new(parts.store(options));
    let root = Scope::root(&store);
    let scope = if is_base { root.clone() } else { root.sub("vit") };
    let encoder = encoder(&scope, &config)?;
    if is_base && parts.pooler {
        // It is saved with the encoder, and no head reads it.
        pooler(&scope, &config)?;
    }
    let mut heads = Heads::default();
    if !is_base {
        let outputs = Labels::of_keys(&config.other)?.names.len() as i64;
        let (width, std) = (config.hidden_size, config.initializer_range);
        let sizes = Sizes { width, outputs, std, has_bias: true };
        let layers = HeadConfig::of_keys(&config.other)?;
        let classifier = Classifier::new(&root.sub("classifier"), layers, sizes)?;
        let head = SequenceClassification::of_class_token(classifier);
        heads.add(HeadKind::SequenceClassification, head);
    }
    let params = store.into_inner();
    Ok(Box::new(Vit { architecture, config, params, encoder, heads }))
}

impl Model for Vit {
    fn model_type(&self) -> &'static str {
        ENTRY.model_type
    }

    fn config(&self) -> Value {
        saved_config(&ENTRY, self.architecture, json!(self.config))
    }

    fn params(&self) -> &ParamStore {
        &self.params
    }

    fn params_mut(&mut self) -> &mut ParamStore {
        &mut self.params
    }

    fn encoder(&self, modality: Modality) -> Result<&dyn Encoder> {
        match modality {
            Modality::Image => Ok(&self.encoder),
            Modality::Text => {
                Err(Error::MissingEncoder { model_type: ENTRY.model_type.into(), modality })
            }
        }
    }

    fn stacks(&self) -> Vec<LayerStack> {
        let prefix =
            if self.architecture == BASE { LAYERS.into() } else { format!("vit.{LAYERS}") };
        vec![LayerStack { prefix, depth: self.config.num_hidden_layers as usize }]
    }

    fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> Result<usize> {
        Ok(self.encoder.checkpoint_layers(select))
    }

    /// A token is a patch, or the class token.
    fn flops_per_token(&self, length: usize, _head_token_fraction: f64) -> Option<f64> {
        let queries = self.config.hidden_size * self.config.num_hidden_layers;
        Some(flops_per_token(&self.params, LAYERS, queries, length, 0.0))
    }

    fn head(&self, kind: HeadKind) -> Result<&dyn Head> {
        self.heads.get(kind).ok_or_else(|| Error::MissingHead {
            model: self.architecture.into(),
            head: kind,
            architectures: ENTRY.task_with(kind).into_iter().collect(),
        })
    }
}
