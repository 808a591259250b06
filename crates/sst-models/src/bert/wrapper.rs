//! The architectures of BERT as [`Model`]s: `BertModel`, `BertForMaskedLM`, `BertForPreTraining`.

use std::cell::RefCell;

use serde_json::{Value, json};
use sst_core::{
    Encoder, Error, Forward, LayerStack, Model, PairHead, ParamStore, Result, Scope, TokenHead,
};
use tch::Tensor;

use super::config::{BertConfig, HARMLESS};
use super::heads::{MaskedHead, NextSentenceHead};
use super::model::BertModel;
use super::plan::{BASE, MASKED, PRETRAINING, plan};
use crate::entry::{ModelEntry, architecture, parse_config, saved_config};
use crate::error::ModelError;
use crate::options::BuildOptions;
use crate::plan::Parts;

/// BERT's word of registration.
pub(crate) const ENTRY: ModelEntry = ModelEntry {
    model_type: "bert",
    summary: "bidirectional encoder with a masked-token head, for masked language modelling",
    architectures: &[MASKED, PRETRAINING, BASE],
    default_config: || json!(BertConfig::default()),
    check: |config| parse_config::<BertConfig>(config)?.check(),
    harmless: HARMLESS,
    without_effect: |_| Vec::new(),
    build,
    plan,
};

/// What the names of the layers' parameters hold.
const LAYERS: &str = "encoder.layer.";

#[derive(Debug)]
struct Bert {
    architecture: &'static str,
    config: BertConfig,
    params: ParamStore,
    encoder: BertModel,
    masked: Option<MaskedHead>,
    next_sentence: Option<NextSentenceHead>,
}

/// Builds the architecture that the options name, or `BertForMaskedLM`.
fn build(
    config: &Value,
    options: &BuildOptions,
    parts: &Parts,
) -> Result<Box<dyn Model>, ModelError> {
    let config: BertConfig = parse_config(config)?;
    config.check()?;
    let architecture = architecture(&ENTRY, options)?;
    let is_base = architecture == BASE;
    let is_pretraining = architecture == PRETRAINING;

    let store = RefCell::new(parts.store(options));
    let root = Scope::root(&store);
    let scope = if is_base { root.clone() } else { root.sub("bert") };
    let has_pooler = is_pretraining || is_base && parts.pooler;
    let encoder = BertModel::new(&scope, &config, options.init, has_pooler)?;
    let heads = root.sub("cls");
    let masked = match is_base {
        true => None,
        false => {
            let scope = heads.sub("predictions");
            Some(MaskedHead::new(&scope, &config, encoder.word_embeddings())?)
        }
    };
    let next_sentence = match is_pretraining {
        true => Some(NextSentenceHead::new(&heads.sub("seq_relationship"), &config)?),
        false => None,
    };
    let params = store.into_inner();
    Ok(Box::new(Bert { architecture, config, params, encoder, masked, next_sentence }))
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

    /// transformers has two biases where the head has a projection of its own, and adds the second.
    fn copies(&self) -> Vec<(String, String)> {
        match self.masked.is_some() && !self.config.tie_word_embeddings {
            true => {
                let [bias, copy] = ["cls.predictions.bias", "cls.predictions.decoder.bias"];
                vec![(bias.to_owned(), copy.to_owned())]
            }
            false => Vec::new(),
        }
    }

    fn encoder(&self) -> &dyn Encoder {
        &self.encoder
    }

    fn stacks(&self) -> Vec<LayerStack> {
        let prefix =
            if self.architecture == BASE { LAYERS.into() } else { format!("bert.{LAYERS}") };
        vec![LayerStack { prefix, depth: self.config.num_hidden_layers as usize }]
    }

    /// Of the last layer only keys and values are made at every position ([`Encoder::encode_at`]).
    fn flops_per_token(&self, length: usize, scored: f64) -> Option<f64> {
        let [width, layers, vocab] =
            [self.config.hidden_size, self.config.num_hidden_layers, self.config.vocab_size]
                .map(|n| n as f64);
        let last = format!("{LAYERS}{}.", self.config.num_hidden_layers - 1);
        let of_layers = |(name, parameter): (&str, &Tensor)| {
            let everywhere = !name.contains(&last)
                || ["self.key.", "self.value."].iter().any(|part| name.contains(part));
            let share = if everywhere { 1.0 } else { scored };
            let counts = name.contains(LAYERS) && parameter.dim() == 2;
            if counts { share * parameter.numel() as f64 } else { 0.0 }
        };
        let body: f64 = self.params.iter().map(of_layers).sum();
        let head = if self.masked.is_some() { width * width + width * vocab } else { 0.0 };
        let attention = 12.0 * (layers - 1.0 + scored) * width * length as f64;
        Some(6.0 * (body + scored * head) + attention)
    }

    fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> Result<usize> {
        Ok(self.encoder.checkpoint_layers(select))
    }

    fn token_head(&self) -> Result<&dyn TokenHead> {
        match self.masked {
            Some(_) => Ok(self),
            None => Err(self.no_head("token head")),
        }
    }

    fn pair_head(&self) -> Result<&dyn PairHead> {
        match self.next_sentence {
            Some(_) => Ok(self),
            None => Err(self.no_head("pair head (BertForPreTraining has one)")),
        }
    }
}

impl Bert {
    fn no_head(&self, head: &'static str) -> Error {
        Error::MissingHead { model_type: self.architecture.into(), head }
    }
}

impl TokenHead for Bert {
    fn logits(&self, hidden_nd: &Tensor, _forward: Forward) -> Result<Tensor> {
        let Some(head) = &self.masked else { return Err(self.no_head("token head")) };
        head.logits(hidden_nd)
    }

    fn parameters(&self) -> Vec<&Tensor> {
        self.masked.iter().flat_map(MaskedHead::parameters).collect()
    }
}

impl PairHead for Bert {
    fn logits(&self, first_bd: &Tensor, _forward: Forward) -> Result<Tensor> {
        match (&self.next_sentence, self.encoder.pooled(first_bd)?) {
            (Some(head), Some(pooled_bd)) => head.logits(&pooled_bd),
            _ => Err(self.no_head("pair head")),
        }
    }
}
