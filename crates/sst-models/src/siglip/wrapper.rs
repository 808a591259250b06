//! SigLIP as a [`Model`]: `SiglipModel`.

use serde_json::{Value, json};
use sst_core::{Modality, Model};
use sst_data::Harmless;

use super::config::SiglipConfig;
use super::tower::{IMAGE, TEXT};
use crate::config::check_refused;
use crate::dual::{self, DualShape};
use crate::entry::{ModelEntry, parse_config};
use crate::error::ModelError;
use crate::options::BuildOptions;
use crate::plan::Parts;
use crate::tower::{ConfigPart, check_parts, default_config, part};

/// The registry's entry for SigLIP.
pub(crate) const ENTRY: ModelEntry = ModelEntry {
    model_type: "siglip",
    summary: "image encoder and text encoder with pooling heads, for comparing images with texts by a sigmoid loss",
    modalities: &[Modality::Text, Modality::Image],
    is_causal: false,
    dropout: &[],
    architectures: &["SiglipModel"],
    tasks: &[],
    towers: &[TEXT, IMAGE],
    default_config: || default_config(json!(SiglipConfig::default()), [&TEXT, &IMAGE]),
    check,
    harmless: HARMLESS,
    without_effect: |_| Vec::new(),
    parts,
    build,
    rename: dual::parameter,
    plan: |request| dual::plan(request, &parts(request.config)?),
};

const HARMLESS: &[Harmless] = &[("initializer_factor", "of a classification head")];

fn parts(config: &Value) -> Result<Vec<ConfigPart>, ModelError> {
    Ok(vec![part(config, &TEXT)?, part(config, &IMAGE)?])
}

fn check(config: &Value) -> Result<(), ModelError> {
    check_refused(&parse_config::<SiglipConfig>(config)?.other, &[])?;
    check_parts(parts(config)?)
}

fn build(
    config: &Value,
    options: &BuildOptions,
    parts: &Parts,
) -> Result<Box<dyn Model>, ModelError> {
    let siglip: SiglipConfig = parse_config(config)?;
    check_refused(&siglip.other, &[])?;
    let shape = DualShape {
        config: json!(siglip),
        projection: None,
        std: 1.0,
        scalar: &[1],
        // Section 3.2 of the paper: most pairs of a batch are no matches, and the loss starts near that.
        log_scale: 10.0_f64.ln(),
        bias: Some(-10.0),
    };
    dual::build(&ENTRY, config, options, parts, shape)
}
