//! The architectures of ViTMAE as [`Model`]s: `ViTMAEModel` and `ViTMAEForPreTraining`.

use std::cell::RefCell;

use serde_json::{Value, json};
use sst_core::nn::LayerNorm;
use sst_core::{
    Encoder, Error, LayerStack, Modality, Model, ParamStore, PatchDecoder, Result, Scope,
};

use super::config::VitMaeConfig;
use super::decoder::Decoder;
use super::plan::{BASE, DECODER, PRETRAINING, parameter, plan};
use crate::block::{Block, VIT_NAMES};
use crate::entry::{ModelEntry, architecture, no_parts, parse_config, saved_config};
use crate::error::ModelError;
use crate::image::ImageEncoder;
use crate::init::plain;
use crate::options::BuildOptions;
use crate::plan::Parts;
use crate::tower::{TowerEncoder, TowerEntry};
use crate::vit::TOWER;

/// The registry's entry for ViTMAE.
pub(crate) const ENTRY: ModelEntry = ModelEntry {
    model_type: "vit_mae",
    summary: "encoder of some patches of an image with a decoder that reconstructs the others, for masked autoencoding",
    modalities: &[Modality::Image],
    is_causal: false,
    dropout: &["hidden_dropout_prob", "attention_probs_dropout_prob"],
    architectures: &[PRETRAINING, BASE],
    tasks: &[],
    towers: &[VIT],
    default_config: || json!(VitMaeConfig::default()),
    check: |config| parse_config::<VitMaeConfig>(config)?.check(),
    harmless: &[],
    without_effect: |_| Vec::new(),
    parts: no_parts,
    build,
    rename: parameter,
    plan,
};

/// The encoder as a tower of type `vit`: ViTMAE has no pooled output in transformers, which then makes a new pooler. The
/// sinusoids become the initial values of trained positions.
const VIT: TowerEntry = TowerEntry { config: as_vit, ..TOWER };

/// The keys of the config.json that ViT has.
fn as_vit(config: &Value) -> Value {
    let known = (TOWER.default_config)();
    let keys = config.as_object().into_iter().flatten();
    let kept = keys.filter(|(key, _)| known.get(key.as_str()).is_some());
    Value::Object(kept.map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// The prefix of the names of the encoder's layers, after the prefix of the encoder.
const LAYERS: &str = "encoder.layer.";

struct VitMae {
    architecture: &'static str,
    config: VitMaeConfig,
    params: ParamStore,
    encoder: ImageEncoder,
    decoder: Option<Decoder>,
}

/// Builds the architecture that the options name, or else `ViTMAEForPreTraining`.
fn build(
    config: &Value,
    options: &BuildOptions,
    parts: &Parts,
) -> Result<Box<dyn Model>, ModelError> {
    let config: VitMaeConfig = parse_config(config)?;
    config.check()?;
    plain(&options.init, ENTRY.model_type)?;
    let architecture = architecture(&ENTRY, options)?;
    let is_base = architecture == BASE;
    let store = RefCell::new(parts.store(options));
    let root = Scope::root(&store);
    let scope = if is_base { root.clone() } else { root.sub("vit") };
    let layers = scope.sub("encoder").sub("layer");
    let layers = Block::stack(&layers, &VIT_NAMES, config.block(), config.num_hidden_layers)?;
    let norm = LayerNorm::new(&scope.sub("layernorm"), config.hidden_size, config.layer_norm_eps)?;
    let encoder = ImageEncoder::new(&scope, config.embeddings(), layers)?.with_last_norm(norm);
    let decoder = (!is_base).then(|| Decoder::new(&root.sub(DECODER), &config)).transpose()?;
    let params = store.into_inner();
    Ok(Box::new(VitMae { architecture, config, params, encoder, decoder }))
}

impl Model for VitMae {
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

    fn encoder(&self, modality: Modality) -> Result<&dyn Encoder> {
        match modality {
            Modality::Image => Ok(&self.encoder),
            Modality::Text => {
                Err(Error::MissingEncoder { model_type: ENTRY.model_type.into(), modality })
            }
        }
    }

    /// The layers of the encoder, then those of the decoder.
    fn stacks(&self) -> Vec<LayerStack> {
        let prefix = if self.decoder.is_none() { LAYERS.into() } else { format!("vit.{LAYERS}") };
        let depth = self.config.num_hidden_layers as usize;
        let mut stacks = vec![LayerStack { prefix, depth }];
        if self.decoder.is_some() {
            let depth = self.config.decoder_num_hidden_layers as usize;
            stacks.push(LayerStack { prefix: format!("{DECODER}.decoder_layers."), depth });
        }
        stacks
    }

    /// The layers of the encoder and of the decoder are both numbered from 0.
    fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> Result<usize> {
        let decoder = self.decoder.as_mut().map_or(0, |decoder| decoder.checkpoint_layers(select));
        Ok(self.encoder.checkpoint_layers(select) + decoder)
    }

    fn patch_decoder(&self) -> Result<&dyn PatchDecoder> {
        match &self.decoder {
            Some(decoder) => Ok(decoder),
            None => Err(Error::Unsupported {
                model_type: self.architecture.into(),
                what: "reconstruct images: its folder has no decoder",
            }),
        }
    }
}
