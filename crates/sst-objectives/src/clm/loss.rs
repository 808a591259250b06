//! The device half: the cross-entropy of the next tokens.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sst_core::{
    Batch, HeadKind, LossParts, Model, Objective, Result, StepContext, Tokens, kernel_rows,
    pad_to_kernel_rows,
};
use sst_data::{Collate, RowSpec};
use tch::Device;

use super::collate::{ClmCollate, UNSCORED, special_token_template};
use super::config::ClmConfig;
use crate::entry::{Context, Entry, MAX_COUNT};
use crate::error::ObjectiveError;
use crate::parse::parse;
use crate::token_loss::TokenLoss;

/// The entry in the list of objectives.
pub(crate) const ENTRY: Entry = Entry {
    name: "clm",
    summary: "causal language modelling: predict each token from those before it",
    default_config: || json!(ClmConfig::default()),
    limits: || vec![("z_loss", 0.0, 1e6), ("logits_at_once", 0.0, MAX_COUNT)],
    rows: |_| RowSpec::Tokens,
    needs_causal: true,
    least_rows: 1,
    model_types: &[],
    needs_dropout: false,
    held_out: &["held-out-loss"],
    pipeline_tag: None,
    head: Some(HeadKind::LanguageModel),
    classes: None,
    model_keys: |_| Map::new(),
    picture_transforms: Vec::new,
    idle_keys: |_| Vec::new(),
    special_token_template,
    check: |config, padding_free| parse::<ClmConfig>(config)?.check(padding_free),
    build,
};

struct Clm {
    loss: TokenLoss,
    collate: Arc<ClmCollate>,
}

fn build(config: &Value, context: &Context<'_>) -> Result<Box<dyn Objective>, ObjectiveError> {
    let config: ClmConfig = parse(config)?;
    let collate = Arc::new(ClmCollate::new(&config, context.tokenizer()?, context.padding_free)?);
    let loss = TokenLoss { z_loss: config.z_loss, logits_at_once: config.logits_at_once };
    Ok(Box::new(Clm { loss, collate }))
}

impl Objective for Clm {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collate(&self) -> Arc<dyn Collate> {
        self.collate.clone()
    }

    /// The summed cross-entropy of the next tokens. The sum `correct` counts the next tokens that the model ranks first.
    fn loss(&self, model: &dyn Model, batch: &Batch, context: &StepContext) -> Result<LossParts> {
        // A model that attends to later tokens would see the labels, so it is refused.
        model.decoder()?;
        let input = Tokens::from_batch(batch)?;
        let hidden_bld = model.text_encoder()?.encode(input.into(), context.forward)?.hidden_bld;
        let mut hidden_nd = hidden_bld.f_flatten(0, -2)?;
        let mut labels_n = batch.get("labels")?.f_flatten(0, -1)?;
        if hidden_nd.device() == Device::Cpu {
            let count = labels_n.size()[0];
            let more = kernel_rows(count as usize) as i64 - count;
            labels_n = labels_n.f_pad([0, more], "constant", Some(UNSCORED as f64))?;
            hidden_nd = pad_to_kernel_rows(hidden_nd)?;
        }
        self.loss.compute(model, [&hidden_nd, &labels_n], UNSCORED, context.forward)
    }
}
