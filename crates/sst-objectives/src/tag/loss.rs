//! The loss of `tag`.
//!
//! Shapes: n words, o labels.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sst_core::{Batch, HeadKind, LossParts, Model, Objective, Result, StepContext, Tokens};
use sst_data::Collate;
use tch::{Kind, Reduction, Tensor};

use super::collate::TagCollate;
use super::config::TagConfig;
use crate::entry::{Classes, Context, Entry};
use crate::error::ObjectiveError;
use crate::layout::BatchLayout;
use crate::parse::parse;
use crate::positions::{UNSCORED, pad_positions};

/// The entry in the list of objectives.
pub(crate) const ENTRY: Entry = Entry {
    name: "tag",
    summary: "token classification: find the entities of a text, from records with spans",
    default_config: || json!(TagConfig::default()),
    limits: || vec![("label_smoothing", 0.0, 1.0), ("stride", 0.0, 1e6)],
    rows: |config| parse::<TagConfig>(config).unwrap_or_default().rows(),
    needs_causal: false,
    least_rows: 1,
    model_types: &[],
    needs_dropout: false,
    held_out: &["held-out-loss", "ner"],
    pipeline_tag: Some("token-classification"),
    head: Some(HeadKind::TokenClassification),
    classes: Some(Classes { outputs, labels, problem_type: |_| None }),
    model_keys: |_| Map::new(),
    picture_transforms: Vec::new,
    idle_keys: |_| Vec::new(),
    special_token_template: |tokenizer| tokenizer.special_token_template().clone(),
    check: |config, _| parse::<TagConfig>(config)?.check(),
    build,
};

fn outputs(config: &Value, types: &[String]) -> Result<Vec<String>, ObjectiveError> {
    if types.is_empty() {
        let message =
            "no record has an entity, so there is no label to learn: is it the right field?";
        return Err(ObjectiveError::Labels { message: message.to_owned() });
    }
    Ok(parse::<TagConfig>(config)?.new_table(types)?.names().to_vec())
}

fn labels(config: &Value, outputs: &[String]) -> Result<Vec<String>, ObjectiveError> {
    Ok(parse::<TagConfig>(config)?.table_of(outputs)?.types().to_vec())
}

fn build(config: &Value, context: &Context<'_>) -> Result<Box<dyn Objective>, ObjectiveError> {
    let config: TagConfig = parse(config)?;
    config.check()?;
    // A check without data has no labels.
    let table = match context.outputs {
        [] => config.new_table(context.labels)?,
        outputs => config.table_of(outputs)?,
    };
    let layout = BatchLayout::of_records(context.tokenizer()?, context.padding_free);
    let collate = TagCollate::new(layout, config.scheme(&table)?, &table, context.labels);
    Ok(Box::new(Tag { label_smoothing: config.label_smoothing, collate: Arc::new(collate) }))
}

struct Tag {
    label_smoothing: f64,
    collate: Arc<TagCollate>,
}

impl Objective for Tag {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collate(&self) -> Arc<dyn Collate> {
        self.collate.clone()
    }

    /// The summed cross-entropy of the labels of words. The sum `correct` counts the words whose label the model ranks
    /// first.
    fn loss(&self, model: &dyn Model, batch: &Batch, context: &StepContext) -> Result<LossParts> {
        let head = model.head(HeadKind::TokenClassification)?;
        let input = Tokens::from_batch(batch)?;
        let (positions_n, labels_n) =
            pad_positions(batch.get("label_positions")?, batch.get("labels")?)?;
        let hidden_nd =
            model.text_encoder()?.encode_at(input.into(), &positions_n, context.forward)?;
        let logits_no = head.logits(&hidden_nd, context.forward)?.f_to_kind(Kind::Float)?;
        let (none, smoothing) = (None::<&Tensor>, self.label_smoothing);
        let loss =
            logits_no.f_cross_entropy_loss(&labels_n, none, Reduction::Sum, UNSCORED, smoothing)?;
        let predicted_n = logits_no.f_detach()?.f_argmax(-1, false)?;
        let correct = predicted_n.f_eq_tensor(&labels_n)?.f_sum(Kind::Float)?;
        Ok(LossParts { loss, sums: vec![("correct", correct)] })
    }
}
