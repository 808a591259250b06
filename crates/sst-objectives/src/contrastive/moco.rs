//! MoCo on text (He et al. 2020, "Momentum Contrast for Unsupervised Visual Representation Learning", algorithm 1). The
//! keys come from a momentum encoder, a moving average of the trained encoder. A queue keeps the keys of earlier batches
//! as negatives.
//!
//! Shapes: b texts, k keys, p the width of the projected vectors.

use std::cell::RefCell;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sst_core::nn::Pooling;
use sst_core::objective::StateDict;
use sst_core::{Error, Model, Result, with_values};
use sst_data::Collate;
use tch::{Kind, Tensor};

use super::grad_cache::{LossInput, chunked_loss};
use super::info_nce::{ContrastiveLoss, info_nce, normalized};
use super::method::{Method, entry};
use super::shared::Shared;
use super::views::{DropoutViews, num_rows};
use crate::entry::{Context, Entry, Limit, MAX_ROWS};
use crate::error::ObjectiveError;
use crate::parse::check_rate;
use crate::setting;

/// The entry in the list of objectives.
pub(crate) const ENTRY: Entry = entry::<Moco>();

/// The configuration of `moco`, besides the shared keys.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MocoConfig {
    /// The momentum m of the momentum encoder: after each update its weights become m times themselves plus 1 - m times
    /// the trained weights.
    pub momentum: f64,
    /// The maximum number of keys in the queue.
    pub queue_size: u64,
}

impl Default for MocoConfig {
    fn default() -> Self {
        // A shorter queue and a lower momentum than the paper's for images, because training on text takes fewer steps.
        Self { momentum: 0.995, queue_size: 4096 }
    }
}

struct Moco {
    config: MocoConfig,
    state: RefCell<MocoState>,
}

/// The momentum encoder and the queue, which are kept between steps.
#[derive(Default)]
struct MocoState {
    /// The weights of the momentum encoder and of its projection by name, fp32; empty before the first step.
    momentum: StateDict,
    /// The keys `[k, p]` of earlier batches, oldest first, each of length 1; k is at most `queue_size`.
    queue: Option<Tensor>,
    /// The keys of the current batch, which join the queue after the update.
    pending: Option<Tensor>,
}

/// The prefix of the momentum encoder's weights in a checkpoint.
const MOMENTUM: &str = "momentum.";
/// The name of the queue in a checkpoint.
const QUEUE: &str = "queue";

/// The trained parameters that the momentum encoder has copies of: those of the model, and those of the projection with
/// the prefix `objective.`.
fn averaged_params<'a>(
    shared: &'a Shared,
    model: &'a dyn Model,
) -> impl Iterator<Item = (String, &'a Tensor)> {
    let model_params = model.params().iter().map(|(name, tensor)| (name.to_owned(), tensor));
    let projection_params = shared.projection_params();
    model_params
        .chain(projection_params.map(|(name, tensor)| (format!("objective.{name}"), tensor)))
}

impl MocoState {
    /// Moves tensors from a checkpoint to the model's device. If there is no momentum encoder yet, copies the trained
    /// encoder.
    fn start(&mut self, shared: &Shared, model: &dyn Model) -> Result<()> {
        let device = model.params().device();
        for tensor in self.momentum.values_mut().chain(&mut self.queue) {
            if tensor.device() != device {
                *tensor = tensor.f_to_device(device)?;
            }
        }
        if self.momentum.is_empty() {
            for (name, param) in averaged_params(shared, model) {
                let copy = param.f_detach()?.f_to_kind(Kind::Float)?.f_detach_copy()?;
                self.momentum.insert(name, copy);
            }
        }
        Ok(())
    }

    /// Runs `work` while the model and the projection hold the weights of the momentum encoder, then puts the trained
    /// weights back.
    fn with_momentum_weights<T>(
        &self,
        input: LossInput<'_>,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let mut values = Vec::new();
        for (name, param) in averaged_params(input.shared, input.model) {
            let Some(weights) = self.momentum.get(&name) else {
                return Err(Error::Contract(format!("the momentum encoder has no `{name}`")));
            };
            values.push((param.shallow_clone(), weights.f_to_kind(param.f_kind()?)?));
        }
        with_values(values, work)
    }

    /// Appends the pending keys to the queue, and drops the oldest keys if there are more than `size`.
    fn enqueue(&mut self, size: i64) -> Result<()> {
        let Some(keys_kp) = self.pending.take() else { return Ok(()) };
        let all_kp = match self.queue.take() {
            Some(queue_kp) => Tensor::f_cat(&[queue_kp, keys_kp], 0)?,
            None => keys_kp,
        };
        let count = all_kp.size()[0];
        let kept = count.min(size);
        self.queue = Some(all_kp.f_narrow(0, count - kept, kept)?.f_detach_copy()?);
        Ok(())
    }
}

