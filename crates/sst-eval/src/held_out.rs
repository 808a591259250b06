//! The loss of the training objective on held-out data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::{Batch, Evaluator, Forward, Model, Objective, Report, StepContext};
use sst_data::Normalizer;
use tch::Kind;

use crate::entry::{Entry, Figure, parse};
use crate::error::EvalError;
use crate::input::{Input, InputKind, ObjectiveRows};
use crate::rows;

/// The entry in the list of evaluators.
pub(crate) const ENTRY: Entry = Entry {
    name: "held-out-loss",
    summary: "the loss of the training objective on held-out rows",
    details: "Reports loss and the objective's other metrics (such as accuracy or correct), divided by the same number as \
              the loss: labels or rows. Rows are divided evenly among batches.",
    input: InputKind::ObjectiveRows,
    records: None,
    needs_objective: true,
    figures: &[Figure::lower("loss")],
    default_config: || json!(HeldOutConfig::default()),
    options: &[
        (
            "batch_size",
            "The largest number of rows in a forward pass. Contrastive losses depend on it.",
        ),
        ("seed", "Seed of masks and of other random choices."),
    ],
    build,
};

/// The keys of `held-out-loss`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HeldOutConfig {
    batch_size: usize,
    seed: u64,
}

impl Default for HeldOutConfig {
    /// 32 rows fit into the memory of any machine that can train the model.
    fn default() -> Self {
        Self { batch_size: 32, seed: 0 }
    }
}

/// Computes the mean loss of any objective, and the mean of each of its other sums (`correct` becomes the fraction of
/// labels that are predicted correctly). Masks are drawn for epoch 0 with the seed, so the results of different training
/// steps are comparable.
struct HeldOut {
    config: HeldOutConfig,
    data: ObjectiveRows,
}

fn build<'a>(config: &Value, input: Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    let config = parse(ENTRY.name, config)?;
    Ok(Box::new(HeldOut { config, data: input.objective_rows(ENTRY.name)? }))
}

impl HeldOut {
    /// Reports `loss` and the means of the objective's sums. Counts `rows`, `units` (the sum of the normalizers, by which
    /// the summed loss is divided) and `batches`.
    fn measure(&self, model: &dyn Model, objective: &dyn Objective) -> Result<Report, EvalError> {
        let context = StepContext { step: 0, micro: 0, forward: Forward::EVAL };
        let device = model.params().device();
        let (mut normalizer, mut batches) = (0, 0_u64);
        let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
        // A model without a text encoder gets no token ids, so no id needs to be checked.
        let vocab_size = model.vocab_size().unwrap_or(usize::MAX);
        let ObjectiveRows { objective: name, collate, rows } = &self.data;
        let HeldOutConfig { batch_size, seed } = self.config;
        for host in rows::batches(&**rows, collate.clone(), batch_size, vocab_size, seed) {
            let host = host?;
            let batch_normalizer = match host.normalizer {
                Normalizer::Count(0) => continue,
                Normalizer::Count(count) => count,
                // One row has no other to be compared with: its loss would be 0, whatever the model is.
                Normalizer::WholeBatch if host.keys.len() < 2 => {
                    return Err(EvalError::OneRow { objective: name.clone(), batch_size });
                }
                Normalizer::WholeBatch => host.keys.len() as u64,
            };
            // A loss over the whole batch is the mean of its rows already.
            let weight = match host.normalizer {
                Normalizer::Count(_) => 1.0,
                Normalizer::WholeBatch => batch_normalizer as f64,
            };
            let batch = Batch::from_host(&host, device)?;
            let parts = tch::no_grad(|| objective.loss(model, &batch, &context))?;
            normalizer += batch_normalizer;
            batches += 1;
            for (name, sum) in parts.sums.iter().chain(&[("loss", parts.loss)]) {
                let sum = f64::try_from(sum.f_to_kind(Kind::Double)?)?;
                *sums.entry(name).or_default() += weight * sum;
            }
        }
        if normalizer == 0 {
            return Err(EvalError::Nothing(format!("held-out {name}")));
        }
        let metrics = sums.iter().map(|(name, sum)| (*name, sum / normalizer as f64));
        let counts = [("rows", rows.len()), ("units", normalizer), ("batches", batches)];
        Ok(Report::new(name, metrics, counts))
    }
}

impl Evaluator for HeldOut {
    /// The name of the objective: `mlm`, `simcse`, ...
    fn name(&self) -> &str {
        &self.data.objective
    }

    fn evaluate(
        &mut self,
        model: &dyn Model,
        objective: Option<&dyn Objective>,
    ) -> sst_core::Result<Report> {
        let objective = objective.ok_or(EvalError::NoObjective(ENTRY.name))?;
        Ok(self.measure(model, objective)?)
    }
}
