//! `classify`: predicts the class of a text, from labelled records. The loss is the cross-entropy of the model's
//! sequence-classification head, which has one output for each label of the data (Devlin et al. 2019, "BERT",
//! section 4.1; transformers' `BertForSequenceClassification`).
//!
//! Shapes: b rows, o classes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::{Batch, HeadKind, LossParts, Model, Objective, Result, StepContext, Tokens};
use sst_data::records::{Column, ColumnKind};
use sst_data::{ArrayData, Collate, CollateError, Example, HostBatch, Normalizer, RowSpec};
use tch::{Kind, Reduction, Tensor};

use crate::entry::{Context, Entry};
use crate::error::ObjectiveError;
use crate::layout::BatchLayout;
use crate::parse::{check_rate, parse};

/// The entry in the list of objectives.
pub(crate) const ENTRY: Entry = Entry {
    name: "classify",
    summary: "classification: predict the label of a text, from labelled records",
    default_config: || json!(ClassifyConfig::default()),
    limits: || vec![("label_smoothing", 0.0, 1.0)],
    rows: |_| {
        RowSpec::records(vec![
            Column::new("text", ColumnKind::Text),
            Column::new(LABEL, ColumnKind::Label),
        ])
    },
    needs_causal: false,
    least_rows: 1,
    held_out: "held-out-loss",
    pipeline_tag: Some("text-classification"),
    head: Some(HeadKind::SequenceClassification),
    idle_keys: |_| Vec::new(),
    special_token_template: |tokenizer| tokenizer.special_token_template().clone(),
    check: |config, _| parse::<ClassifyConfig>(config)?.check(),
    build,
};

/// The name of the column that holds the label.
const LABEL: &str = "label";

/// The configuration of `classify`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassifyConfig {
    /// The fraction of the target that is spread evenly over all classes (Szegedy et al. 2016, "Rethinking the Inception
    /// Architecture", section 7), as in PyTorch's `CrossEntropyLoss(label_smoothing=...)`. It also applies to the
    /// held-out loss.
    pub label_smoothing: f64,
}

impl ClassifyConfig {
    fn check(self) -> Result<(), ObjectiveError> {
        check_rate("label_smoothing", self.label_smoothing)
    }
}

fn build(config: &Value, context: &Context<'_>) -> Result<Box<dyn Objective>, ObjectiveError> {
    let config: ClassifyConfig = parse(config)?;
    config.check()?;
    let special = context.tokenizer()?.special();
    let layout = match context.padding_free {
        true => BatchLayout::Ragged,
        // The attention mask hides padding, so any id will do.
        false => BatchLayout::Padded { pad: special.pad.unwrap_or_default() },
    };
    Ok(Box::new(Classify { config, collate: Arc::new(ClassifyCollate { layout }) }))
}

/// Makes batches from the fields `input_ids` and `label`.
///
/// Arrays: `input_ids` `[b, l]`, with `attention_mask` `[b, l]` if rows are padded, or `input_ids` `[t]` for ragged
/// rows; `labels` `[b]`. Normalizer: the number of rows.
#[derive(Debug)]
struct ClassifyCollate {
    layout: BatchLayout,
}

impl Collate for ClassifyCollate {
    fn collate(&self, examples: &[Example], _seed: u64) -> Result<HostBatch, CollateError> {
        let missing = |example: &Example, field: &str| {
            let (key, field) = (example.key.clone(), field.to_owned());
            CollateError::MissingField { key, field }
        };
        let (mut rows, mut labels) = (Vec::new(), Vec::new());
        for example in examples {
            let ids = example.tokens("input_ids").ok_or_else(|| missing(example, "input_ids"))?;
            rows.push(ids.to_vec());
            labels.push(example.int(LABEL).ok_or_else(|| missing(example, LABEL))?);
        }
        let keys = examples.iter().map(|example| example.key.clone()).collect();
        let batch = HostBatch::new(Normalizer::Count(labels.len() as u64), keys);
        let (batch, _) = self.layout.lay_out(batch, &rows)?;
        Ok(batch.with("labels", &[labels.len()], ArrayData::I64(labels))?)
    }

    /// Without padding, the rows of a pack are separate rows of the batch and do not attend to each other.
    fn collate_packs(
        &self,
        examples: &[Example],
        _packs: &[usize],
        seed: u64,
    ) -> Result<HostBatch, CollateError> {
        match self.layout {
            BatchLayout::Ragged => self.collate(examples, seed),
            BatchLayout::Padded { .. } => Err(CollateError::Packs),
        }
    }
}

struct Classify {
    config: ClassifyConfig,
    collate: Arc<ClassifyCollate>,
}

impl Objective for Classify {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collate(&self) -> Arc<dyn Collate> {
        self.collate.clone()
    }

    /// The summed cross-entropy of the labels over rows. The sum `correct` counts the rows whose label the model ranks
    /// first.
    fn loss(&self, model: &dyn Model, batch: &Batch, context: &StepContext) -> Result<LossParts> {
        let head = model.head(HeadKind::SequenceClassification)?;
        let input = Tokens::from_batch(batch)?;
        let output = model.text_encoder()?.encode(input.into(), context.forward)?;
        let hidden_bd = output.select(head.input(), input.input_ids)?;
        // The sum over classes is computed in fp32, even if autocast computed the logits in bf16.
        let logits_bo = head.logits(&hidden_bd, context.forward)?.f_to_kind(Kind::Float)?;
        let labels_b = batch.get("labels")?;
        let loss = logits_bo.f_cross_entropy_loss(
            labels_b,
            None::<&Tensor>,
            Reduction::Sum,
            -100,
            self.config.label_smoothing,
        )?;
        let predicted_b = logits_bo.f_detach()?.f_argmax(-1, false)?;
        let correct = predicted_b.f_eq_tensor(labels_b)?.f_sum(Kind::Float)?;
        Ok(LossParts { loss, sums: vec![("correct", correct)] })
    }
}
