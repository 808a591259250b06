//! Sums since the last report, kept on the device so that no step has to wait for the host.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use sst_core::Metrics;
use tch::{Device, TchError, Tensor};

use crate::error::TrainError;
use crate::step::StepReport;
use crate::task_name::of_task;

/// Sums since the last report, on the host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowState {
    /// Steps.
    pub steps: u64,
    /// Tokens that carry data.
    pub useful_tokens: u64,
    /// Tokens computed on, padding included.
    pub padded_tokens: u64,
    /// Seconds spent in steps, evaluation and saving left out.
    pub seconds: f64,
    /// Seconds of those in which the step waited for its batches.
    pub loader_wait: f64,
    /// Summed gradient norms.
    pub grad_norm: f64,
    /// What belongs to each task.
    pub tasks: Vec<TaskSums>,
}

/// Sums of one task since the last report, on the host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSums {
    /// Steps.
    pub steps: u64,
    /// Units of their losses.
    pub units: u64,
    /// Summed losses.
    pub loss: f64,
    /// The objective's own sums. One that is not finite is `null` in JSON and comes back as NaN.
    #[serde(deserialize_with = "null_as_nan")]
    pub sums: BTreeMap<String, f64>,
    /// For a curriculum: the share of the rows, ranked by difficulty, that was open in the last step.
    pub open: Option<f64>,
    /// For a curriculum: the rank of the hardest row that was drawn, as a share of all rows.
    pub hardest: Option<f64>,
}

fn null_as_nan<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, f64>, D::Error> {
    let sums = BTreeMap::<String, Option<f64>>::deserialize(from)?;
    Ok(sums.into_iter().map(|(name, sum)| (name, sum.unwrap_or(f64::NAN))).collect())
}

/// Sums since the last report.
#[derive(Debug)]
pub(crate) struct MetricWindow {
    /// Counts and seconds; the sums in it are those restored, and the tensors have them too.
    host: WindowState,
    grad_norm: Option<Tensor>,
    /// For each task, its loss and its sums.
    tasks: Vec<DeviceSums>,
}

#[derive(Debug, Default)]
struct DeviceSums {
    loss: Option<Tensor>,
    others: BTreeMap<String, Tensor>,
}

impl MetricWindow {
    /// An empty window of a run with so many tasks.
    pub(crate) fn new(num_tasks: usize) -> Self {
        let tasks = vec![TaskSums::default(); num_tasks];
        Self {
            host: WindowState { tasks, ..WindowState::default() },
            grad_norm: None,
            tasks: (0..num_tasks).map(|_| DeviceSums::default()).collect(),
        }
    }

    /// A window that goes on from `state`. Restored sums go back to the device as f64, so that adding to
    /// them gives the same bits as if the run had not been interrupted.
    pub(crate) fn restore(state: WindowState, device: Device) -> Result<Self, TrainError> {
        let tensor = |value: f64| Tensor::from(value).f_to_device(device);
        let some = |steps: u64, value: f64| (steps > 0).then(|| tensor(value)).transpose();
        let task = |task: &TaskSums| -> Result<DeviceSums, TchError> {
            let others = task.sums.iter().map(|(name, sum)| Ok((name.clone(), tensor(*sum)?)));
            Ok(DeviceSums {
                loss: some(task.steps, task.loss)?,
                others: others.collect::<Result<_, TchError>>()?,
            })
        };
        Ok(Self {
            grad_norm: some(state.steps, state.grad_norm)?,
            tasks: state.tasks.iter().map(task).collect::<Result<_, _>>()?,
            host: state,
        })
    }

    /// Adds a step of the task number `task`.
    pub(crate) fn add(&mut self, task: usize, report: StepReport) -> Result<(), TrainError> {
        self.host.steps += 1;
        self.host.useful_tokens += report.useful_tokens;
        self.host.padded_tokens += report.padded_tokens;
        add_to(&mut self.grad_norm, report.grad_norm)?;
        let (host, sums) = (&mut self.host.tasks[task], &mut self.tasks[task]);
        host.steps += 1;
        host.units += report.units;
        if let Some(pool) = report.pool {
            let share = |rows: u64| rows as f64 / pool.rows as f64;
            host.open = Some(share(pool.open));
            host.hardest = Some(host.hardest.unwrap_or(0.0).max(share(pool.hardest)));
        }
        add_to(&mut sums.loss, report.sums.loss)?;
        for (name, sum) in report.sums.others {
            match sums.others.get_mut(&name) {
                Some(total) => *total = total.f_add(&sum)?,
                None => {
                    sums.others.insert(name, sum);
                }
            }
        }
        Ok(())
    }

