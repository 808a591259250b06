//! The objective's own loss on data that it was not trained on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::{Batch, Evaluator, Forward, Model, Objective, Report, StepContext};
use sst_data::Normalizer;
use tch::Kind;

use crate::entry::{Entry, parse};
use crate::error::EvalError;
use crate::input::{Input, InputKind, ObjectiveRows};
use crate::rows;

/// The word of registration.
pub(crate) const ENTRY: Entry = Entry {
    name: "held-out-loss",
    summary: "the objective's own loss on rows that it was not trained on",
    details: "Reports loss and the objective's other figures (accuracy, correct) as means over what the loss is averaged \
              over.",
    input: InputKind::ObjectiveRows,
    needs_objective: true,
    default_config: || json!(HeldOutConfig::default()),
    options: &[
        ("batch_size", "Rows in a forward pass. Contrastive losses depend on it."),
        ("seed", "Seed of the masks and other draws."),
    ],
    build,
};

/// How the rows are grouped and masked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HeldOutConfig {
    batch_size: usize,
    seed: u64,
}

impl Default for HeldOutConfig {
    /// 32 rows fit the memory of any machine that trains; any seed is as good as another.
    fn default() -> Self {
        Self { batch_size: 32, seed: 0 }
    }
}

/// The mean loss of any objective, and the mean of each of its other sums (`correct` is then the fraction of labels that
/// were predicted). The draws of the host (masks) are those of epoch 0 under the seed, so figures of two steps can be
/// compared.
struct HeldOut {
    config: HeldOutConfig,
    data: ObjectiveRows,
}

fn build<'a>(config: &Value, input: Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    let config = parse(ENTRY.name, config)?;
    Ok(Box::new(HeldOut { config, data: input.objective_rows(ENTRY.name)? }))
}

impl HeldOut {
    /// `loss` and the means of the objective's sums. Counts `rows`, `units` (what the loss is averaged over) and
    /// `batches`.
    fn measure(&self, model: &dyn Model, objective: &dyn Objective) -> Result<Report, EvalError> {
        let context = StepContext { step: 0, micro: 0, forward: Forward::EVAL };
        let device = model.params().device();
        let (mut units, mut batches) = (0, 0_u64);
        let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
        // A model without a text encoder gets no token ids, so there are none that it might not know.
        let vocab_size = model.vocab_size().unwrap_or(usize::MAX);
        let ObjectiveRows { objective: name, collate, rows } = &self.data;
        let HeldOutConfig { batch_size, seed } = self.config;
        for host in rows::batches(&**rows, collate.clone(), batch_size, vocab_size, seed) {
            let host = host?;
            let weight = match host.normalizer {
                Normalizer::Count(0) => continue,
                Normalizer::Count(count) => count,
                // A loss over the whole batch is already a mean, so each batch counts as one.
                Normalizer::WholeBatch => 1,
            };
            let batch = Batch::from_host(&host, device)?;
            let parts = tch::no_grad(|| objective.loss(model, &batch, &context))?;
            units += weight;
            batches += 1;
            for (name, sum) in parts.sums.iter().chain(&[("loss", parts.loss)]) {
                let sum = f64::try_from(sum.f_to_kind(Kind::Double)?)?;
                *sums.entry(name).or_default() += sum;
            }
        }
        if units == 0 {
            return Err(EvalError::Nothing(format!("held-out {name}")));
        }
        let metrics = sums.iter().map(|(name, sum)| (*name, sum / units as f64));
        let counts = [("rows", rows.len()), ("units", units), ("batches", batches)];
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
