//! Zero-shot classification of pictures: each label is a prompt, and the most similar one is the prediction (Radford et al.
//! 2021, "Learning Transferable Visual Models From Natural Language Supervision", section 3.1).
//!
//! Shapes: n pictures, c labels, t templates, p width of the projected vectors.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::{Evaluator, Model, Objective, Report, Table};
use sst_data::{Example, Key};
use tch::{Kind, Tensor};

use crate::entry::{Entry, Figure, parse};
use crate::error::EvalError;
use crate::input::{Input, InputKind, NamedPictures};
use crate::intervals::Intervals;
use crate::metric::{ConfusionMatrix, class_counts, commonest, wilson_interval};
use crate::normalize::normalize_rows;
use crate::pictures::{CaptionEncoder, PictureEncoder, PictureVector};

/// The entry in the list of evaluators.
pub(crate) const ENTRY: Entry = Entry {
    name: "zero-shot",
    summary: "how often the most similar of the prompts for all labels is that for the label of a picture",
    details: "Each label is put into each template in place of {}. The vector of a label is the mean of the vectors of its \
              prompts, each of length 1, scaled to length 1 again (as open_clip does), and a picture gets the label whose vector is most \
              similar to its own. Reports top1 and top5, the shares of pictures whose label is the first, or among the first five, \
              and mean_class_accuracy, the mean over the labels of the share of their pictures whose label is the first. chance_top1 and chance_top5 \
              are what guessing reaches, and majority_accuracy what always naming the commonest label reaches. Where scores are \
              equal, wrong labels are ranked first. The table has the figures of each label.",
    input: InputKind::NamedPictures,
    records: None,
    needs_objective: false,
    figures: &[
        Figure::higher("top1").with_baseline("majority_accuracy"),
        Figure::higher("top5").with_baseline("chance_top5"),
        Figure::higher("mean_class_accuracy").with_baseline("chance_top1"),
    ],
    default_config: || json!(ZeroShotConfig::default()),
    options: &[
        ("templates", "The prompts, each with {} for the label, as a list."),
        ("batch_size", "Pictures or prompts in a forward pass. The figures do not depend on it."),
        (
            "bootstrap_samples",
            "Samples of the bootstrap; 0 for no interval of mean_class_accuracy.",
        ),
    ],
    build,
};

/// The most labels whose confusion matrix is reported.
const MAX_MATRIX: usize = 200;
/// The place of the label in a template.
const PLACE: &str = "{}";

/// The keys of `zero-shot`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ZeroShotConfig {
    templates: Vec<String>,
    batch_size: usize,
    bootstrap_samples: usize,
}

impl Default for ZeroShotConfig {
    fn default() -> Self {
        let templates = vec!["a picture of {}".to_owned()];
        Self { templates, batch_size: 64, bootstrap_samples: 1000 }
    }
}

struct ZeroShot {
    config: ZeroShotConfig,
    data: NamedPictures,
}

fn build<'a>(config: &Value, input: Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    let config: ZeroShotConfig = parse(ENTRY.name, config)?;
    let refuse = |reason: String| EvalError::Config {
        evaluator: ENTRY.name,
        key: Some("templates".to_owned()),
        reason,
    };
    if config.templates.is_empty() {
        return Err(refuse("templates is empty: give at least one".to_owned()));
    }
    if let Some(template) = config.templates.iter().find(|template| !template.contains(PLACE)) {
        return Err(refuse(format!(
            "templates has `{template}`, which has no {PLACE}, the place of the label: add it"
        )));
    }
    Ok(Box::new(ZeroShot { config, data: input.named_pictures(ENTRY.name)? }))
}

