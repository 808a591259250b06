//! The architectures of Llama as [`Model`]s: `LlamaModel`, `LlamaForCausalLM`.

use std::cell::RefCell;

use serde_json::{Value, json};
use sst_core::checkpoint::Renamed;
use sst_core::{
    Decoder, Encoder, Error, Forward, Init, Model, ParamStore, Result, Scope, TokenHead,
};
use tch::Tensor;

use super::config::LlamaConfig;
use super::model::LlamaModel;
use super::names;
use crate::config::bad;
use crate::decoder::flops_per_token;
use crate::error::ModelError;
use crate::init::InitOptions;
use crate::registry::{BuildOptions, ModelEntry, architecture, parse_config, saved_config};

/// Llama's word of registration.
pub(crate) const ENTRY: ModelEntry = ModelEntry {
    model_type: "llama",
    summary: "decoder with rotary positions and a gated MLP, for causal language modelling",
    architectures: &["LlamaForCausalLM", "LlamaModel"],
    default_config: || json!(LlamaConfig::default()),
    build,
    rename,
};

#[derive(Debug)]
struct Llama {
    architecture: &'static str,
    config: LlamaConfig,
    params: ParamStore,
    decoder: LlamaModel,
    projection_vd: Option<Tensor>,
}

/// Builds the architecture that the options name, or `LlamaForCausalLM`.
fn build(config: &Value, options: &BuildOptions) -> Result<Box<dyn Model>, ModelError> {
    let config: LlamaConfig = parse_config(config)?;
    config.check()?;
    if options.init != InitOptions::default() {
        return Err(bad("init", "has nothing for llama, whose positions are not learned"));
    }
    let architecture = architecture(&ENTRY, options)?;
    let is_base = architecture == "LlamaModel";
    let store = RefCell::new(ParamStore::new(options.device, options.seed));
    let root = Scope::root(&store);
    let scope = if is_base { root.clone() } else { root.sub("model") };
    let decoder = LlamaModel::new(&scope, &config, config.rotary()?)?;
    let projection_vd = match (is_base, config.tie_word_embeddings) {
        (true, _) => None,
        (false, true) => Some(decoder.word_embeddings().shallow_clone()),
        (false, false) => {
            let (shape, init) =
                ([config.vocab_size, config.hidden_size], Init::Normal(config.initializer_range));
            Some(root.sub("lm_head").param("weight", &shape, init)?)
        }
    };
    let params = store.into_inner();
    Ok(Box::new(Llama { architecture, config, params, decoder, projection_vd }))
}

/// What a file's name means to a model.
fn rename(name: &str, model: &dyn Model) -> Renamed {
    let config = model.config();
    let architecture = config.pointer("/architectures/0").and_then(Value::as_str);
    let tied = config.get("tie_word_embeddings") != Some(&Value::Bool(false));
    names::rename(name, architecture != Some("LlamaModel"), tied)
}

impl Model for Llama {
    fn model_type(&self) -> &'static str {
        ENTRY.model_type
    }

    fn config(&self) -> Value {
        saved_config(&ENTRY, self.architecture, json!(self.config.complete()))
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
        let queries = self.config.num_attention_heads * self.config.head_width();
        let width = queries * self.config.num_hidden_layers;
        Some(flops_per_token(&self.params, "layers.", width, length, scored * head as f64))
    }

    fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> Result<usize> {
        Ok(self.decoder.layers.checkpoint_layers(select))
    }

    fn token_head(&self) -> Result<&dyn TokenHead> {
        self.projection()?;
        Ok(self)
    }
}

impl Llama {
    fn projection(&self) -> Result<&Tensor> {
        let missing =
            || Error::MissingHead { model_type: self.architecture.into(), head: "token head" };
        self.projection_vd.as_ref().ok_or_else(missing)
    }
}

impl TokenHead for Llama {
    fn logits(&self, hidden_nd: &Tensor, _forward: Forward) -> Result<Tensor> {
        Ok(hidden_nd.f_linear(self.projection()?, None::<&Tensor>)?)
    }

    fn parameters(&self) -> Vec<&Tensor> {
        self.projection_vd.iter().collect()
    }
}
