//! The encoder of ViT, alone and as the tower of a dual encoder.

use serde_json::{Value, json};
use sst_core::checkpoint::Renamed;
use sst_core::nn::LayerNorm;
use sst_core::{Modality, Result, Scope};

use super::config::{HARMLESS, VitConfig};
use super::names::canonical;
use crate::block::{Block, VIT_NAMES};
use crate::entry::parse_config;
use crate::error::ModelError;
use crate::heads::Pooler;
use crate::image::ImageEncoder;
use crate::tower::{Tower, TowerEntry};

/// The prefix of the names of the layers' parameters, after the prefix of the encoder.
pub(super) const LAYERS: &str = "encoder.layer.";

/// ViT as a tower.
pub(crate) const TOWER: TowerEntry = TowerEntry {
    model_type: "vit",
    modality: Modality::Image,
    default_config: || json!(VitConfig::default()),
    check: |config| parse_config::<VitConfig>(config)?.check(),
    harmless: HARMLESS,
    build: tower,
    config: Value::clone,
    rename: |name| Renamed::To(canonical(name)),
    new: &["pooler."],
};

/// Makes the encoder in `scope`.
pub(super) fn encoder(scope: &Scope<'_>, config: &VitConfig) -> Result<ImageEncoder> {
    let layers = scope.sub("encoder").sub("layer");
    let layers = Block::stack(&layers, &VIT_NAMES, config.block(), config.num_hidden_layers)?;
    let norm = LayerNorm::new(&scope.sub("layernorm"), config.hidden_size, config.layer_norm_eps)?;
    let encoder = ImageEncoder::new(scope, config.embeddings(), layers)?;
    Ok(encoder.with_last_norm(norm).with_dropout(config.hidden_dropout_prob))
}

/// Makes the pooler in `scope`.
pub(super) fn pooler(scope: &Scope<'_>, config: &VitConfig) -> Result<Pooler> {
    let sizes = [config.hidden_size, config.pooler_size()];
    Pooler::with(&scope.sub("pooler"), sizes, config.pooler_act, config.initializer_range)
}

fn tower(scope: &Scope<'_>, config: &Value) -> Result<Tower, ModelError> {
    let config: VitConfig = parse_config(config)?;
    config.check()?;
    Ok(Tower {
        encoder: Box::new(encoder(scope, &config)?),
        pool: Box::new(pooler(scope, &config)?),
        pooled_width: config.pooler_size(),
        layers: LAYERS,
        depth: config.num_hidden_layers as usize,
        config: json!(config),
    })
}
