//! The loss of `classify`.
//!
//! Shapes: b rows, o outputs.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sst_core::{Batch, HeadKind, LossParts, Model, Objective, Result, StepContext, Tokens};
use sst_data::Collate;
use tch::{Kind, Reduction, Tensor};

use super::collate::ClassifyCollate;
use super::config::{ClassifyConfig, Problem, idle_keys};
use crate::entry::{Classes, Context, Entry};
use crate::error::ObjectiveError;
use crate::layout::BatchLayout;
use crate::parse::parse;

/// The entry in the list of objectives.
pub(crate) const ENTRY: Entry = Entry {
    name: "classify",
    summary: "classification: predict the classes of a text, or a number, from labelled records",
    default_config: || json!(ClassifyConfig::default()),
    limits: || vec![("label_smoothing", 0.0, 1.0)],
    rows: |config| parse::<ClassifyConfig>(config).unwrap_or_default().rows(),
    needs_causal: false,
    least_rows: 1,
    model_types: &[],
    needs_dropout: false,
    held_out: &["held-out-loss", "classification"],
    pipeline_tag: Some("text-classification"),
    head: Some(HeadKind::SequenceClassification),
    classes: Some(Classes { outputs, labels, problem_type }),
    model_keys: |_| Map::new(),
    picture_transforms: Vec::new,
    idle_keys,
    special_token_template: |tokenizer| tokenizer.special_token_template().clone(),
    check: |config, _| parse::<ClassifyConfig>(config)?.check(),
    build,
};

/// The outputs are the labels; a regression has one output.
fn outputs(config: &Value, labels: &[String]) -> Result<Vec<String>, ObjectiveError> {
    match (parse::<ClassifyConfig>(config)?.problem, labels) {
        (Problem::Regression, _) => Ok(vec!["LABEL_0".to_owned()]),
        (Problem::SingleLabel, [only]) => {
            let message = format!(
                "all records have the label `{only}`: a classifier needs two or more; is it the right field?"
            );
            Err(ObjectiveError::Labels { message })
        }
        _ => Ok(labels.to_vec()),
    }
}

fn labels(config: &Value, outputs: &[String]) -> Result<Vec<String>, ObjectiveError> {
    match (parse::<ClassifyConfig>(config)?.problem, outputs) {
        (Problem::Regression, [_]) => Ok(Vec::new()),
        (Problem::Regression, _) => {
            let message = format!(
                "the head of the model has the classes {}, and a regression has one output: start the head anew",
                outputs.join(", ")
            );
            Err(ObjectiveError::Labels { message })
        }
        _ => Ok(outputs.to_vec()),
    }
}

fn problem_type(config: &Value) -> Option<&'static str> {
    Some(match parse::<ClassifyConfig>(config).unwrap_or_default().problem {
        Problem::SingleLabel => "single_label_classification",
        Problem::MultiLabel => "multi_label_classification",
        Problem::Regression => "regression",
    })
}

fn build(config: &Value, context: &Context<'_>) -> Result<Box<dyn Objective>, ObjectiveError> {
    let config: ClassifyConfig = parse(config)?;
    config.check()?;
    let weights = config.weights(context.outputs)?;
    let weights_o = weights.map(|weights| -> Result<Tensor> {
        Ok(Tensor::f_from_slice(&weights)?.f_to_device(context.device)?)
    });
    let collate = ClassifyCollate {
        layout: BatchLayout::of_records(context.tokenizer()?, context.padding_free),
        problem: config.problem,
        outputs: context.outputs.len(),
    };
    let weights_o = weights_o.transpose()?;
    Ok(Box::new(Classify { config, weights_o, collate: Arc::new(collate) }))
}

struct Classify {
    config: ClassifyConfig,
    /// The weight of each class, fp32.
    weights_o: Option<Tensor>,
    collate: Arc<ClassifyCollate>,
}

impl Objective for Classify {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collate(&self) -> Arc<dyn Collate> {
        self.collate.clone()
    }

    /// The loss summed over rows: the cross-entropy of the class, the mean binary cross-entropy of all classes, or the
    /// squared error. For classes, the sum `correct` counts the rows whose classes are all predicted: the one that the
    /// model ranks first, or those with a probability above one half.
    fn loss(&self, model: &dyn Model, batch: &Batch, context: &StepContext) -> Result<LossParts> {
        let head = model.head(HeadKind::SequenceClassification)?;
        let input = Tokens::from_batch(batch)?;
        let output = model.text_encoder()?.encode(input.into(), context.forward)?;
        let hidden = output.select(head.input(), input.input_ids)?;
        // The loss is computed in fp32, even if autocast computed the logits in bf16.
        let logits_bo = head.logits(&hidden, context.forward)?.f_to_kind(Kind::Float)?;
        let labels = batch.get("labels")?;
        let (loss, is_correct_b) = match self.config.problem {
            Problem::SingleLabel => {
                let smoothing = self.config.label_smoothing;
                let weights_o = self.weights_o.as_ref();
                let sum = Reduction::Sum;
                let loss =
                    logits_bo.f_cross_entropy_loss(labels, weights_o, sum, -100, smoothing)?;
                let predicted_b = logits_bo.f_detach()?.f_argmax(-1, false)?;
                (loss, Some(predicted_b.f_eq_tensor(labels)?))
            }
            Problem::MultiLabel => {
                let none = None::<&Tensor>;
                let loss_bo = logits_bo.f_binary_cross_entropy_with_logits(
                    labels,
                    none,
                    self.weights_o.as_ref(),
                    Reduction::None,
                )?;
                let loss_b = loss_bo.f_mean_dim([-1_i64].as_slice(), false, Kind::Float)?;
                let is_equal_bo =
                    logits_bo.f_detach()?.f_gt(0.0)?.f_eq_tensor(&labels.f_gt(0.5)?)?;
                (loss_b.f_sum(Kind::Float)?, Some(is_equal_bo.f_all_dim(-1, false)?))
            }
            Problem::Regression => {
                let predicted_b = logits_bo.f_squeeze_dim(-1)?;
                (predicted_b.f_mse_loss(labels, Reduction::Sum)?, None)
            }
        };
        let correct = is_correct_b.map(|is_correct_b| is_correct_b.f_sum(Kind::Float));
        let sums = correct.transpose()?.map(|correct| ("correct", correct));
        Ok(LossParts { loss, sums: sums.into_iter().collect() })
    }
}
