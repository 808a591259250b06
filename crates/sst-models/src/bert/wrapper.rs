//! The architectures of BERT as [`Model`]s: `BertModel`, `BertForMaskedLM`, `BertForPreTraining`, and those of task
//! heads.

use std::cell::RefCell;

use serde_json::{Value, json};
use sst_core::checkpoint::Renamed;
use sst_core::nn::Linear;
use sst_core::{
    Encoder, Error, Head, HeadKind, LayerStack, Modality, Model, ParamStore, Result, Scope,
};
use tch::Tensor;

use super::config::{BertConfig, HARMLESS};
use super::heads::{MaskedHead, NextSentenceHead};
use super::model::BertModel;
use super::names::{canonical, is_buffer};
use super::plan::{BASE, MASKED, PRETRAINING, SEQUENCE, SPAN, TOKEN, parameter, plan};
use crate::entry::{ModelEntry, architecture, no_parts, parse_config, saved_config};
use crate::error::ModelError;
use crate::heads::labels::Labels;
use crate::heads::{
    Classifier, HeadConfig, Heads, Pooler, SequenceClassification, Sizes, Span, TokenClassification,
};
use crate::init::InitOptions;
use crate::options::BuildOptions;
use crate::plan::Parts;
use crate::tower::{Tower, TowerEncoder, TowerEntry};

/// The registry's entry for BERT.
pub(crate) const ENTRY: ModelEntry = ModelEntry {
    model_type: "bert",
    summary: "bidirectional encoder with a masked-token head, for masked language modelling",
    modalities: &[Modality::Text],
    is_causal: false,
    dropout: &["hidden_dropout_prob", "attention_probs_dropout_prob"],
    architectures: &[MASKED, PRETRAINING, BASE],
    tasks: &[
        (SEQUENCE, HeadKind::SequenceClassification),
        (TOKEN, HeadKind::TokenClassification),
        (SPAN, HeadKind::Span),
    ],
    towers: &[TOWER],
    default_config: || json!(BertConfig::default()),
    check: |config| parse_config::<BertConfig>(config)?.check(),
    harmless: HARMLESS,
    without_effect: |_| Vec::new(),
    parts: no_parts,
    build,
    rename: parameter,
    plan,
};

/// The prefix of the names of the layers' parameters, after the prefix of the encoder.
const LAYERS: &str = "encoder.layer.";

struct Bert {
    architecture: &'static str,
    config: BertConfig,
    params: ParamStore,
    encoder: BertModel,
    heads: Heads,
}

/// Builds the architecture that the options name, or else `BertForMaskedLM`.
fn build(
    config: &Value,
    options: &BuildOptions,
    parts: &Parts,
) -> Result<Box<dyn Model>, ModelError> {
    let config: BertConfig = parse_config(config)?;
    config.check()?;
    let architecture = architecture(&ENTRY, options)?;
    let is_base = architecture == BASE;

    let store = RefCell::new(parts.store(options));
    let root = Scope::root(&store);
    let scope = if is_base { root.clone() } else { root.sub("bert") };
    let has_pooler = [PRETRAINING, SEQUENCE].contains(&architecture) || is_base && parts.pooler;
    let encoder = BertModel::new(&scope, &config, options.init, has_pooler)?;
    let heads = heads(architecture, &root, &config, &encoder)?;
    let params = store.into_inner();
    Ok(Box::new(Bert { architecture, config, params, encoder, heads }))
}

/// Makes the heads of an architecture in the scope `root`.
fn heads(
    architecture: &str,
    root: &Scope<'_>,
    config: &BertConfig,
    encoder: &BertModel,
) -> Result<Heads, ModelError> {
    let mut heads = Heads::default();
    let (scope, std) = (root.sub("cls"), config.initializer_range);
    if [MASKED, PRETRAINING].contains(&architecture) {
        let words_vd = encoder.word_embeddings();
        let head = MaskedHead::new(&scope.sub("predictions"), config, words_vd)?;
        heads.add(HeadKind::LanguageModel, head);
    }
    let width = config.hidden_size;
    let classifier = || -> Result<Classifier, ModelError> {
        let outputs = Labels::of_keys(&config.other)?.names.len() as i64;
        let sizes = Sizes { width, outputs, std, has_bias: true };
        let layers = HeadConfig::of_keys(&config.other)?;
        Ok(Classifier::new(&root.sub("classifier"), layers, sizes)?)
    };
    let dropout = config.classifier_dropout();
    match (architecture, encoder.pooler()) {
        (PRETRAINING, Some(pooler)) => {
            let scope = scope.sub("seq_relationship");
            let head = NextSentenceHead::new(&scope, config, pooler.handle())?;
            heads.add(HeadKind::SentencePair, head);
        }
        (SEQUENCE, Some(pooler)) => {
            let (pooler, classifier) = (pooler.handle(), classifier()?);
            let head = SequenceClassification::of_first_token(pooler, dropout, classifier);
            heads.add(HeadKind::SequenceClassification, head);
        }
        (TOKEN, _) => {
            let head = TokenClassification::new(dropout, classifier()?);
            heads.add(HeadKind::TokenClassification, head);
        }
        (SPAN, _) => {
            let outputs = Linear::new(&root.sub("qa_outputs"), width, 2, std)?;
            heads.add(HeadKind::Span, Span::new(outputs));
        }
        _ => {}
    }
    Ok(heads)
}

