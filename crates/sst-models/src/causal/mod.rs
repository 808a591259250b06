//! Causal language models: a decoder and its heads as a [`Model`].

mod names;
mod plan;

use std::cell::RefCell;

use serde_json::Value;
use sst_core::nn::Linear;
use sst_core::{
    Decoder, Encoder, Error, Head, HeadKind, Init, LayerStack, Modality, Model, ParamStore, Result,
    Scope,
};
use tch::Tensor;

use crate::config::check_dropout;
use crate::decoder::flops_per_token;
use crate::entry::{ModelEntry, architecture, saved_config};
use crate::error::ModelError;
use crate::heads::labels::Labels;
use crate::heads::{
    Classifier, HeadConfig, Heads, SequenceClassification, Sizes, Span, TokenClassification,
    VocabularyProjection,
};
use crate::options::BuildOptions;
use crate::plan::Parts;

pub(crate) use names::CausalNames;
pub(crate) use plan::plan;

/// A decoder: embeddings and layers, without a head.
pub(crate) trait CausalDecoder: Encoder + Decoder + Send + 'static {
    /// The word embeddings `[v, d]`, for a head that is tied to them.
    fn word_embeddings(&self) -> &Tensor;

    /// Turns on activation checkpointing for the layers that `select` returns true for. Returns their number.
    fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> usize;
}

/// The differences between causal models, besides the decoder.
pub(crate) struct Shape {
    /// The keys of the model's config, as they are saved.
    pub(crate) config: Value,
    /// The names of its modules.
    pub(crate) names: &'static CausalNames,
    /// How many layers there are.
    pub(crate) depth: i64,
    /// The width of the queries of all layers together.
    pub(crate) queries: i64,
    /// Whether the head's projection is tied to the word embeddings.
    pub(crate) tied: bool,
    /// The standard deviation of the initial weights.
    pub(crate) std: f64,
}

struct Causal<D> {
    entry: &'static ModelEntry,
    architecture: &'static str,
    shape: Shape,
    params: ParamStore,
    decoder: D,
    heads: Heads,
}

/// Builds the architecture that the options name. The entry's first architecture has a language-model head, its
/// second has no head, and those in `tasks` have the head of a task.
pub(crate) fn build<D: CausalDecoder>(
    entry: &'static ModelEntry,
    options: &BuildOptions,
    parts: &Parts,
    shape: Shape,
    decoder: impl FnOnce(&Scope<'_>) -> Result<D>,
) -> Result<Box<dyn Model>, ModelError> {
    let architecture = architecture(entry, options)?;
    let store = RefCell::new(parts.store(options));
    let root = Scope::root(&store);
    let is_base = architecture == entry.architectures[1];
    let task = entry.task(Some(architecture)).map(|(_, kind)| kind);
    let decoder = decoder(&match shape.names.decoder(architecture) {
        Some(module) => root.sub(module),
        None => root.clone(),
    })?;
    let mut heads = Heads::default();
    if let Some(kind) = task {
        add_task(&mut heads, kind, &root, &shape, decoder.hidden_size())?;
    } else if !is_base {
        let words_vd = decoder.word_embeddings();
        let projection_vd = match shape.tied {
            true => words_vd.shallow_clone(),
            false => {
                let scope = root.sub("lm_head");
                scope.param("weight", &words_vd.size(), Init::Normal(shape.std))?
            }
        };
        heads.add(HeadKind::LanguageModel, VocabularyProjection::new(projection_vd));
    }
    let params = store.into_inner();
    Ok(Box::new(Causal { entry, architecture, shape, params, decoder, heads }))
}

/// Makes the head of a task in the scope `root`, for hidden states of this width.
fn add_task(
    heads: &mut Heads,
    kind: HeadKind,
    root: &Scope<'_>,
    shape: &Shape,
    width: i64,
) -> Result<(), ModelError> {
    let scope = root.sub(shape.names.module(kind));
    if kind == HeadKind::Span {
        heads.add(kind, Span::new(Linear::new(&scope, width, 2, shape.std)?));
        return Ok(());
    }
    let outputs = Labels::of(&shape.config)?.names.len() as i64;
    let has_bias = kind == HeadKind::TokenClassification;
    let sizes = Sizes { width, outputs, std: shape.std, has_bias };
    let classifier = Classifier::new(&scope, HeadConfig::of(&shape.config)?, sizes)?;
    match kind {
        HeadKind::TokenClassification => {
            heads.add(kind, TokenClassification::new(token_dropout(&shape.config)?, classifier));
        }
        _ => {
            let padding_id = shape.config.get("pad_token_id").and_then(Value::as_i64);
            heads.add(kind, SequenceClassification::of_last_token(classifier, padding_id));
        }
    }
    Ok(())
}

/// The dropout probability before the linear layer that classifies tokens, with transformers' default.
fn token_dropout(config: &Value) -> Result<f64, ModelError> {
    for key in ["classifier_dropout", "hidden_dropout"] {
        if let Some(dropout) = config.get(key).and_then(Value::as_f64) {
            check_dropout(&[(key, dropout)])?;
            return Ok(dropout);
        }
    }
    Ok(0.1)
}

impl<D: CausalDecoder> Model for Causal<D> {
    fn model_type(&self) -> &'static str {
        self.entry.model_type
    }

    fn config(&self) -> Value {
        saved_config(self.entry, self.architecture, self.shape.config.clone())
    }

    fn params(&self) -> &ParamStore {
        &self.params
    }

    fn params_mut(&mut self) -> &mut ParamStore {
        &mut self.params
    }

    fn encoder(&self, modality: Modality) -> Result<&dyn Encoder> {
        match modality {
            Modality::Text => Ok(&self.decoder),
            Modality::Image => {
                Err(Error::MissingEncoder { model_type: self.entry.model_type.into(), modality })
            }
        }
    }

    fn stacks(&self) -> Vec<LayerStack> {
        let Shape { names, depth, .. } = self.shape;
        let prefix = format!("{}{}", names.prefix(self.architecture), names.layers);
        vec![LayerStack { prefix, depth: depth as usize }]
    }

    fn decoder(&self) -> Result<&dyn Decoder> {
        Ok(&self.decoder)
    }

    fn flops_per_token(&self, length: usize, head_token_fraction: f64) -> Option<f64> {
        let head = self
            .heads
            .get(HeadKind::LanguageModel)
            .map_or(0, |head| head.parameters().into_iter().map(Tensor::numel).sum());
        let Shape { names, queries, .. } = self.shape;
        Some(flops_per_token(
            &self.params,
            names.layers,
            queries,
            length,
            head_token_fraction * head as f64,
        ))
    }

    fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> Result<usize> {
        Ok(self.decoder.checkpoint_layers(select))
    }

    fn head(&self, kind: HeadKind) -> Result<&dyn Head> {
        self.heads.get(kind).ok_or_else(|| Error::MissingHead {
            model: self.architecture.into(),
            head: kind,
            architectures: match kind {
                HeadKind::LanguageModel => self.entry.architectures[..1].to_vec(),
                other => self.entry.task_with(other).into_iter().collect(),
            },
        })
    }
}
