//! Sums since the last report, kept on the device so that no step has to wait for the host.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use sst_core::Metrics;
use tch::{Device, Tensor};

use crate::error::TrainError;
use crate::step::StepReport;

/// Sums since the last report, on the host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowState {
    /// Steps.
    pub steps: u64,
    /// Units of their losses.
    pub units: u64,
    /// Tokens that carry data.
    pub useful_tokens: u64,
    /// Tokens computed on, padding included.
    pub padded_tokens: u64,
    /// Seconds spent in steps, evaluation and saving left out.
    pub seconds: f64,
    /// Seconds of those in which the step waited for its batches.
    pub loader_wait: f64,
    /// Summed losses.
    pub loss: f64,
    /// Summed gradient norms.
    pub grad_norm: f64,
    /// The objective's own sums. One that is not finite is `null` in JSON and comes back as NaN.
    #[serde(deserialize_with = "null_as_nan")]
    pub sums: BTreeMap<String, f64>,
}

fn null_as_nan<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, f64>, D::Error> {
    let sums = BTreeMap::<String, Option<f64>>::deserialize(from)?;
    Ok(sums.into_iter().map(|(name, sum)| (name, sum.unwrap_or(f64::NAN))).collect())
}

/// Sums since the last report.
#[derive(Debug)]
pub(crate) struct Window {
    /// Counts and seconds; its sums are those restored, and the tensors come on top.
    host: WindowState,
    loss: Option<Tensor>,
    grad_norm: Option<Tensor>,
    sums: BTreeMap<String, Tensor>,
}

impl Window {
    /// A window that goes on from `state`. Restored sums go back to the device as f64, so that adding to
    /// them gives the same bits as if the run had not been interrupted.
    pub(crate) fn restore(state: WindowState, device: Device) -> Result<Self, TrainError> {
        let tensor = |value: f64| Tensor::from(value).f_to_device(device);
        let started = state.steps > 0;
        let sums = state.sums.iter().map(|(name, value)| Ok((name.clone(), tensor(*value)?)));
        Ok(Self {
            loss: if started { Some(tensor(state.loss)?) } else { None },
            grad_norm: if started { Some(tensor(state.grad_norm)?) } else { None },
            sums: sums.collect::<Result<_, tch::TchError>>()?,
            host: state,
        })
    }

    /// Adds a step.
    pub(crate) fn add(&mut self, report: StepReport) -> Result<(), TrainError> {
        self.host.steps += 1;
        self.host.units += report.units;
        self.host.useful_tokens += report.useful_tokens;
        self.host.padded_tokens += report.padded_tokens;
        add_to(&mut self.loss, report.sums.loss)?;
        add_to(&mut self.grad_norm, report.grad_norm)?;
        for (name, sum) in report.sums.others {
            match self.sums.get_mut(name) {
                Some(total) => *total = total.f_add(&sum)?,
                None => {
                    self.sums.insert(name.to_owned(), sum);
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
        let value = |tensor: &Option<Tensor>| match tensor {
            Some(tensor) => tensor.f_double_value(&[]),
            None => Ok(0.0),
        };
        let sums = self.sums.iter().map(|(name, sum)| Ok((name.clone(), sum.f_double_value(&[])?)));
        Ok(WindowState {
            loss: value(&self.loss)?,
            grad_norm: value(&self.grad_norm)?,
            sums: sums.collect::<Result<_, tch::TchError>>()?,
            ..self.host.clone()
        })
    }
}

fn add_to(total: &mut Option<Tensor>, value: Tensor) -> Result<(), TrainError> {
    *total = Some(match total.take() {
        Some(total) => total.f_add(&value)?,
        None => value,
    });
    Ok(())
}

impl WindowState {
    /// Means over units (losses and the objective's sums) and over steps (the gradient norm). Nothing if
    /// all steps were skipped.
    pub(crate) fn metrics(&self) -> Metrics {
        if self.units == 0 {
            return Metrics::new();
        }
        let units = self.units as f64;
        let mut metrics: Metrics =
            self.sums.iter().map(|(name, sum)| (name.clone(), sum / units)).collect();
        metrics.insert("loss".into(), self.loss / units);
        metrics.insert("grad_norm".into(), self.grad_norm / self.steps.max(1) as f64);
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
        let state = WindowState { steps: 2, loss: 0.1 + 0.2, sums, ..WindowState::default() };
        let text = serde_json::to_string(&state).unwrap();
        let mut back: WindowState = serde_json::from_str(&text).unwrap();
        assert!(back.sums["odd"].is_nan());
        back.sums.insert("odd".into(), 0.0);
        let sums = BTreeMap::from([("odd".to_owned(), 0.0), ("third".to_owned(), 1.0 / 3.0)]);
        assert_eq!(back, WindowState { sums, ..state });
    }
}
