//! transformers' `VisionTextDualEncoderModel`: an image tower and a text tower of any type (Zhai et al. 2021, "LiT:
//! Zero-Shot Transfer with Locked-image text Tuning").
//!
//! Towers are pooled as in transformers: BERT and ViT by their poolers, CLIP by its norm of the class token or by the
//! token that ends the text, SigLIP by its heads. Decoders (GPT-2, Llama) are pooled by their last token; transformers
//! reads their folders, but has no pooled output for them and cannot run such a model.

mod config;
mod find;

use serde_json::{Value, json};
use sst_core::{Modality, Model};

use self::find::of_type;
use crate::dual::{self, DualShape};
use crate::entry::{ModelEntry, parse_config};
use crate::error::{ModelError, bad};
use crate::options::BuildOptions;
use crate::plan::Parts;
use crate::tower::{ConfigPart, check_parts, default_config, names, part};

pub use config::DualConfig;
pub(crate) use find::of_model;

/// The registry's entry for dual encoders of any two towers.
pub(crate) const ENTRY: ModelEntry = ModelEntry {
    model_type: "vision-text-dual-encoder",
    summary: "image encoder and text encoder of any two models, for comparing images with texts",
    modalities: &[Modality::Text, Modality::Image],
    is_causal: false,
    dropout: &[],
    architectures: &["VisionTextDualEncoderModel"],
    tasks: &[],
    towers: &[],
    default_config: || {
        // Both types are in the registry, and ENTRY has no other towers than these by default.
        let towers = [of_type(Modality::Text, "bert"), of_type(Modality::Image, "vit")];
        match towers {
            [Ok(text), Ok(image)] => default_config(json!(DualConfig::default()), [text, image]),
            _ => json!(DualConfig::default()),
        }
    },
    check,
    harmless: &[],
    without_effect: |_| Vec::new(),
    parts,
    build,
    rename: dual::parameter,
    plan: |request| dual::plan(request, &parts(request.config)?),
};

/// The configurations of the towers. Without a `model_type` they are those of BERT and ViT, as in transformers.
fn parts(config: &Value) -> Result<Vec<ConfigPart>, ModelError> {
    let of = |modality: Modality, default: &str| {
        let (_, key) = names(modality);
        let model_type = config.pointer(&format!("/{key}/model_type")).and_then(Value::as_str);
        let model_type = match (model_type, default) {
            // Files of transformers 4 name the type of the whole model.
            (Some("clip"), "vit") => "clip_vision_model",
            (Some("clip"), _) => "clip_text_model",
            (Some("siglip"), "vit") => "siglip_vision_model",
            (Some("siglip"), _) => "siglip_text_model",
            (Some("vit_mae"), _) => {
                let message = "is `vit_mae`, which has no pooled output in transformers: make the model from its folder \
                               with `dual_encoder`, which takes the encoder as `vit`";
                return Err(bad(&format!("{key}.model_type"), message));
            }
            (found, default) => found.unwrap_or(default),
        };
        part(config, of_type(modality, model_type)?)
    };
    Ok(vec![of(Modality::Text, "bert")?, of(Modality::Image, "vit")?])
}

fn check(config: &Value) -> Result<(), ModelError> {
    parse_config::<DualConfig>(config)?.check()?;
    check_parts(parts(config)?)
}

fn build(
    config: &Value,
    options: &BuildOptions,
    parts: &Parts,
) -> Result<Box<dyn Model>, ModelError> {
    let keys: DualConfig = parse_config(config)?;
    keys.check()?;
    let shape = DualShape {
        projection: Some(keys.projection_dim),
        // The standard deviation of CLIP's projections.
        std: 1.0,
        scalar: &[],
        log_scale: keys.logit_scale_init_value,
        bias: None,
        config: json!(keys),
    };
    dual::build(&ENTRY, config, options, parts, shape)
}