impl Method for Moco {
    type Keys = MocoConfig;

    const NAME: &'static str = "moco";
    const SUMMARY: &'static str = "MoCo on text: keys come from a momentum encoder, and a queue of earlier keys gives negatives";
    const POOLING: Pooling = Pooling::Cls;
    const LIMITS: &'static [Limit] = &[("momentum", 0.0, 1.0), ("queue_size", 1.0, MAX_ROWS)];

    fn new(
        keys: MocoConfig,
        context: &Context<'_>,
    ) -> Result<(Self, Arc<dyn Collate>), ObjectiveError> {
        check_rate("momentum", keys.momentum)?;
        if keys.queue_size == 0 {
            let message = "must be at least 1; `simcse` has no queue".to_owned();
            return Err(ObjectiveError::Config { path: "queue_size".to_owned(), message });
        }
        let collate = DropoutViews::new(context.tokenizer()?, context.padding_free);
        Ok((Self { config: keys, state: RefCell::default() }, Arc::new(collate)))
    }

    /// The mean InfoNCE over texts. The query of a text is its first view, encoded by the trained encoder, and its key is
    /// the second view, encoded by the momentum encoder. The negatives are the keys of the other texts of the batch and
    /// of the queue. In evaluation, the trained encoder encodes both views and the queue is not used.
    fn loss(&self, input: LossInput<'_>) -> Result<ContrastiveLoss> {
        let train = input.context.forward.train;
        let texts = num_rows(input.batch)? / 2;
        let second_views = input.rows(Some(texts..2 * texts))?;
        let mut state = self.state.borrow_mut();
        let batch_keys_bp = if train {
            state.start(input.shared, input.model)?;
            normalized(&state.with_momentum_weights(input, || second_views.projected())?)?
        } else {
            normalized(&second_views.projected()?)?
        };
        let keys_kp = match &state.queue {
            Some(queue_kp) if train => Tensor::f_cat(&[&batch_keys_bp, queue_kp], 0)?,
            _ => batch_keys_bp.shallow_clone(),
        };
        if train {
            state.pending = Some(batch_keys_bp);
        }
        chunked_loss(&input.rows(Some(0..texts))?, &|vectors_bp| {
            info_nce(vectors_bp, &keys_kp, input.shared.temperature(), None)
        })
    }

    /// Updates the momentum encoder to `m * momentum + (1 - m) * model` (equation 2), and adds the keys of the batch to
    /// the queue.
    fn after_update(&mut self, shared: &Shared, model: &dyn Model) -> Result<()> {
        let state = self.state.get_mut();
        let m = self.config.momentum;
        state.start(shared, model)?;
        for (name, param) in averaged_params(shared, model) {
            if let Some(weights) = state.momentum.get_mut(&name) {
                let step = param.f_detach()?.f_to_kind(Kind::Float)?.f_mul_scalar(1.0 - m)?;
                let _ = weights.f_mul_scalar_(m)?.f_add_(&step)?;
            }
        }
        state.enqueue(self.config.queue_size as i64)
    }

    fn state(&self) -> StateDict {
        let state = self.state.borrow();
        let weights = state.momentum.iter();
        let mut tensors: StateDict = weights
            .map(|(name, tensor)| (format!("{MOMENTUM}{name}"), tensor.shallow_clone()))
            .collect();
        if let Some(queue) = &state.queue {
            tensors.insert(QUEUE.to_owned(), queue.shallow_clone());
        }
        tensors
    }

    fn load_state(&mut self, tensors: StateDict) -> Result<()> {
        let mut state = MocoState::default();
        for (name, tensor) in tensors {
            match name.strip_prefix(MOMENTUM) {
                Some(name) => {
                    state.momentum.insert(name.to_owned(), tensor);
                }
                None if name == QUEUE => {
                    let (count, size) = (tensor.size()[0], self.config.queue_size as i64);
                    if count > size {
                        let reason =
                            format!("is {size}, and the checkpoint's queue holds {count} keys");
                        return Err(Error::Setting { setting: setting::QUEUE_SIZE, reason });
                    }
                    state.queue = Some(tensor);
                }
                None => {
                    return Err(Error::Contract(format!("`moco` has no state called `{name}`")));
                }
            }
        }
        self.state = RefCell::new(state);
        Ok(())
    }
}
