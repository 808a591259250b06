//! The towers of CLIP.

use serde_json::{Value, json};
use sst_core::nn::LayerNorm;
use sst_core::{HeadInput, Modality, Scope};

use super::config::{ClipTextConfig, ClipVisionConfig, HARMLESS, merged};
use crate::block::{Block, CLIP_NAMES};
use crate::entry::parse_config;
use crate::error::ModelError;
use crate::image::ImageEncoder;
use crate::text_encoder::TextEncoder;
use crate::tower::{
    FirstNorm, TEXT_CONFIG, TokenPool, Tower, TowerEntry, VISION_CONFIG, tower_name,
};

/// The prefix of the names of the layers' parameters, after that of the tower.
const LAYERS: &str = "encoder.layers.";

/// The text tower.
pub(super) const TEXT: TowerEntry = TowerEntry {
    model_type: "clip_text_model",
    modality: Modality::Text,
    default_config: || json!(ClipTextConfig::default()),
    check: |config| parse_config::<ClipTextConfig>(config)?.check(),
    harmless: HARMLESS,
    build: text,
    config: |config| merged(config)[TEXT_CONFIG].clone(),
    rename: |name| tower_name(name, Modality::Text),
    new: &[],
};

/// The image tower.
pub(super) const IMAGE: TowerEntry = TowerEntry {
    model_type: "clip_vision_model",
    modality: Modality::Image,
    default_config: || json!(ClipVisionConfig::default()),
    check: |config| parse_config::<ClipVisionConfig>(config)?.check(),
    harmless: HARMLESS,
    build: image,
    config: |config| merged(config)[VISION_CONFIG].clone(),
    rename: |name| tower_name(name, Modality::Image),
    new: &[],
};

fn text(scope: &Scope<'_>, config: &Value) -> Result<Tower, ModelError> {
    let config: ClipTextConfig = parse_config(config)?;
    config.check()?;
    let pool = TokenPool(HeadInput::EndOfText { token_id: config.end_of_text() });
    Ok(Tower {
        encoder: Box::new(TextEncoder::new(scope, config.encoder())?),
        pool: Box::new(pool),
        pooled_width: config.hidden_size,
        layers: LAYERS,
        depth: config.num_hidden_layers as usize,
        config: json!(config),
    })
}

fn image(scope: &Scope<'_>, config: &Value) -> Result<Tower, ModelError> {
    let config: ClipVisionConfig = parse_config(config)?;
    config.check()?;
    let layers = scope.sub("encoder").sub("layers");
    let layers = Block::stack(&layers, &CLIP_NAMES, config.block(), config.num_hidden_layers)?;
    let norm =
        |name: &str| LayerNorm::new(&scope.sub(name), config.hidden_size, config.layer_norm_eps);
    let encoder = ImageEncoder::new(scope, config.embeddings(), layers)?;
    // The misspelling is the name on the hub.
    let encoder = encoder.with_first_norm(norm("pre_layrnorm")?);
    Ok(Tower {
        encoder: Box::new(encoder),
        pool: Box::new(FirstNorm(norm("post_layernorm")?)),
        pooled_width: config.hidden_size,
        layers: LAYERS,
        depth: config.num_hidden_layers as usize,
        config: json!(config),
    })
}
