//! The metrics of training: means over the steps since the last report. Their sums are kept on the device, so that the
//! host does not wait for the device in each step.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use sst_core::Metrics;
use tch::{Device, TchError, Tensor};

use crate::error::TrainError;
use crate::step::StepReport;
use crate::task_name::with_task;

/// The sums since the last report, on the host. A checkpoint saves them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowState {
    /// The number of steps.
    pub steps: u64,
    /// The number of tokens, without padding.
    pub useful_tokens: u64,
    /// The number of tokens that were computed, padding included.
    pub padded_tokens: u64,
    /// The seconds that the steps took, without evaluations and checkpoints.
    pub seconds: f64,
    /// The part of these seconds in which a step waited for its batches.
    pub loader_wait: f64,
    /// The sum of the gradient norms.
    pub grad_norm: f64,
    /// The sums of each task.
    pub tasks: Vec<TaskSums>,
}

/// The sums of one task since the last report, on the host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSums {
    /// The number of steps.
    pub steps: u64,
    /// The sum of the normalisers: the number that the summed loss is divided by.
    pub units: u64,
    /// The summed loss.
    pub loss: f64,
    /// The other sums of the objective by name. A sum that is not finite is `null` in JSON and is read as NaN.
    #[serde(deserialize_with = "null_as_nan")]
    pub sums: BTreeMap<String, f64>,
    /// For a curriculum: the share of the rows, from the easiest one on, that the last step could draw from.
    pub open: Option<f64>,
    /// For a curriculum: the rank of the hardest row that was drawn, as a fraction of the number of rows.
    pub hardest: Option<f64>,
}

/// Reads numbers by name, `null` as NaN.
fn null_as_nan<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, f64>, D::Error> {
    let sums = BTreeMap::<String, Option<f64>>::deserialize(deserializer)?;
    Ok(sums.into_iter().map(|(name, sum)| (name, sum.unwrap_or(f64::NAN))).collect())
}

/// The sums since the last report, on the device.
#[derive(Debug)]
pub(crate) struct MetricWindow {
    /// The counts and seconds. Its losses, gradient norms and other sums are not kept up to date:
    /// [`MetricWindow::read`] takes them from the device.
    host: WindowState,
    /// The sum of the gradient norms, an f64 scalar; `None` before the first step.
    grad_norm: Option<Tensor>,
    /// The sums of each task.
    tasks: Vec<DeviceSums>,
}

/// The sums of one task: f64 scalars on the device.
#[derive(Debug, Default)]
struct DeviceSums {
    loss: Option<Tensor>,
    others: BTreeMap<String, Tensor>,
}

impl MetricWindow {
    /// An empty window for a run with `num_tasks` tasks.
    pub(crate) fn new(num_tasks: usize) -> Self {
        let tasks = vec![TaskSums::default(); num_tasks];
        Self {
            host: WindowState { tasks, ..WindowState::default() },
            grad_norm: None,
            tasks: (0..num_tasks).map(|_| DeviceSums::default()).collect(),
        }
    }

    /// A window that continues from `state`. The sums are moved to the device as f64, so that further steps add up to
    /// the same bits as in a run that was not interrupted.
    pub(crate) fn restore(state: WindowState, device: Device) -> Result<Self, TrainError> {
        let tensor = |value: f64| Tensor::from(value).f_to_device(device);
        let total = |steps: u64, value: f64| (steps > 0).then(|| tensor(value)).transpose();
        let device_sums = |task: &TaskSums| -> Result<DeviceSums, TchError> {
            let others = task.sums.iter().map(|(name, sum)| Ok((name.clone(), tensor(*sum)?)));
            Ok(DeviceSums {
                loss: total(task.steps, task.loss)?,
                others: others.collect::<Result<_, TchError>>()?,
            })
        };
        Ok(Self {
            grad_norm: total(state.steps, state.grad_norm)?,
            tasks: state.tasks.iter().map(device_sums).collect::<Result<_, _>>()?,
            host: state,
        })
    }

