//! The device half: the cross-entropy at the selected positions.

use std::sync::Arc;

use super::collate::MlmCollate;
use super::config::{MlmConfig, idle_keys};
use crate::entry::{Context, Entry};
use crate::error::ObjectiveError;
use crate::parse::parse;
use crate::positions::{UNSCORED, pad_positions};
use crate::token_loss::TokenLoss;
use serde_json::{Map, Value, json};
use sst_core::{Batch, HeadKind, LossParts, Model, Objective, Result, StepContext, Tokens};
use sst_data::{Collate, RowSpec};

/// The entry in the list of objectives.
pub(crate) const ENTRY: Entry = Entry {
    name: "mlm",
    summary: "masked language modelling: predict masked tokens, words or spans",
    default_config: || json!(MlmConfig::default()),
    limits: || {
        vec![
            ("mask_rate", 0.0, 1.0),
            ("replace_mask", 0.0, 1.0),
            ("replace_random", 0.0, 1.0),
            ("span_p", 0.0, 1.0),
            ("max_span", 1.0, 1_000.0),
        ]
    },
    rows: |_| RowSpec::Tokens,
    needs_causal: false,
    least_rows: 1,
    model_types: &[],
    needs_dropout: false,
    held_out: &["mask-accuracy"],
    pipeline_tag: Some("fill-mask"),
    head: Some(HeadKind::LanguageModel),
    classes: None,
    model_keys: |_| Map::new(),
    picture_transforms: Vec::new,
    idle_keys,
    special_token_template: |tokenizer| tokenizer.special_token_template().clone(),
    check: |config, _| parse::<MlmConfig>(config)?.check(),
    build,
};

struct Mlm {
    mask_rate: f64,
    collate: Arc<MlmCollate>,
}

fn build(config: &Value, context: &Context<'_>) -> Result<Box<dyn Objective>, ObjectiveError> {
    let config: MlmConfig = parse(config)?;
    let mask_rate = config.mask_rate;
    let collate = Arc::new(MlmCollate::new(config, context.tokenizer()?, context.padding_free)?);
    Ok(Box::new(Mlm { mask_rate, collate }))
}

impl Objective for Mlm {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn head_token_fraction(&self) -> f64 {
        self.mask_rate
    }

    fn collate(&self) -> Arc<dyn Collate> {
        self.collate.clone()
    }

    /// The summed cross-entropy of the original tokens at the selected positions. The sum `correct` counts the tokens
    /// that the model ranks first.
    fn loss(&self, model: &dyn Model, batch: &Batch, context: &StepContext) -> Result<LossParts> {
        let input = Tokens::from_batch(batch)?;
        let (positions_n, labels_n) =
            pad_positions(batch.get("masked_positions")?, batch.get("masked_labels")?)?;
        let hidden_nd =
            model.text_encoder()?.encode_at(input.into(), &positions_n, context.forward)?;
        let loss = TokenLoss { z_loss: 0.0, logits_at_once: 0 };
        loss.compute(model, [&hidden_nd, &labels_n], UNSCORED, context.forward)
    }
}
