//! Which layers are trained, and from which step on.

use sst_core::{LayerStack, Model};
use tch::Tensor;

use crate::optim::distance_from_top;

/// Trains the parameters above the layers (heads, poolers and last norms) and the upper layers alone.
///
/// With `every`, one more layer is trained after each `every` steps, from the top down, and the embeddings after the
/// lowest one (gradual unfreezing: Howard and Ruder 2018, "Universal Language Model Fine-tuning for Text
/// Classification", section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfreeze {
    /// The number of upper layers that are trained from the first step on.
    pub layers: usize,
    /// The number of steps after which one more layer is trained; `None` for never.
    pub every: Option<u64>,
}

impl Unfreeze {
    /// The number of upper layers that step `step`, counted from 0, trains. One more than there are layers stands for the
    /// embeddings.
    pub fn layers_at(self, step: u64) -> usize {
        let further = self.every.map_or(0, |every| step / every.max(1));
        self.layers.saturating_add(usize::try_from(further).unwrap_or(usize::MAX))
    }

    /// Whether step `step` trains the parameter `name` of a model with these layers.
    pub fn trains(self, name: &str, stacks: &[LayerStack], step: u64) -> bool {
        distance_from_top(name, stacks) <= self.layers_at(step)
    }
}

/// The parameters of a run whose layers are unfrozen one after the other.
#[derive(Debug)]
pub(crate) struct Unfreezing {
    rule: Unfreeze,
    /// The parameters that some step of the run trains, with the distance of their layer from the top.
    params: Vec<(usize, Tensor)>,
    /// The number of layers that the latest step trained.
    layers: Option<usize>,
}

impl Unfreezing {
    /// Freezes the parameters of `model` that no step of a run of `total_steps` steps trains.
    ///
    /// # Errors
    /// If libtorch fails.
    pub(crate) fn start(
        rule: Unfreeze,
        model: &mut dyn Model,
        total_steps: u64,
    ) -> sst_core::Result<Self> {
        let stacks = model.stacks();
        let last = total_steps.saturating_sub(1);
        model.params_mut().set_trainable(false, |name| !rule.trains(name, &stacks, last))?;
        let params = model.params().trainable();
        let params =
            params.map(|(name, tensor)| (distance_from_top(name, &stacks), tensor.shallow_clone()));
        Ok(Self { rule, params: params.collect(), layers: None })
    }

    /// Makes the parameters require a gradient that step `step`, counted from 0, trains, and no others.
    pub(crate) fn before_step(&mut self, step: u64) {
        let layers = self.rule.layers_at(step);
        if self.layers.replace(layers) == Some(layers) {
            return;
        }
        for (distance, tensor) in &self.params {
            let _ = tensor.set_requires_grad(*distance <= layers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_trained_from_the_top_down() {
        let stacks = [LayerStack { prefix: "bert.encoder.layer.".to_owned(), depth: 3 }];
        let names = [
            "classifier.weight",
            "bert.pooler.dense.weight",
            "bert.encoder.layer.2.output.dense.weight",
            "bert.encoder.layer.0.output.dense.weight",
            "bert.embeddings.word_embeddings.weight",
        ];
        let check = |rule: Unfreeze, step: u64, expected: [bool; 5]| {
            assert_eq!(names.map(|name| rule.trains(name, &stacks, step)), expected, "{rule:?}");
        };
        let head = Unfreeze { layers: 0, every: None };
        check(head, 1000, [true, true, false, false, false]);
        check(Unfreeze { layers: 1, every: None }, 0, [true, true, true, false, false]);
        let gradual = Unfreeze { layers: 0, every: Some(10) };
        check(gradual, 9, [true, true, false, false, false]);
        check(gradual, 10, [true, true, true, false, false]);
        check(gradual, 30, [true, true, true, true, false]);
        check(gradual, 40, [true; 5]);
    }
}
