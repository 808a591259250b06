//! Causal language models: a decoder and its heads as a [`Model`].

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
    /// The scope of the decoder in an architecture with a head, such as `transformer`.
    pub(crate) prefix: &'static str,
    /// The prefix of the names of the layers' parameters, after the scope of the decoder.
    pub(crate) layers: &'static str,
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
/// second has no head, and the one in `tasks` classifies rows.
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
        let padding_id = shape.config.get("pad_token_id").and_then(Value::as_i64);
        let head = SequenceClassification::of_last_token(score, padding_id);
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

/// The projection of the language-model head, if it is not tied to the word embeddings.
const PROJECTION: &str = "lm_head.weight";
/// The weight of the linear layer that classifies rows.
const SCORE: &str = "score.weight";

/// Decides which architecture a file of weights is loaded as: the one of the task that the config names, if the file
/// holds its head; or the one with a language-model head, if the file holds its projection or the config ties it to
/// the word embeddings. `words` is the name of the word embeddings in the decoder, without a prefix. `rename` maps
/// the name of a tensor to a parameter, with the prefix of the decoder or without.
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
        // A file without embeddings belongs to another model; the error then lists everything that it lacks.
        (None, LoadHead::Needed(_)) if !has_head && embeddings.is_some() => {
            return Err(request.no_head("vocabulary projection", PROJECTION));
        }
        (None, LoadHead::AsFound) if has_score && named_task.is_some() => {
            named_task.unwrap_or(with_head)
        }
        (None, LoadHead::AsFound) if !has_head => base,
        // A caller that needs no head gets the decoder alone, or the decoder with the head of its task.
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
            // The projection is tied: it is a copy of the embeddings, or the only tensor that holds them.
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

    fn flops_per_token(&self, length: usize, head_token_fraction: f64) -> Option<f64> {
        let head = self
            .heads
            .get(HeadKind::LanguageModel)
            .map_or(0, |head| head.parameters().into_iter().map(Tensor::numel).sum());
        let Shape { layers, queries, .. } = self.shape;
        Some(flops_per_token(
            &self.params,
            layers,
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