    /// Adds a step of the task with index `task`.
    pub(crate) fn add(&mut self, task: usize, report: StepReport) -> Result<(), TrainError> {
        self.host.steps += 1;
        self.host.useful_tokens += report.useful_tokens;
        self.host.padded_tokens += report.padded_tokens;
        add_to(&mut self.grad_norm, report.grad_norm)?;
        let (host, sums) = (&mut self.host.tasks[task], &mut self.tasks[task]);
        host.steps += 1;
        host.units += report.normalizer;
        if let Some(pool) = report.pool {
            let fraction = |rows: u64| rows as f64 / pool.rows as f64;
            host.open = Some(fraction(pool.open));
            host.hardest = Some(host.hardest.unwrap_or(0.0).max(fraction(pool.hardest)));
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

    /// Adds to the seconds of the steps, and to the seconds in which they waited for batches.
    pub(crate) fn add_seconds(&mut self, seconds: f64, loader_wait: f64) {
        self.host.seconds += seconds;
        self.host.loader_wait += loader_wait;
    }

    /// The sums on the host. Waits for the device.
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

/// The number in a scalar tensor; 0 for `None`.
fn value(tensor: Option<&Tensor>) -> Result<f64, TchError> {
    tensor.map_or(Ok(0.0), |tensor| tensor.f_double_value(&[]))
}

/// Adds `value` to `total`, which is `None` before the first step.
fn add_to(total: &mut Option<Tensor>, value: Tensor) -> Result<(), TrainError> {
    *total = Some(match total.take() {
        Some(total) => total.f_add(&value)?,
        None => value,
    });
    Ok(())
}

impl WindowState {
    /// The metrics of the steps: losses and the other sums of the objectives divided by the normaliser, and the mean
    /// gradient norm over the steps. A task whose normaliser is 0, because all of its steps were skipped, has no loss.
    ///
    /// `names` are the names of the tasks. In a run with several tasks, the metrics of a task have its name before
    /// theirs, `steps` is the number of its steps, and `loss` without a name is the mean of the tasks' losses, weighted
    /// by these numbers.
    pub(crate) fn metrics(&self, names: &[&str]) -> Metrics {
        let mut metrics = Metrics::new();
        let (mut weighted_loss, mut steps) = (0.0, 0.0);
        for (task_name, task) in names.iter().zip(&self.tasks) {
            let logged_name = |metric: &str| with_task(task_name, metric);
            if !task_name.is_empty() {
                metrics.insert(logged_name("steps"), task.steps as f64);
            }
            let fractions = [("curriculum_open", task.open), ("curriculum_hardest", task.hardest)];
            for (metric, fraction) in fractions {
                metrics.extend(fraction.map(|fraction| (logged_name(metric), fraction)));
            }
            if task.units > 0 {
                let mean = |sum: f64| sum / task.units as f64;
                let sums = task.sums.iter();
                metrics.extend(sums.map(|(metric, sum)| (logged_name(metric), mean(*sum))));
                metrics.insert(logged_name("loss"), mean(task.loss));
                weighted_loss += mean(task.loss) * task.steps as f64;
                steps += task.steps as f64;
            }
        }
        if steps > 0.0 {
            metrics.entry("loss".into()).or_insert(weighted_loss / steps);
            metrics.insert("grad_norm".into(), self.grad_norm / self.steps as f64);
        }
        metrics
    }

    /// The seconds per step, and the tokens per second.
    pub(crate) fn timing(&self) -> Metrics {
        let steps = self.steps.max(1) as f64;
        let mut timing = Metrics::from([
            ("seconds_per_step".to_owned(), self.seconds / steps),
            ("loader_wait".to_owned(), self.loader_wait / steps),
        ]);
        // The batches of some objectives do not count tokens.
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
    fn a_state_comes_back_from_json_also_if_a_sum_is_nan() {
        let sums = BTreeMap::from([("odd".to_owned(), f64::NAN), ("third".to_owned(), 1.0 / 3.0)]);
        let task = TaskSums { steps: 2, loss: 0.1 + 0.2, sums, ..TaskSums::default() };
        let mut state = WindowState { steps: 2, tasks: vec![task], ..WindowState::default() };
        let text = serde_json::to_string(&state).unwrap();
        let mut restored: WindowState = serde_json::from_str(&text).unwrap();
        assert!(restored.tasks[0].sums["odd"].is_nan());
        // NaN differs from itself, so it is replaced before the states are compared.
        for state in [&mut restored, &mut state] {
            state.tasks[0].sums.insert("odd".into(), 0.0);
        }
        assert_eq!(restored, state);
    }
}
