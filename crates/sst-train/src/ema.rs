//! An exponential moving average of the weights (Polyak and Juditsky 1992 for averaging; Tarvainen and
//! Valpola 2017, "Mean teachers", for this form): `ema += (1 - d) (weight - ema)` after each update.

use serde::{Deserialize, Serialize};
use sst_core::objective::StateDict;
use tch::Tensor;

use crate::error::TrainError;

/// How weights are averaged, and what the average is for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmaConfig {
    /// What is kept of the average at each update, d.
    pub decay: f64,
    /// Begin with `min(decay, (1 + t) / (10 + t))` after t updates, so that the first weights are soon
    /// forgotten (TensorFlow's `ExponentialMovingAverage` with `num_updates`).
    pub warmup: bool,
    /// Whether evaluators see the average.
    pub evaluate: bool,
    /// Whether a checkpoint's `model/` holds the average; the weights that a resume needs are in its
    /// `state/` then.
    pub export: bool,
}

impl Default for EmaConfig {
    fn default() -> Self {
        Self { decay: 0.999, warmup: true, evaluate: true, export: true }
    }
}

impl EmaConfig {
    /// The decay d of the next update, once `updates` updates are done.
    pub fn decay(&self, updates: u64) -> f64 {
        let t = updates as f64;
        if self.warmup { self.decay.min((1.0 + t) / (10.0 + t)) } else { self.decay }
    }
}

/// The average of the trainable parameters of a model and, since evaluators may see them together, of its objectives.
/// Frozen ones are their own average.
#[derive(Debug)]
pub struct Ema {
    config: EmaConfig,
    /// Name, parameter, and its average, which shares nothing with it.
    slots: Vec<(String, Tensor, Tensor)>,
    updates: u64,
}

impl Ema {
    /// An average that starts at the parameters as they are.
    ///
    /// # Errors
    /// If the decay is not in `[0, 1)`, or libtorch fails.
    pub fn new<'a>(
        config: EmaConfig,
        params: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    ) -> Result<Self, TrainError> {
        if !(0.0..1.0).contains(&config.decay) {
            let reason = format!("{} is not in [0, 1)", config.decay);
            return Err(TrainError::Config { key: "train.ema.decay", reason });
        }
        let slots = params.into_iter().map(|(name, param)| {
            let mut average = param.f_detach()?.f_empty_like()?;
            average.f_copy_(&param.f_detach()?)?;
            Ok((name.to_owned(), param.shallow_clone(), average))
        });
        let slots = slots.collect::<Result<_, tch::TchError>>()?;
        Ok(Self { config, slots, updates: 0 })
    }

    /// Follows an update of the weights.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn update(&mut self) -> Result<(), TrainError> {
        let rate = 1.0 - self.config.decay(self.updates);
        for (_, param, average) in &mut self.slots {
            let change = param.f_detach()?.f_sub(average)?.f_mul_scalar(rate)?;
            let _ = average.f_add_(&change)?;
        }
        self.updates += 1;
        Ok(())
    }

    /// Handles on each parameter and on its average, to compute with the averages ([`sst_core::with_values`]).
    pub fn values(&self) -> Vec<(Tensor, Tensor)> {
        let pair = |(_, param, average): &(String, Tensor, Tensor)| {
            (param.shallow_clone(), average.shallow_clone())
        };
        self.slots.iter().map(pair).collect()
    }

    /// The number of updates that the average has followed.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The average by the parameters' names.
    pub fn state(&self) -> StateDict {
        self.slots.iter().map(|(name, _, t)| (name.clone(), t.shallow_clone())).collect()
    }

    /// Restores a state that [`Ema::state`] and [`Ema::updates`] returned.
    ///
    /// # Errors
    /// If a tensor is missing, unexpected or of another shape; nothing is changed then.
    pub fn load_state(&mut self, state: &StateDict, updates: u64) -> Result<(), TrainError> {
        let wrong = |reason| TrainError::Core(sst_core::Error::Contract(reason));
        for (name, _, average) in &self.slots {
            if state.get(name).is_none_or(|value| value.size() != average.size()) {
                let shape = average.size();
                return Err(wrong(format!("the saved average lacks `{name}` of shape {shape:?}")));
            }
        }
        if let Some(name) = state.keys().find(|name| self.slots.iter().all(|s| s.0 != **name)) {
            return Err(wrong(format!(
                "no trainable parameter takes `{name}` of the saved average"
            )));
        }
        for (name, _, average) in &mut self.slots {
            average.f_copy_(&state[name.as_str()])?;
        }
        self.updates = updates;
        Ok(())
    }
}