impl ZeroShot {
    /// The vectors `[c, p]` of the labels.
    fn label_vectors(&self, model: &dyn Model) -> Result<Tensor, EvalError> {
        let ZeroShotConfig { templates, batch_size, .. } = &self.config;
        let NamedPictures { names, tokens, ledger, .. } = &self.data;
        let prompts: Vec<(Key, String)> = names
            .iter()
            .flat_map(|name| templates.iter().map(move |template| template.replace(PLACE, name)))
            .map(|prompt| (Key::new(format!("the prompt `{prompt}`"), 0), prompt))
            .collect();
        let encoder = CaptionEncoder::new(model, tokens, *batch_size)?;
        let vectors = normalize_rows(&encoder.vectors(&prompts, ledger)?.0)?;
        let shape = [names.len() as i64, templates.len() as i64, -1];
        let mean_cp =
            vectors.f_reshape(shape)?.f_mean_dim([1_i64].as_slice(), false, Kind::Float)?;
        normalize_rows(&mean_cp)
    }

    fn measure(&self, model: &dyn Model) -> Result<Report, EvalError> {
        let NamedPictures { rows, labels: names, .. } = &self.data;
        let classes = names.len();
        if rows.is_empty() || classes == 0 || self.data.names.len() != classes {
            return Err(EvalError::Nothing(ENTRY.name.to_owned()));
        }
        let pictures =
            PictureEncoder::new(model, PictureVector::Projected, self.config.batch_size)?;
        let labels_cp = self.label_vectors(model)?;
        let (mut labels, mut predictions, mut ranks) = (Vec::new(), Vec::new(), Vec::new());
        pictures.for_each(&**rows, |examples, vectors| {
            let scores_bc = normalize_rows(vectors)?.f_matmul(&labels_cp.f_transpose(0, 1)?)?;
            for (row, example) in (0..).zip(examples) {
                let label = label_of(example, classes)?;
                let scores = Vec::<f32>::try_from(scores_bc.f_get(row)?)?;
                let (prediction, rank) = prediction(&scores, label);
                labels.push(label as i64);
                predictions.push(prediction as i64);
                ranks.push(rank);
            }
            Ok::<_, EvalError>(())
        })?;
        self.report(&labels, &predictions, &ranks)
    }

    fn report(
        &self,
        labels: &[i64],
        predictions: &[i64],
        ranks: &[usize],
    ) -> Result<Report, EvalError> {
        let (names, rows) = (&self.data.labels, labels.len());
        let classes = names.len();
        let within = |k: usize| ranks.iter().filter(|rank| **rank <= k).count();
        let mut metrics = Vec::new();
        for (name, k) in [("top1", 1), ("top5", 5)] {
            let hits = within(k);
            metrics.push((name.to_owned(), hits as f64 / rows as f64));
            if let Some(interval) = wilson_interval(hits as u64, rows as u64, 0.95)? {
                metrics.push((format!("{name}_low"), interval.low));
                metrics.push((format!("{name}_high"), interval.high));
            }
            let chance = k.min(classes) as f64 / classes as f64;
            metrics.push((format!("chance_{name}"), chance));
        }
        if let Some((_, share)) = commonest(labels) {
            metrics.push(("majority_accuracy".to_owned(), share));
        }
        let right: Vec<f64> = ranks.iter().map(|rank| f64::from(u8::from(*rank == 1))).collect();
        Intervals::of(self.config.bootstrap_samples).add(
            &mut metrics,
            "mean_class_accuracy",
            rows,
            |sample| mean_by_class(labels, &right, sample, classes),
        )?;
        let mut table = Table::new(&["pictures", "top1", "top5", "predictions"]);
        let counts = class_counts(labels, predictions, classes)?;
        for (class, name) in names.iter().enumerate() {
            let of_class = ranks.iter().zip(labels).filter(|(_, label)| **label == class as i64);
            let share = |k: usize| {
                let hits = of_class.clone().filter(|(rank, _)| **rank <= k).count();
                hits as f64 / counts[class].gold as f64
            };
            let figures =
                vec![counts[class].gold as f64, share(1), share(5), counts[class].predicted as f64];
            table.push(name, figures);
        }
        let without = counts.iter().filter(|class| class.predicted == 0).count();
        let counted = [
            ("pictures", rows as u64),
            ("labels", classes as u64),
            ("labels_never_predicted", without as u64),
            ("templates", self.config.templates.len() as u64),
            ("right", within(1) as u64),
        ];
        let hits = |k: usize| ranks.iter().map(move |rank| (f64::from(u8::from(*rank <= k)), 1.0));
        let report =
            Report::new(ENTRY.name, metrics.iter().map(|(name, value)| (&**name, *value)), counted)
                .with_table("labels", table)
                .with_setting("templates", &self.config.templates.join(" | "))
                .with_examples("top1", hits(1))
                .with_examples("top5", hits(5));
        if classes > MAX_MATRIX {
            return Ok(report);
        }
        let matrix = ConfusionMatrix::new(labels, predictions, classes)?;
        let columns: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut table = Table::new(&columns);
        for (name, row) in names.iter().zip(matrix.rows()) {
            table.push(name, row.iter().map(|count| *count as f64).collect());
        }
        Ok(report.with_table("confusion", table))
    }
}

