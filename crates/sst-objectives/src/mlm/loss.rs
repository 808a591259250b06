//! The device half: the cross-entropy at the selected positions.

use std::sync::Arc;

use serde_json::{Value, json};
use sst_core::{
    Batch, HeadKind, LossParts, Model, Objective, Result, StepContext, Tokens, kernel_rows,
};
use sst_data::{Collate, RowSpec};
use tch::{Device, Kind, Tensor};

use super::collate::MlmCollate;
use super::config::{MlmConfig, idle_keys};
use crate::entry::{Context, Entry};
use crate::error::ObjectiveError;
use crate::parse::parse;
use crate::token_loss::TokenLoss;

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
    held_out: "mask-accuracy",
    pipeline_tag: Some("fill-mask"),
    head: Some(HeadKind::LanguageModel),
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

/// The label of a position that the loss ignores.
const UNSCORED: i64 = -100;

/// Pads positions and labels on the CPU, so that their number becomes [`kernel_rows`]. The padding repeats the last
/// position, with a label that the loss ignores.
fn pad_positions(positions_n: &Tensor, labels_n: &Tensor) -> Result<(Tensor, Tensor)> {
    let count = labels_n.numel();
    let padding = (kernel_rows(count) - count) as i64;
    if count == 0 || padding == 0 || labels_n.device() != Device::Cpu {
        return Ok((positions_n.shallow_clone(), labels_n.shallow_clone()));
    }
    let last = positions_n.f_narrow(0, count as i64 - 1, 1)?.f_expand([padding], false)?;
    let unscored = labels_n.f_new_full([padding], UNSCORED, (Kind::Int64, Device::Cpu))?;
    Ok((Tensor::f_cat(&[positions_n, &last], 0)?, Tensor::f_cat(&[labels_n, &unscored], 0)?))
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
