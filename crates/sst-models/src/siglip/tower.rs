//! The towers of SigLIP.

use serde_json::{Value, json};
use sst_core::nn::{LayerNorm, Linear};
use sst_core::{Modality, Scope};

use super::config::{SiglipTextConfig, SiglipVisionConfig};
use super::pool::{AttentionPool, TextHead};
use crate::block::{Block, CLIP_NAMES};
use crate::entry::parse_config;
use crate::error::ModelError;
use crate::image::ImageEncoder;
use crate::text_encoder::TextEncoder;
use crate::tower::{TEXT_CONFIG, Tower, TowerEntry, VISION_CONFIG, tower_name};

/// The prefix of the names of the layers' parameters, after that of the tower.
const LAYERS: &str = "encoder.layers.";

/// The text tower.
pub(super) const TEXT: TowerEntry = TowerEntry {
    model_type: "siglip_text_model",
    modality: Modality::Text,
    default_config: || json!(SiglipTextConfig::default()),
    check: |config| parse_config::<SiglipTextConfig>(config)?.check(),
    harmless: &[],
    build: text,
    config: |config| config.get(TEXT_CONFIG).cloned().unwrap_or_else(|| json!({})),
    rename: |name| tower_name(name, Modality::Text),
    new: &[],
};

/// The image tower.
pub(super) const IMAGE: TowerEntry = TowerEntry {
    model_type: "siglip_vision_model",
    modality: Modality::Image,
    default_config: || json!(SiglipVisionConfig::default()),
    check: |config| parse_config::<SiglipVisionConfig>(config)?.check(),
    harmless: &[],
    build: image,
    config: |config| config.get(VISION_CONFIG).cloned().unwrap_or_else(|| json!({})),
    rename: |name| tower_name(name, Modality::Image),
    new: &[],
};

fn text(scope: &Scope<'_>, config: &Value) -> Result<Tower, ModelError> {
    let config: SiglipTextConfig = parse_config(config)?;
    config.check()?;
    let (width, output) = (config.hidden_size, config.vector_size());
    let head = Linear::new(&scope.sub("head"), width, output, (width as f64).powf(-0.5))?;
    Ok(Tower {
        encoder: Box::new(TextEncoder::new(scope, config.encoder()?)?),
        pool: Box::new(TextHead(head)),
        pooled_width: output,
        layers: LAYERS,
        depth: config.num_hidden_layers as usize,
        config: json!(config),
    })
}

fn image(scope: &Scope<'_>, config: &Value) -> Result<Tower, ModelError> {
    let config: SiglipVisionConfig = parse_config(config)?;
    config.check()?;
    let layers = scope.sub("encoder").sub("layers");
    let layers = Block::stack(&layers, &CLIP_NAMES, config.block(), config.num_hidden_layers)?;
    let norm = scope.sub("post_layernorm");
    let norm = LayerNorm::new(&norm, config.hidden_size, config.layer_norm_eps)?;
    let encoder = ImageEncoder::new(scope, config.embeddings(), layers)?.with_last_norm(norm);
    Ok(Tower {
        encoder: Box::new(encoder),
        pool: Box::new(AttentionPool::new(scope, &config)?),
        pooled_width: config.hidden_size,
        layers: LAYERS,
        depth: config.num_hidden_layers as usize,
        config: json!(config),
    })
}
