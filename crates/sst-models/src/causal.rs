//! A decoder and its vocabulary projection as a [`Model`]: what causal language models have in common.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::Value;
use sst_core::checkpoint::Renamed;
use sst_core::nn::Linear;
use sst_core::{
    Decoder, Encoder, Error, Head, HeadKind, Init, LayerStack, Modality, Model, ParamStore, Result,
    Scope,
};
use tch::Tensor;

use crate::decoder::flops_per_token;
use crate::entry::{ModelEntry, architecture, saved_config};
use crate::error::ModelError;
use crate::heads::labels::Labels;
use crate::heads::{Heads, SequenceClassification, VocabularyProjection};
use crate::options::BuildOptions;
use crate::plan::{LoadHead, Parts, Plan, Request};

/// A decoder with its layers and embeddings.
pub(crate) trait CausalDecoder: Encoder + Decoder + Send + 'static {
    /// The word embeddings `[v, d]`, to tie a head to them.
    fn word_embeddings(&self) -> &Tensor;

    /// Picks the layers that run again in the backward pass; returns how many there are.
    fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> usize;
}

/// What differs from one to the other besides the decoder.
pub(crate) struct Shape {
    /// The model's own keys, as they are saved.
    pub(crate) config: Value,
    /// The scope of the decoder where there is a head beside it.
    pub(crate) prefix: &'static str,
    /// What the names of the layers' parameters hold.
    pub(crate) layers: &'static str,
    /// How many layers there are.
    pub(crate) depth: i64,
    /// The width of the queries of all layers.
    pub(crate) queries: i64,
    /// Whether the vocabulary projection is the word embeddings.
    pub(crate) tied: bool,
    /// Standard deviation of the first weights.
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

/// Builds the architecture that the options name: the entry's first has a language-model head, its second none, and
/// that of a task classifies rows.
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
    let decoder = decoder(&if is_base { root.clone() } else { root.sub(shape.prefix) })?;
    let mut heads = Heads::default();
    if entry.task(Some(architecture)).is_some() {
        let outputs = Labels::of(&shape.config)?.names.len() as i64;
        let width = decoder.hidden_size();
        let score = Linear::without_bias(&root.sub("score"), width, outputs, shape.std)?;
        let head = SequenceClassification::of_last_token(score);
        heads.add(HeadKind::SequenceClassification, head);
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

/// The vocabulary projection, where it is not the word embeddings.
const PROJECTION: &str = "lm_head.weight";
/// The linear layer that classifies rows.
const SCORE: &str = "score.weight";

/// Which architecture a file of weights is loaded as: that of the task that the config names if the file holds its
/// head; the one with a language-model head if the file holds its projection, or the config ties it to the embeddings.
/// `words` are these, as the decoder alone calls them, and `rename` gives the parameter that a name stands for where
/// the decoder has a prefix, or none.
pub(crate) fn plan(
    request: &Request<'_>,
    words: &str,
    rename: fn(&str, bool) -> Renamed,
) -> Result<Plan, ModelError> {
    let (weights, tied) = (request.weights, request.tied());
    let [with_head, base] = [request.architectures[0], request.architectures[1]];
    let has_projection = weights.contains(PROJECTION);
    let has_head = has_projection || tied;
    let named = request.named();
    let named_task = request.named_task().map(|(task, _)| task);
    let is_words = |name: &&str| rename(name, false) == Renamed::To(words.to_owned());
    let embeddings = weights.names().find(is_words);
    let has_score = weights.contains(SCORE);
    let architecture = match (request.architecture, request.head) {
        (Some(asked), _) => asked,
        (None, LoadHead::Needed(kind) | LoadHead::New(kind)) if kind != HeadKind::LanguageModel => {
            let task = request.task_with(kind).ok_or_else(|| request.no_such_head(kind))?;
            let is_needed = request.head == LoadHead::Needed(kind);
            if is_needed && !has_score && embeddings.is_some() {
                return Err(request.no_head("sequence-classification head", SCORE));
            }
            task
        }
        // A file without embeddings is of another model, and what it lacks is listed.
        (None, LoadHead::Needed(_)) if !has_head && embeddings.is_some() => {
            return Err(request.no_head("vocabulary projection", PROJECTION));
        }
        (None, LoadHead::AsFound) if has_score && named_task.is_some() => {
            named_task.unwrap_or(with_head)
        }
        (None, LoadHead::AsFound) if !has_head => base,
        // The decoder alone, or with the head of a task, for a caller that needs no other.
        (None, LoadHead::AsFound)
            if !has_projection && named.is_some_and(|named| named != with_head) =>
        {
            base
        }
        (None, _) => with_head,
    };
    let builds_head = architecture == with_head;
    let is_prefixed = architecture != base;
    let untied = match embeddings {
        Some(embeddings) if tied && has_projection && builds_head => {
            !weights.same(embeddings, PROJECTION)?
        }
        _ => false,
    };
    let mut renames = BTreeMap::new();
    for name in weights.names() {
        let renamed = match (name == PROJECTION, builds_head) {
            (false, _) => rename(name, is_prefixed),
            (true, false) => Renamed::Unused,
            (true, true) if !tied || untied => Renamed::To(name.to_owned()),
            // The projection is the embeddings: a copy, or all there is of them.
            (true, true) if embeddings.is_some() => Renamed::Ignore,
            (true, true) => rename(words, true),
        };
        renames.insert(name.to_owned(), renamed);
    }
    let mut absent = Vec::new();
    if !has_head && named == Some(with_head) && !builds_head {
        absent.push(PROJECTION.to_owned());
    }
    if !has_score && named_task.is_some() && architecture == base {
        absent.push(SCORE.to_owned());
    }
    let new = match request.head {
        LoadHead::New(_) if builds_head && !has_head => vec![PROJECTION.to_owned()],
        LoadHead::New(_) if is_prefixed && !builds_head => vec![SCORE.to_owned()],
        _ => Vec::new(),
    };
    Ok(Plan { architecture, pooler: false, untied, new, absent, renames })
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
        let Shape { prefix, layers, depth, .. } = self.shape;
        let is_base = self.architecture == self.entry.architectures[1];
        let prefix = if is_base { layers.to_owned() } else { format!("{prefix}.{layers}") };
        vec![LayerStack { prefix, depth: depth as usize }]
    }

    fn decoder(&self) -> Result<&dyn Decoder> {
        Ok(&self.decoder)
    }

    fn flops_per_token(&self, length: usize, scored: f64) -> Option<f64> {
        let head = self
            .heads
            .get(HeadKind::LanguageModel)
            .map_or(0, |head| head.parameters().into_iter().map(Tensor::numel).sum());
        let Shape { layers, queries, .. } = self.shape;
        Some(flops_per_token(&self.params, layers, queries, length, scored * head as f64))
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
