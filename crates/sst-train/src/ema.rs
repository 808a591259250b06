//! An exponential moving average (EMA) of the weights: `ema += (1 - d) (weight - ema)` after each update, with the
//! decay d (Polyak and Juditsky 1992 for averaging; Tarvainen and Valpola 2017, "Mean teachers", for this form).

use serde::{Deserialize, Serialize};
use sst_core::objective::StateDict;
use tch::Tensor;

use crate::error::TrainError;
use crate::setting;

/// How the weights are averaged, and where the average is used.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmaConfig {
    /// The decay d: the share of the old average in the new one, at least 0 and below 1.
    pub decay: f64,
    /// Whether the decay after t updates is `min(decay, (1 + t) / (10 + t))`, so that the average soon forgets the
    /// first weights (TensorFlow's `ExponentialMovingAverage` with `num_updates`).
    pub warmup: bool,
    /// Whether evaluators run on the average.
    pub evaluate: bool,
    /// Whether `model/` in a checkpoint holds the average. The trained weights, which a resume needs, are then in
    /// `state/model.safetensors`.
    pub export: bool,
}

impl Default for EmaConfig {
    fn default() -> Self {
        Self { decay: 0.999, warmup: true, evaluate: true, export: true }
    }
}

impl EmaConfig {
    /// The decay of the next update, after `updates` updates.
    pub fn decay(&self, updates: u64) -> f64 {
        let t = updates as f64;
        if self.warmup { self.decay.min((1.0 + t) / (10.0 + t)) } else { self.decay }
    }
}

/// The average of the trainable parameters of a model and of the objectives that it is trained with, because an
/// evaluator may use both. Frozen parameters have no average: they do not change.
#[derive(Debug)]
pub struct Ema {
    config: EmaConfig,
    /// The name of each parameter, a handle on it, and its average, which has its own storage.
    slots: Vec<(String, Tensor, Tensor)>,
    updates: u64,
}

impl Ema {
    /// An average that starts as a copy of the parameters, which are given with their names.
    ///
    /// # Errors
    /// If the decay is not in `[0, 1)`, or libtorch fails.
    pub fn new<'a>(
        config: EmaConfig,
        params: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    ) -> Result<Self, TrainError> {
        if !(0.0..1.0).contains(&config.decay) {
            let reason = format!("is {} and must be at least 0 and below 1", config.decay);
            return Err(TrainError::Config { setting: setting::EMA_DECAY, reason });
        }
        let slots = params.into_iter().map(|(name, param)| {
            let mut average = param.f_detach()?.f_empty_like()?;
            average.f_copy_(&param.f_detach()?)?;
            Ok((name.to_owned(), param.shallow_clone(), average))
        });
        let slots = slots.collect::<Result<_, tch::TchError>>()?;
        Ok(Self { config, slots, updates: 0 })
    }

    /// Moves the average towards the weights. To be called after each update of the weights.
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

    /// The number of calls of [`Ema::update`], also before a resume.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The average of each parameter under the parameter's name.
    pub fn state(&self) -> StateDict {
        let average =
            |(name, _, average): &(String, Tensor, Tensor)| (name.clone(), average.shallow_clone());
        self.slots.iter().map(average).collect()
    }

    /// Restores a state that [`Ema::state`] and [`Ema::updates`] returned.
    ///
    /// # Errors
    /// If a tensor is missing, unexpected or of another shape. The average is then unchanged.
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
                "`{name}` of the saved average belongs to no trainable parameter"
            )));
        }
        for (name, _, average) in &mut self.slots {
            average.f_copy_(&state[name.as_str()])?;
        }
        self.updates = updates;
        Ok(())
    }
}
