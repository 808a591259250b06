//! The architectures of GPT-2 as [`Model`]s: `GPT2Model`, `GPT2LMHeadModel`, and those of task heads.

use serde_json::{Value, json};
use sst_core::{Encoder, HeadInput, HeadKind, Modality, Model, Scope};

use super::config::{Gpt2Config, HARMLESS};
use super::model::Gpt2Model;
use super::names::NAMES;
use crate::causal::{self, CausalDecoder, Shape};
use crate::entry::{ModelEntry, no_parts, parse_config};
use crate::error::ModelError;
use crate::error::bad;
use crate::init::{InitOptions, Queries};
use crate::options::BuildOptions;
use crate::plan::Parts;
use crate::tower::{TokenPool, Tower, TowerEncoder, TowerEntry};

/// The registry's entry for GPT-2.
pub(crate) const ENTRY: ModelEntry = ModelEntry {
    model_type: "gpt2",
    summary: "decoder with learned positions, for causal language modelling",
    modalities: &[Modality::Text],
    is_causal: true,
    dropout: &["resid_pdrop", "embd_pdrop", "attn_pdrop"],
    architectures: &["GPT2LMHeadModel", "GPT2Model"],
    tasks: &[
        ("GPT2ForSequenceClassification", HeadKind::SequenceClassification),
        ("GPT2ForTokenClassification", HeadKind::TokenClassification),
        ("GPT2ForQuestionAnswering", HeadKind::Span),
    ],
    towers: &[TOWER],
    default_config: || json!(Gpt2Config::default()),
    check: |config| parse_config::<Gpt2Config>(config)?.check(),
    harmless: HARMLESS,
    without_effect: |_| Vec::new(),
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
    let config: Gpt2Config = parse_config(config)?;
    config.check()?;
    if options.init.attention != Queries::Normal {
        let message = "gpt2 keeps queries and keys in one matrix, which starts as \"normal\" only";
        return Err(bad("init.attention", message));
    }
    let shape = Shape {
        config: json!(config),
        names: &NAMES,
        depth: config.n_layer,
        queries: config.n_embd * config.n_layer,
        tied: config.tie_word_embeddings,
        std: config.initializer_range,
    };
    causal::build(&ENTRY, options, parts, shape, |scope| {
        Gpt2Model::new(scope, &config, options.init)
    })
}

/// The decoder as a tower of a dual encoder, pooled by its last token.
const TOWER: TowerEntry = TowerEntry {
    model_type: "gpt2",
    modality: Modality::Text,
    default_config: || json!(Gpt2Config::default()),
    check: |config| parse_config::<Gpt2Config>(config)?.check(),
    harmless: HARMLESS,
    build: tower,
    config: Value::clone,
    rename: |name| NAMES.parameter(name, NAMES.base),
    new: &[],
};

fn tower(scope: &Scope<'_>, config: &Value) -> Result<Tower, ModelError> {
    let config: Gpt2Config = parse_config(config)?;
    config.check()?;
    let encoder = Gpt2Model::new(scope, &config, InitOptions::default())?;
    Ok(Tower {
        pooled_width: encoder.hidden_size(),
        encoder: Box::new(encoder),
        pool: Box::new(TokenPool(HeadInput::LastToken { padding_id: None })),
        layers: NAMES.layers,
        depth: config.n_layer as usize,
        config: json!(config),
    })
}

impl TowerEncoder for Gpt2Model {
    fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> usize {
        CausalDecoder::checkpoint_layers(self, select)
    }
}
