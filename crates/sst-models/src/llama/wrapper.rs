//! The architectures of Llama as [`Model`]s: `LlamaModel`, `LlamaForCausalLM`, and those of task heads.

use serde_json::{Value, json};
use sst_core::{Encoder, HeadInput, HeadKind, Modality, Model, Scope};

use super::config::{HARMLESS, LlamaConfig};
use super::model::LlamaModel;
use super::names::NAMES;
use crate::causal::{self, CausalDecoder, Shape};
use crate::entry::{ModelEntry, no_parts, parse_config};
use crate::error::ModelError;
use crate::error::bad;
use crate::init::InitOptions;
use crate::options::BuildOptions;
use crate::plan::Parts;
use crate::tower::{TokenPool, Tower, TowerEncoder, TowerEntry};

/// The registry's entry for Llama.
pub(crate) const ENTRY: ModelEntry = ModelEntry {
    model_type: "llama",
    summary: "decoder with rotary positions and a gated MLP, for causal language modelling",
    modalities: &[Modality::Text],
    is_causal: true,
    dropout: &["attention_dropout"],
    architectures: &["LlamaForCausalLM", "LlamaModel"],
    tasks: &[
        ("LlamaForSequenceClassification", HeadKind::SequenceClassification),
        ("LlamaForTokenClassification", HeadKind::TokenClassification),
        ("LlamaForQuestionAnswering", HeadKind::Span),
    ],
    towers: &[TOWER],
    default_config: || json!(LlamaConfig::default()),
    check: |config| parse_config::<LlamaConfig>(config)?.check(),
    harmless: HARMLESS,
    without_effect: |config| {
        parse_config::<LlamaConfig>(config)
            .map(|config| config.unused_rope_keys())
            .unwrap_or_default()
    },
    parts: no_parts,
    build,
    rename: |name, architecture| NAMES.parameter(name, architecture),
    plan: |request| causal::plan(request, &NAMES),
};

fn build(
    config: &Value,
    options: &BuildOptions,
    parts: &Parts,
) -> Result<Box<dyn Model>, ModelError> {
    let config: LlamaConfig = parse_config(config)?;
    config.check()?;
    if options.init != InitOptions::default() {
        return Err(bad("init", "has nothing for llama, whose positions are not learned"));
    }
    let rotary = config.rotary()?;
    let shape = Shape {
        config: json!(config.complete()),
        names: &NAMES,
        depth: config.num_hidden_layers,
        queries: config.num_attention_heads * config.head_width() * config.num_hidden_layers,
        tied: config.tie_word_embeddings,
        std: config.initializer_range,
    };
    causal::build(&ENTRY, options, parts, shape, |scope| LlamaModel::new(scope, &config, rotary))
}

/// The decoder as a tower of a dual encoder, pooled by its last token.
const TOWER: TowerEntry = TowerEntry {
    model_type: "llama",
    modality: Modality::Text,
    default_config: || json!(LlamaConfig::default()),
    check: |config| parse_config::<LlamaConfig>(config)?.check(),
    harmless: HARMLESS,
    build: tower,
    config: Value::clone,
    rename: |name| NAMES.parameter(name, NAMES.base),
    new: &[],
};

fn tower(scope: &Scope<'_>, config: &Value) -> Result<Tower, ModelError> {
    let config: LlamaConfig = parse_config(config)?;
    config.check()?;
    let encoder = LlamaModel::new(scope, &config, config.rotary()?)?;
    Ok(Tower {
        pooled_width: encoder.hidden_size(),
        encoder: Box::new(encoder),
        pool: Box::new(TokenPool(HeadInput::LastToken { padding_id: None })),
        layers: NAMES.layers,
        depth: config.num_hidden_layers as usize,
        config: json!(config.complete()),
    })
}

impl TowerEncoder for LlamaModel {
    fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> usize {
        CausalDecoder::checkpoint_layers(self, select)
    }
}
