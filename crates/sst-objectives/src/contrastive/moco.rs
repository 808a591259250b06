//! MoCo on text (He et al. 2020, "Momentum Contrast for Unsupervised Visual Representation Learning", algorithm 1):
//! the keys come from an encoder that follows the trained one slowly, and those of earlier batches stay as negatives.
//!
//! Shapes: b texts, k keys, p the width of what is compared.

use std::cell::RefCell;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sst_core::nn::Pooling;
use sst_core::objective::StateDict;
use sst_core::{Error, Model, Result, with_values};
use sst_data::Collate;
use tch::{Kind, Tensor};

use super::grad_cache::{Input, compare};
use super::info_nce::{Compared, info_nce, normalized};
use super::method::{Method, entry};
use super::shared::Shared;
use super::views::{Twice, count};
use crate::entry::{Context, Entry, Limit, MOST_ROWS};
use crate::error::ObjectiveError;
use crate::parse::check_rate;

/// The word of registration.
pub(crate) const ENTRY: Entry = entry::<Moco>();

/// The keys of `[objective]` for `name = "moco"`, besides the shared ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MocoConfig {
    /// How much of the momentum encoder stays at each update.
    pub momentum: f64,
    /// Keys of earlier batches that are kept.
    pub queue_size: u64,
}

impl Default for MocoConfig {
    fn default() -> Self {
        // Fewer keys and less momentum than for images, since text is learned from in fewer steps.
        Self { momentum: 0.995, queue_size: 4096 }
    }
}

struct Moco {
    config: MocoConfig,
    memory: RefCell<Memory>,
}

/// What outlives a step.
#[derive(Default)]
struct Memory {
    /// The weights of the momentum encoder and of its head by name, fp32; empty before the first step.
    momentum: StateDict,
    /// The newest keys `[k, p]`, oldest first, each of length one; at most as many as the queue may hold.
    queue: Option<Tensor>,
    /// The keys of the batch, which join the queue once the update is done.
    pending: Option<Tensor>,
}

/// The prefix of the momentum encoder's weights in the state.
const MOMENTUM: &str = "momentum.";
const QUEUE: &str = "queue";

/// What the momentum encoder has a copy of: the parameters of the model, and those of the head under `objective.`.
fn followed<'a>(
    shared: &'a Shared,
    model: &'a dyn Model,
) -> impl Iterator<Item = (String, &'a Tensor)> {
    let of_model = model.params().iter().map(|(name, tensor)| (name.to_owned(), tensor));
    of_model.chain(shared.head_params().map(|(name, t)| (format!("objective.{name}"), t)))
}

impl Memory {
    /// Starts the momentum encoder as the trained one, or brings what a checkpoint held to the model's device.
    fn start(&mut self, shared: &Shared, model: &dyn Model) -> Result<()> {
        let device = model.params().device();
        for tensor in self.momentum.values_mut().chain(&mut self.queue) {
            if tensor.device() != device {
                *tensor = tensor.f_to_device(device)?;
            }
        }
        if self.momentum.is_empty() {
            for (name, param) in followed(shared, model) {
                let copy = param.f_detach()?.f_to_kind(Kind::Float)?.f_detach_copy()?;
                self.momentum.insert(name, copy);
            }
        }
        Ok(())
    }

    /// Runs `work` while model and head have the weights of the momentum encoder.
    fn as_momentum<T>(&self, input: Input<'_>, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut values = Vec::new();
        for (name, param) in followed(input.shared, input.model) {
            let Some(weights) = self.momentum.get(&name) else {
                return Err(Error::Contract(format!("the momentum encoder has no `{name}`")));
            };
            values.push((param.shallow_clone(), weights.f_to_kind(param.f_kind()?)?));
        }
        with_values(values, work)
    }