    /// Adds time.
    pub(crate) fn add_seconds(&mut self, seconds: f64, loader_wait: f64) {
        self.host.seconds += seconds;
        self.host.loader_wait += loader_wait;
    }

    /// The sums on the host. Synchronises with the device.
    pub(crate) fn read(&self) -> Result<WindowState, TrainError> {
        let mut state = self.host.clone();
        state.grad_norm = value(self.grad_norm.as_ref())?;
        for (host, sums) in state.tasks.iter_mut().zip(&self.tasks) {
            host.loss = value(sums.loss.as_ref())?;
            for (name, sum) in &sums.others {
                host.sums.insert(name.clone(), value(Some(sum))?);
            }
        }
        Ok(state)
    }
}

fn value(tensor: Option<&Tensor>) -> Result<f64, TchError> {
    tensor.map_or(Ok(0.0), |tensor| tensor.f_double_value(&[]))
}

fn add_to(total: &mut Option<Tensor>, value: Tensor) -> Result<(), TrainError> {
    *total = Some(match total.take() {
        Some(total) => total.f_add(&value)?,
        None => value,
    });
    Ok(())
}

impl WindowState {
    /// Means over units (losses and the objectives' sums) and over steps (the gradient norm); no mean of
    /// what was skipped. `names` are those of the tasks. With several, each has its figures under its name
    /// and the steps that were its own, and `loss` is the mean of their losses by these steps.
    pub(crate) fn metrics(&self, names: &[&str]) -> Metrics {
        let mut metrics = Metrics::new();
        let (mut weighted, mut steps) = (0.0, 0.0);
        for (name, task) in names.iter().zip(&self.tasks) {
            let of_task = |figure: &str| of_task(name, figure);
            if !name.is_empty() {
                metrics.insert(of_task("steps"), task.steps as f64);
            }
            let shares = [("curriculum_open", task.open), ("curriculum_hardest", task.hardest)];
            for (figure, share) in shares {
                metrics.extend(share.map(|share| (of_task(figure), share)));
            }
            if task.units > 0 {
                let mean = |sum: f64| sum / task.units as f64;
                metrics.extend(task.sums.iter().map(|(sum, value)| (of_task(sum), mean(*value))));
                metrics.insert(of_task("loss"), mean(task.loss));
                weighted += mean(task.loss) * task.steps as f64;
                steps += task.steps as f64;
            }
        }
        if steps > 0.0 {
            metrics.entry("loss".into()).or_insert(weighted / steps);
            metrics.insert("grad_norm".into(), self.grad_norm / self.steps as f64);
        }
        metrics
    }

    /// Rates, and seconds a step.
    pub(crate) fn timing(&self) -> Metrics {
        let steps = self.steps.max(1) as f64;
        let mut timing = Metrics::from([
            ("seconds_per_step".to_owned(), self.seconds / steps),
            ("loader_wait".to_owned(), self.loader_wait / steps),
        ]);
        // Objectives that do not count tokens have no rate.
        if self.padded_tokens > 0 && self.seconds > 0.0 {
            let rate = |tokens: u64| tokens as f64 / self.seconds;
            timing.insert("tokens_per_second".into(), rate(self.useful_tokens));
            timing.insert("padded_tokens_per_second".into(), rate(self.padded_tokens));
        }
        timing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_survives_json_also_when_a_sum_does_not_exist() {
        let sums = BTreeMap::from([("odd".to_owned(), f64::NAN), ("third".to_owned(), 1.0 / 3.0)]);
        let task = TaskSums { steps: 2, loss: 0.1 + 0.2, sums, ..TaskSums::default() };
        let state = WindowState { steps: 2, tasks: vec![task], ..WindowState::default() };
        let text = serde_json::to_string(&state).unwrap();
        let mut back: WindowState = serde_json::from_str(&text).unwrap();
        assert!(back.tasks[0].sums["odd"].is_nan());
        let mut state = state;
        for state in [&mut back, &mut state] {
            state.tasks[0].sums.insert("odd".into(), 0.0);
        }
        assert_eq!(back, state);
    }
}
