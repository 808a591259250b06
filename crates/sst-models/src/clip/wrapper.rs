//! CLIP as a [`Model`]: `CLIPModel`.

use serde_json::{Map, Value, json};
use sst_core::{Modality, Model};
use sst_data::Harmless;

use super::config::{ClipConfig, OVERRIDES, merged};
use super::tower::{IMAGE, TEXT};
use crate::dual::{self, DualShape};
use crate::entry::{ModelEntry, parse_config};
use crate::error::ModelError;
use crate::options::BuildOptions;
use crate::plan::Parts;
use crate::tower::{check_parts, default_config, part};

/// The registry's entry for CLIP.
pub(crate) const ENTRY: ModelEntry = ModelEntry {
    model_type: "clip",
    summary: "image encoder and causal text encoder, for comparing images with texts",
    modalities: &[Modality::Text, Modality::Image],
    is_causal: false,
    dropout: &[],
    architectures: &["CLIPModel"],
    tasks: &[],
    towers: &[TEXT, IMAGE],
    default_config: || default_config(json!(ClipConfig::default()), [&TEXT, &IMAGE]),
    check,
    harmless: HARMLESS,
    without_effect: |_| Vec::new(),
    parts: |config| {
        let config = merged(config);
        Ok(vec![part(&config, &TEXT)?, part(&config, &IMAGE)?])
    },
    build,
    rename: dual::parameter,
    plan: |request| dual::plan(request, &(ENTRY.parts)(request.config)?),
};

const HARMLESS: &[Harmless] =
    &[(OVERRIDES[0].0, "read as text_config"), (OVERRIDES[1].0, "read as vision_config")];

fn check(config: &Value) -> Result<(), ModelError> {
    parse_config::<ClipConfig>(config)?.check()?;
    check_parts((ENTRY.parts)(config)?)
}

fn build(
    config: &Value,
    options: &BuildOptions,
    parts: &Parts,
) -> Result<Box<dyn Model>, ModelError> {
    let mut clip: ClipConfig = parse_config(config)?;
    clip.check()?;
    clip.other = clip.other.into_iter().filter(|(key, _)| !is_override(key)).collect::<Map<_, _>>();
    let shape = DualShape {
        projection: Some(clip.projection_dim),
        std: clip.initializer_factor,
        scalar: &[],
        log_scale: clip.logit_scale_init_value,
        bias: None,
        config: json!(clip),
    };
    dual::build(&ENTRY, config, options, parts, shape)
}

fn is_override(key: &str) -> bool {
    OVERRIDES.iter().any(|(from, _)| *from == key)
}