/// The label of a picture.
fn label_of(example: &Example, classes: usize) -> Result<usize, EvalError> {
    let label = example.int("label").and_then(|label| usize::try_from(label).ok());
    label.filter(|label| *label < classes).ok_or_else(|| EvalError::MissingField {
        key: example.key.clone(),
        field: "label".to_owned(),
    })
}

/// The label with the greatest score, and the rank of `label`, from 1. Of equal scores, those of other labels come first.
fn prediction(scores: &[f32], label: usize) -> (usize, usize) {
    let is_before =
        |other: usize| other != label && scores[other].total_cmp(&scores[label]).is_ge();
    let rank = 1 + (0..scores.len()).filter(|other| is_before(*other)).count();
    if rank == 1 {
        return (label, 1);
    }
    let others = (0..scores.len()).filter(|other| *other != label);
    // Of equally good ones the first.
    let best =
        others.reduce(
            |best, other| {
                if scores[other].total_cmp(&scores[best]).is_gt() { other } else { best }
            },
        );
    (best.unwrap_or(label), rank)
}

/// The mean, over the labels that occur in `sample`, of the share of right predictions.
fn mean_by_class(labels: &[i64], right: &[f64], sample: &[usize], classes: usize) -> Option<f64> {
    let mut sums = vec![(0.0, 0.0); classes];
    for at in sample {
        let sum = &mut sums[labels[*at] as usize];
        *sum = (sum.0 + right[*at], sum.1 + 1.0);
    }
    let shares: Vec<f64> =
        sums.iter().filter(|(_, count)| *count > 0.0).map(|(right, count)| right / count).collect();
    (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
}

impl Evaluator for ZeroShot {
    fn name(&self) -> &str {
        ENTRY.name
    }

    fn evaluate(
        &mut self,
        model: &dyn Model,
        _objective: Option<&dyn Objective>,
    ) -> sst_core::Result<Report> {
        Ok(self.measure(model)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_are_never_hits() {
        assert_eq!(prediction(&[0.1, 0.5, 0.3], 1), (1, 1));
        assert_eq!(prediction(&[0.1, 0.5, 0.3], 2), (1, 2));
        // A model that gives all labels one score is right for none of them.
        for label in 0..3 {
            let (predicted, rank) = prediction(&[0.2; 3], label);
            assert!(predicted != label && rank == 3, "{label}");
        }
    }

    #[test]
    fn labels_with_few_pictures_count_as_much_as_others() {
        let (labels, right) = ([0, 0, 0, 1], [1.0, 1.0, 1.0, 0.0]);
        assert_eq!(mean_by_class(&labels, &right, &[0, 1, 2, 3], 3), Some(0.5));
        assert_eq!(mean_by_class(&labels, &right, &[], 3), None);
    }
}
