//! The loss of `answer`.
//!
//! Shapes: b rows, l tokens of the longest row, t tokens of all rows.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sst_core::{Batch, HeadKind, LossParts, Model, Objective, Result, StepContext, Tokens};
use sst_data::Collate;
use tch::{Kind, Reduction, Tensor};

use super::AnswerConfig;
use super::collate::AnswerCollate;
use crate::entry::{Context, Entry};
use crate::error::ObjectiveError;
use crate::layout::BatchLayout;
use crate::parse::parse;

/// The entry in the list of objectives.
pub(crate) const ENTRY: Entry = Entry {
    name: "answer",
    summary: "extractive question answering: find the answer to a question in a text",
    default_config: || json!(AnswerConfig::default()),
    limits: || vec![("stride", 0.0, 1e6)],
    rows: |config| parse::<AnswerConfig>(config).unwrap_or_default().rows(),
    needs_causal: false,
    least_rows: 1,
    model_types: &[],
    needs_dropout: false,
    held_out: &["held-out-loss", "qa"],
    pipeline_tag: Some("question-answering"),
    head: Some(HeadKind::Span),
    classes: None,
    model_keys: |_| Map::new(),
    picture_transforms: Vec::new,
    idle_keys: |_| Vec::new(),
    special_token_template: |tokenizer| tokenizer.special_token_template().clone(),
    check: |config, _| parse::<AnswerConfig>(config).map(|_| ()),
    build,
};

fn build(config: &Value, context: &Context<'_>) -> Result<Box<dyn Objective>, ObjectiveError> {
    parse::<AnswerConfig>(config)?;
    let layout = BatchLayout::of_records(context.tokenizer()?, context.padding_free);
    Ok(Box::new(Answer { collate: Arc::new(AnswerCollate { layout }) }))
}

struct Answer {
    collate: Arc<AnswerCollate>,
}

impl Objective for Answer {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collate(&self) -> Arc<dyn Collate> {
        self.collate.clone()
    }

    /// The mean of the cross-entropies of the start and of the end over the tokens of a row, summed over rows. Padding is
    /// left out of the softmax, so that a row has the same loss in every batch; transformers leaves it in. The sum
    /// `correct` counts the rows whose start and end the model both ranks first.
    fn loss(&self, model: &dyn Model, batch: &Batch, context: &StepContext) -> Result<LossParts> {
        let head = model.head(HeadKind::Span)?;
        let input = Tokens::from_batch(batch)?;
        let output = model.text_encoder()?.encode(input.into(), context.forward)?;
        let hidden = output.select(head.input(), input.input_ids)?;
        let logits_t2 = head.logits(&hidden, context.forward)?.f_to_kind(Kind::Float)?;
        let (logits_bl2, mask_bl) = match &batch.rows {
            Some(rows) => (rows.pad(&logits_t2)?, Some(rows.mask()?)),
            None => {
                let (rows, length) = input.input_ids.size2()?;
                (logits_t2.f_reshape([rows, length, 2])?, input.attention_mask)
            }
        };
        let mut losses = Vec::new();
        let mut is_correct_b: Option<Tensor> = None;
        for (which, name) in [(0, "start_positions"), (1, "end_positions")] {
            let labels_b = batch.get(name)?;
            let scores_bl = logits_bl2.f_select(-1, which)?;
            let scores_bl = match mask_bl {
                Some(mask_bl) => {
                    scores_bl.f_masked_fill(&mask_bl.f_logical_not()?, f64::NEG_INFINITY)?
                }
                None => scores_bl,
            };
            let none = None::<&Tensor>;
            losses.push(scores_bl.f_cross_entropy_loss(
                labels_b,
                none,
                Reduction::Sum,
                -100,
                0.0,
            )?);
            let is_first_b = scores_bl.f_detach()?.f_argmax(-1, false)?.f_eq_tensor(labels_b)?;
            is_correct_b = Some(match is_correct_b {
                Some(before_b) => before_b.f_logical_and(&is_first_b)?,
                None => is_first_b,
            });
        }
        let loss = losses[0].f_add(&losses[1])?.f_mul_scalar(0.5)?;
        let correct = is_correct_b.map(|correct_b| correct_b.f_sum(Kind::Float)).transpose()?;
        let sums = correct.map(|correct| ("correct", correct));
        Ok(LossParts { loss, sums: sums.into_iter().collect() })
    }
}