    /// Takes the pending keys into the queue.
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
    const SUMMARY: &'static str =
        "MoCo on text: near its own reading by a momentum encoder, among a queue of earlier texts";
    const POOLING: Pooling = Pooling::Cls;
    const LIMITS: &'static [Limit] = &[("momentum", 0.0, 1.0), ("queue_size", 1.0, MOST_ROWS)];

    fn new(
        keys: MocoConfig,
        context: &Context<'_>,
    ) -> Result<(Self, Arc<dyn Collate>), ObjectiveError> {
        check_rate("momentum", keys.momentum)?;
        if keys.queue_size == 0 {
            let message = "must be at least 1; `simcse` has no queue".to_owned();
            return Err(ObjectiveError::Config { path: "queue_size".to_owned(), message });
        }
        let collate = Twice::new(context.tokenizer()?, context.padding_free);
        Ok((Self { config: keys, memory: RefCell::default() }, Arc::new(collate)))
    }

    /// The mean over texts of the InfoNCE of their first reading with the momentum encoder's of the second, among
    /// those of the batch and of the queue. Without dropout, as when it is evaluated, both readings are the trained
    /// encoder's and there is no queue.
    fn compare(&self, input: Input<'_>) -> Result<Compared> {
        let train = input.context.forward.train;
        let texts = count(input.batch)? / 2;
        let keys = input.rows(Some(texts..2 * texts))?;
        let mut memory = self.memory.borrow_mut();
        let keys_kp = if train {
            memory.start(input.shared, input.model)?;
            normalized(&memory.as_momentum(input, || keys.projected())?)?
        } else {
            normalized(&keys.projected()?)?
        };
        let all_kp = match &memory.queue {
            Some(queue_kp) if train => Tensor::f_cat(&[&keys_kp, queue_kp], 0)?,
            _ => keys_kp.shallow_clone(),
        };
        if train {
            memory.pending = Some(keys_kp);
        }
        compare(&input.rows(Some(0..texts))?, &|vectors_bp| {
            info_nce(vectors_bp, &all_kp, input.shared.temperature(), None)
        })
    }

    /// Moves the momentum encoder, `m * momentum + (1 - m) * model` (equation 2), and queues the batch's keys.
    fn after_update(&mut self, shared: &Shared, model: &dyn Model) -> Result<()> {
        let memory = self.memory.get_mut();
        let m = self.config.momentum;
        memory.start(shared, model)?;
        for (name, param) in followed(shared, model) {
            if let Some(weights) = memory.momentum.get_mut(&name) {
                let step = param.f_detach()?.f_to_kind(Kind::Float)?.f_mul_scalar(1.0 - m)?;
                let _ = weights.f_mul_scalar_(m)?.f_add_(&step)?;
            }
        }
        memory.enqueue(self.config.queue_size as i64)
    }

    fn state(&self) -> StateDict {
        let memory = self.memory.borrow();
        let weights = memory.momentum.iter();
        let mut state: StateDict = weights
            .map(|(name, tensor)| (format!("{MOMENTUM}{name}"), tensor.shallow_clone()))
            .collect();
        if let Some(queue) = &memory.queue {
            state.insert(QUEUE.to_owned(), queue.shallow_clone());
        }
        state
    }

    fn load_state(&mut self, state: StateDict) -> Result<()> {
        let mut memory = Memory::default();
        for (name, tensor) in state {
            match name.strip_prefix(MOMENTUM) {
                Some(name) => {
                    memory.momentum.insert(name.to_owned(), tensor);
                }
                None if name == QUEUE => {
                    let (count, size) = (tensor.size()[0], self.config.queue_size as i64);
                    if count > size {
                        return Err(Error::Contract(format!(
                            "the checkpoint's queue holds {count} keys, and objective.queue_size is {size}"
                        )));
                    }
                    memory.queue = Some(tensor);
                }
                None => {
                    return Err(Error::Contract(format!("`moco` has no state called `{name}`")));
                }
            }
        }
        self.memory = RefCell::new(memory);
        Ok(())
    }
}
