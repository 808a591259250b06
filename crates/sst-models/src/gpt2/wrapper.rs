//! The architectures of GPT-2 as [`Model`]s: `GPT2Model`, `GPT2LMHeadModel`.

use std::cell::RefCell;

use serde_json::{Value, json};
use sst_core::checkpoint::Renamed;
use sst_core::{
    Decoder, Encoder, Error, Forward, Init, Model, ParamStore, Result, Scope, TokenHead,
};
use tch::Tensor;

use super::config::Gpt2Config;
use super::model::Gpt2Model;
use super::names;
use crate::config::bad;
use crate::decoder::flops_per_token;
use crate::error::ModelError;
use crate::init::Queries;
use crate::registry::{BuildOptions, ModelEntry, architecture, parse_config, saved_config};

/// GPT-2's word of registration.
pub(crate) const ENTRY: ModelEntry = ModelEntry {
    model_type: "gpt2",
    summary: "decoder with learned positions, for causal language modelling",
    architectures: &["GPT2LMHeadModel", "GPT2Model"],
    default_config: || json!(Gpt2Config::default()),
    build,
    rename,
};

#[derive(Debug)]
struct Gpt2 {
    architecture: &'static str,
    config: Gpt2Config,
    params: ParamStore,
    decoder: Gpt2Model,
    projection_vd: Option<Tensor>,
}

/// Builds the architecture that the options name, or `GPT2LMHeadModel`.
fn build(config: &Value, options: &BuildOptions) -> Result<Box<dyn Model>, ModelError> {
    let config: Gpt2Config = parse_config(config)?;
    config.check()?;
    if options.init.attention != Queries::Normal {
        let message = "gpt2 keeps queries and keys in one matrix, which starts as \"normal\" only";
        return Err(bad("init.attention", message));
    }
    let architecture = architecture(&ENTRY, options)?;
    let is_base = architecture == "GPT2Model";
    let store = RefCell::new(ParamStore::new(options.device, options.seed));
    let root = Scope::root(&store);
    let scope = if is_base { root.clone() } else { root.sub("transformer") };
    let decoder = Gpt2Model::new(&scope, &config, options.init)?;
    let projection_vd = match (is_base, config.tie_word_embeddings) {
        (true, _) => None,
        (false, true) => Some(decoder.word_embeddings().shallow_clone()),
        (false, false) => {
            let (shape, init) =
                ([config.vocab_size, config.n_embd], Init::Normal(config.initializer_range));
            Some(root.sub("lm_head").param("weight", &shape, init)?)
        }
    };
    let params = store.into_inner();
    Ok(Box::new(Gpt2 { architecture, config, params, decoder, projection_vd }))
}

/// What a file's name means to a model.
fn rename(name: &str, model: &dyn Model) -> Renamed {
    let config = model.config();
    let architecture = config.pointer("/architectures/0").and_then(Value::as_str);
    let tied = config.get("tie_word_embeddings") != Some(&Value::Bool(false));
    names::rename(name, architecture != Some("GPT2Model"), tied)
}

impl Model for Gpt2 {
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

    fn encoder(&self) -> &dyn Encoder {
        &self.decoder
    }

    fn decoder(&self) -> Result<&dyn Decoder> {
        Ok(&self.decoder)
    }

    fn flops_per_token(&self, length: usize, scored: f64) -> Option<f64> {
        let head = self.projection_vd.as_ref().map_or(0, Tensor::numel);
        let width = self.config.n_embd * self.config.n_layer;
        Some(flops_per_token(&self.params, "h.", width, length, scored * head as f64))
    }

    fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> Result<usize> {
        Ok(self.decoder.layers.checkpoint_layers(select))
    }

    fn token_head(&self) -> Result<&dyn TokenHead> {
        self.projection()?;
        Ok(self)
    }
}

impl Gpt2 {
    fn projection(&self) -> Result<&Tensor> {
        let missing =
            || Error::MissingHead { model_type: self.architecture.into(), head: "token head" };
        self.projection_vd.as_ref().ok_or_else(missing)
    }
}

impl TokenHead for Gpt2 {
    fn logits(&self, hidden_nd: &Tensor, _forward: Forward) -> Result<Tensor> {
        Ok(hidden_nd.f_linear(self.projection()?, None::<&Tensor>)?)
    }

    fn parameters(&self) -> Vec<&Tensor> {
        self.projection_vd.iter().collect()
    }
}