/// The architectures that have a head of this kind.
fn architectures_with(kind: HeadKind) -> Vec<&'static str> {
    match kind {
        HeadKind::LanguageModel => vec![MASKED, PRETRAINING],
        HeadKind::SentencePair => vec![PRETRAINING],
        other => ENTRY.task_with(other).into_iter().collect(),
    }
}

impl Model for Bert {
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

    /// An untied head has one bias here and two in transformers, which adds the second one.
    fn saved_aliases(&self) -> Vec<(String, String)> {
        match self.lm_head().is_ok() && !self.config.tie_word_embeddings {
            true => {
                let [bias, copy] = ["cls.predictions.bias", "cls.predictions.decoder.bias"];
                vec![(bias.to_owned(), copy.to_owned())]
            }
            false => Vec::new(),
        }
    }

    fn encoder(&self, modality: Modality) -> Result<&dyn Encoder> {
        match modality {
            Modality::Text => Ok(&self.encoder),
            Modality::Image => {
                Err(Error::MissingEncoder { model_type: ENTRY.model_type.into(), modality })
            }
        }
    }

    fn stacks(&self) -> Vec<LayerStack> {
        let prefix =
            if self.architecture == BASE { LAYERS.into() } else { format!("bert.{LAYERS}") };
        vec![LayerStack { prefix, depth: self.config.num_hidden_layers as usize }]
    }

    /// The last layer computes only keys and values at every position ([`Encoder::encode_at`]).
    fn flops_per_token(&self, length: usize, head_token_fraction: f64) -> Option<f64> {
        let [width, layers, vocab] =
            [self.config.hidden_size, self.config.num_hidden_layers, self.config.vocab_size]
                .map(|n| n as f64);
        let last = format!("{LAYERS}{}.", self.config.num_hidden_layers - 1);
        let layer_share = |(name, parameter): (&str, &Tensor)| {
            let everywhere = !name.contains(&last)
                || ["self.key.", "self.value."].iter().any(|part| name.contains(part));
            let share = if everywhere { 1.0 } else { head_token_fraction };
            let counts = name.contains(LAYERS) && parameter.dim() == 2;
            if counts { share * parameter.numel() as f64 } else { 0.0 }
        };
        let body: f64 = self.params.iter().map(layer_share).sum();
        let head = if self.lm_head().is_ok() { width * width + width * vocab } else { 0.0 };
        let attention = 12.0 * (layers - 1.0 + head_token_fraction) * width * length as f64;
        Some(6.0 * (body + head_token_fraction * head) + attention)
    }

    fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> Result<usize> {
        Ok(self.encoder.checkpoint_layers(select))
    }

    fn head(&self, kind: HeadKind) -> Result<&dyn Head> {
        self.heads.get(kind).ok_or_else(|| Error::MissingHead {
            model: self.architecture.into(),
            head: kind,
            architectures: architectures_with(kind),
        })
    }
}

/// The encoder with its pooler as a tower of a dual encoder.
const TOWER: TowerEntry = TowerEntry {
    model_type: "bert",
    modality: Modality::Text,
    default_config: || json!(BertConfig::default()),
    check: |config| parse_config::<BertConfig>(config)?.check(),
    harmless: HARMLESS,
    build: tower,
    config: Value::clone,
    rename: |name| match is_buffer(name) {
        true => Renamed::Ignore,
        false => Renamed::To(canonical(name)),
    },
    new: &["pooler."],
};

fn tower(scope: &Scope<'_>, config: &Value) -> Result<Tower, ModelError> {
    let config: BertConfig = parse_config(config)?;
    config.check()?;
    let encoder = BertModel::new(scope, &config, InitOptions::default(), true)?;
    let Some(pooler) = encoder.pooler().map(Pooler::handle) else {
        return Err(Error::Contract("a tower of BERT needs its pooler".into()).into());
    };
    Ok(Tower {
        encoder: Box::new(encoder),
        pool: Box::new(pooler),
        pooled_width: config.hidden_size,
        layers: LAYERS,
        depth: config.num_hidden_layers as usize,
        config: json!(config),
    })
}

impl TowerEncoder for BertModel {
    fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> usize {
        self.checkpoint_layers(select)
    }
}
