//! A decoder and its vocabulary projection as a [`Model`]: what causal language models have in common.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::Value;
use sst_core::checkpoint::Renamed;
use sst_core::nn::linear;
use sst_core::{
    Decoder, Encoder, Error, Forward, Init, LayerStack, Model, ParamStore, Result, Scope, TokenHead,
};
use tch::Tensor;

use crate::decoder::flops_per_token;
use crate::entry::{ModelEntry, architecture, saved_config};
use crate::error::ModelError;
use crate::options::BuildOptions;
use crate::plan::{Head, Parts, Plan, Request};

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
    projection_vd: Option<Tensor>,
}

/// Builds the architecture that the options name: the entry's first has a head, others have none.
pub(crate) fn build<D: CausalDecoder>(
    entry: &'static ModelEntry,
    options: &BuildOptions,
    parts: &Parts,
    shape: Shape,
    decoder: impl FnOnce(&Scope<'_>) -> Result<D>,
) -> Result<Box<dyn Model>, ModelError> {
    let architecture = architecture(entry, options)?;
    let has_head = has_head(entry, Some(architecture));
    let store = RefCell::new(parts.store(options));
    let root = Scope::root(&store);
    let decoder = decoder(&if has_head { root.sub(shape.prefix) } else { root.clone() })?;
    let words_vd = decoder.word_embeddings();
    let projection_vd = match (has_head, shape.tied) {
        (false, _) => None,
        (true, true) => Some(words_vd.shallow_clone()),
        (true, false) => {
            let head = root.sub("lm_head");
            Some(head.param("weight", &words_vd.size(), Init::Normal(shape.std))?)
        }
    };
    let params = store.into_inner();
    Ok(Box::new(Causal { entry, architecture, shape, params, decoder, projection_vd }))
}

/// Whether an architecture has a head, and so its decoder a scope of its own.
pub(crate) fn has_head(entry: &ModelEntry, architecture: Option<&str>) -> bool {
    architecture == entry.architectures.first().copied()
}

/// The vocabulary projection, where it is not the word embeddings.
const PROJECTION: &str = "lm_head.weight";

/// Which architecture a file of weights is loaded as: the one with a head if the file holds its projection, or
/// the config ties it to the embeddings. `words` are these, as the decoder alone calls them, and `rename` gives
/// the parameter that a name stands for where the decoder has a prefix, or none.
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
    let is_words = |name: &&str| rename(name, false) == Renamed::To(words.to_owned());
    let embeddings = weights.names().find(is_words);
    let architecture = match (request.architecture, request.head) {
        (Some(asked), _) => asked,
        // A file without embeddings is of another model, and what it lacks is listed.
        (None, Head::Needed) if !has_head && embeddings.is_some() => {
            return Err(request.no_head("vocabulary projection", PROJECTION));
        }
        (None, Head::AsFound) if !has_head => base,
        // The decoder alone, or with the head of a task, for a caller that needs no other.
        (None, Head::AsFound)
            if !has_projection && named.is_some_and(|named| named != with_head) =>
        {
            base
        }
        (None, _) => with_head,
    };
    let builds_head = architecture == with_head;
    let untied = match embeddings {
        Some(embeddings) if tied && has_projection && builds_head => {
            !weights.same(embeddings, PROJECTION)?
        }
        _ => false,
    };
    let mut renames = BTreeMap::new();
    for name in weights.names() {
        let renamed = match (name == PROJECTION, builds_head) {
            (false, _) => rename(name, builds_head),
            (true, false) => Renamed::Unused,
            (true, true) if !tied || untied => Renamed::To(name.to_owned()),
            // The projection is the embeddings: a copy, or all there is of them.
            (true, true) if embeddings.is_some() => Renamed::Ignore,
            (true, true) => rename(words, true),
        };
        renames.insert(name.to_owned(), renamed);
    }
    let lacks = !has_head && named == Some(with_head);
    let absent = if lacks && !builds_head { vec![PROJECTION.to_owned()] } else { Vec::new() };
    let is_new = builds_head && !has_head && request.head == Head::New;
    let new = if is_new { vec![PROJECTION.to_owned()] } else { Vec::new() };
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

    fn encoder(&self) -> &dyn Encoder {
        &self.decoder
    }

    fn stacks(&self) -> Vec<LayerStack> {
        let Shape { prefix, layers, depth, .. } = self.shape;
        let prefix = match has_head(self.entry, Some(self.architecture)) {
            true => format!("{prefix}.{layers}"),
            false => layers.to_owned(),
        };
        vec![LayerStack { prefix, depth: depth as usize }]
    }

    fn decoder(&self) -> Result<&dyn Decoder> {
        Ok(&self.decoder)
    }

    fn flops_per_token(&self, length: usize, scored: f64) -> Option<f64> {
        let head = self.projection_vd.as_ref().map_or(0, Tensor::numel);
        let Shape { layers, queries, .. } = self.shape;
        Some(flops_per_token(&self.params, layers, queries, length, scored * head as f64))
    }

    fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> Result<usize> {
        Ok(self.decoder.checkpoint_layers(select))
    }

    fn token_head(&self) -> Result<&dyn TokenHead> {
        self.projection()?;
        Ok(self)
    }
}

impl<D> Causal<D> {
    fn projection(&self) -> Result<&Tensor> {
        let model_type = || self.architecture.into();
        let missing = || Error::MissingHead { model_type: model_type(), head: "token head" };
        self.projection_vd.as_ref().ok_or_else(missing)
    }
}

impl<D: CausalDecoder> TokenHead for Causal<D> {
    fn logits(&self, hidden_nd: &Tensor, _forward: Forward) -> Result<Tensor> {
        linear(hidden_nd, self.projection()?, None)
    }

    fn parameters(&self) -> Vec<&Tensor> {
        self.projection_vd.iter().collect()
    }
}
