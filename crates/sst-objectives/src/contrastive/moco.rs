//! MoCo on text (He et al. 2020, "Momentum Contrast for Unsupervised Visual Representation Learning", algorithm 1):
//! the keys come from an encoder that follows the trained one slowly, and those of earlier batches stay as negatives.
//!
//! Shapes: b texts, k keys, d width.

use std::cell::RefCell;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::nn::Pooling;
use sst_core::objective::StateDict;
use sst_core::{Batch, Error, LossParts, Model, Objective, Result, StepContext, ext};
use sst_data::Collate;
use tch::{Kind, Tensor};

use super::config::Common;
use super::grad_cache::{Rows, compare};
use super::info_nce::{info_nce, normalized};
use super::views::{Twice, count};
use crate::error::ObjectiveError;
use crate::list::{Context, Entry};
use crate::parse::{check_rate, parse};

/// The word of registration.
pub(crate) const ENTRY: Entry = Entry {
    name: "moco",
    summary: "MoCo on text: near its own reading by a momentum encoder, among a queue of earlier texts",
    default_config: || json!(MocoConfig::default()),
    is_grouped: false,
    frame: |tokenizer| tokenizer.frame().clone(),
    build,
};

/// The keys of `[objective]` for `name = "moco"`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MocoConfig {
    /// How hidden states become a vector.
    pub pooling: Pooling,
    /// What cosines are divided by.
    pub temperature: f64,
    /// Rows in memory at once; 0 for the whole batch.
    pub chunk_rows: u64,
    /// How much of the momentum encoder stays at each update.
    pub momentum: f64,
    /// Keys of earlier batches that are kept.
    pub queue_size: u64,
}

impl Default for MocoConfig {
    fn default() -> Self {
        let Common { pooling, temperature, chunk_rows } = Common::default();
        // Fewer keys and less momentum than for images, since text is learned from in fewer steps.
        Self { pooling, temperature, chunk_rows, momentum: 0.995, queue_size: 4096 }
    }
}

impl MocoConfig {
    fn common(&self) -> Common {
        let Self { pooling, temperature, chunk_rows, .. } = *self;
        Common { pooling, temperature, chunk_rows }
    }

    fn check(&self) -> Result<(), ObjectiveError> {
        self.common().check()?;
        check_rate("momentum", self.momentum)?;
        if self.queue_size == 0 {
            let message = "must be at least 1; `simcse` has no queue".to_owned();
            return Err(ObjectiveError::Config { path: "queue_size".to_owned(), message });
        }
        Ok(())
    }
}

struct Moco {
    config: MocoConfig,
    collate: Arc<Twice>,
    memory: RefCell<Memory>,
}

/// What outlives a step.
#[derive(Default)]
struct Memory {
    /// The weights of the momentum encoder by name, fp32; empty before the first step.
    momentum: StateDict,
    /// The newest keys `[k, d]`, oldest first, each of length one; at most as many as the queue may hold.
    queue: Option<Tensor>,
    /// The keys of the batch, which join the queue once the update is done.
    pending: Option<Tensor>,
}

fn build(config: &Value, context: &Context<'_>) -> Result<Box<dyn Objective>, ObjectiveError> {
    let config: MocoConfig = parse(config)?;
    config.check()?;
    let collate = Arc::new(Twice::new(context.tokenizer, context.padding_free));
    Ok(Box::new(Moco { config, collate, memory: RefCell::default() }))
}

/// The prefix of the momentum encoder's weights in the state.
const MOMENTUM: &str = "momentum.";
const QUEUE: &str = "queue";

impl Memory {
    /// Starts the momentum encoder as the trained one, or brings what a checkpoint held to the model's device.
    fn start(&mut self, model: &dyn Model) -> Result<()> {
        let device = model.params().device();
        for tensor in self.momentum.values_mut().chain(&mut self.queue) {
            if tensor.device() != device {
                *tensor = tensor.f_to_device(device)?;
            }
        }
        if self.momentum.is_empty() {
            for (name, param) in model.params().iter() {
                let copy = param.f_detach()?.f_to_kind(Kind::Float)?.f_detach_copy()?;
                self.momentum.insert(name.to_owned(), copy);
            }
        }
        Ok(())
    }

    /// Runs `f` while the model has the weights of the momentum encoder.
    fn as_momentum<T>(&self, model: &dyn Model, f: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut swapped = Vec::new();
        let result = self.swap_in(model, &mut swapped).and_then(|()| f());
        for (mut param, own) in swapped {
            param.f_set_data(&own)?;
        }
        // Casts of the other encoder's weights must not serve this one.
        ext::clear_autocast_cache()?;
        result
    }

    fn swap_in(&self, model: &dyn Model, swapped: &mut Vec<(Tensor, Tensor)>) -> Result<()> {
        ext::clear_autocast_cache()?;
        for (name, param) in model.params().iter() {
            let Some(weights) = self.momentum.get(name) else {
                return Err(Error::Contract(format!("the momentum encoder has no `{name}`")));
            };
            let own = param.f_detach()?;
            let weights = weights.f_to_kind(own.f_kind()?)?;
            let mut param = param.shallow_clone();
            param.f_set_data(&weights)?;
            swapped.push((param, own));
        }
        Ok(())
    }

    /// Takes the pending keys into the queue.
    fn enqueue(&mut self, size: i64) -> Result<()> {
        let Some(keys_kd) = self.pending.take() else { return Ok(()) };
        let all_kd = match self.queue.take() {
            Some(queue_kd) => Tensor::f_cat(&[queue_kd, keys_kd], 0)?,
            None => keys_kd,
        };
        let count = all_kd.size()[0];
        let kept = count.min(size);
        self.queue = Some(all_kd.f_narrow(0, count - kept, kept)?.f_detach_copy()?);
        Ok(())
    }
}

impl Objective for Moco {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collate(&self) -> Arc<dyn Collate> {
        self.collate.clone()
    }

    fn scored_share(&self) -> f64 {
        0.0
    }

    /// The mean over texts of the InfoNCE of their first reading with the momentum encoder's of the second, among
    /// those of the batch and of the queue. `accuracy` is the share that are nearest to their own. Without dropout,
    /// as when it is evaluated, both readings are the trained encoder's and there is no queue.
    fn loss(&self, model: &dyn Model, batch: &Batch, context: &StepContext) -> Result<LossParts> {
        let common = self.config.common();
        let texts = count(batch)? / 2;
        let keys = Rows::new(model, batch, Some(texts..2 * texts), context, &common)?;
        let mut memory = self.memory.borrow_mut();
        let keys_kd = if context.forward.train {
            memory.start(model)?;
            normalized(&memory.as_momentum(model, || keys.vectors())?)?
        } else {
            normalized(&keys.vectors()?)?
        };
        let all_kd = match &memory.queue {
            Some(queue_kd) if context.forward.train => Tensor::f_cat(&[&keys_kd, queue_kd], 0)?,
            _ => keys_kd.shallow_clone(),
        };
        if context.forward.train {
            memory.pending = Some(keys_kd);
        }
        let queries = Rows::new(model, batch, Some(0..texts), context, &common)?;
        let found = compare(&queries, &|vectors_bd| {
            info_nce(vectors_bd, &all_kd, common.temperature, None)
        })?;
        Ok(LossParts { loss: found.loss, sums: vec![("accuracy", found.accuracy)] })
    }

    /// Moves the momentum encoder, `m * momentum + (1 - m) * model` (equation 2), and queues the batch's keys.
    fn after_update(&mut self, model: &dyn Model, _step: u64) -> Result<()> {
        let memory = self.memory.get_mut();
        let m = self.config.momentum;
        memory.start(model)?;
        for (name, param) in model.params().iter() {
            if let Some(weights) = memory.momentum.get_mut(name) {
                let step = param.f_detach()?.f_to_kind(Kind::Float)?.f_mul_scalar(1.0 - m)?;
                let _ = weights.f_mul_scalar_(m)?.f_add_(&step)?;
            }
        }
        memory.enqueue(self.config.queue_size as i64)
    }

    fn state(&self) -> Result<StateDict> {
        let memory = self.memory.borrow();
        let weights = memory.momentum.iter();
        let mut state: StateDict = weights
            .map(|(name, tensor)| (format!("{MOMENTUM}{name}"), tensor.shallow_clone()))
            .collect();
        if let Some(queue) = &memory.queue {
            state.insert(QUEUE.to_owned(), queue.shallow_clone());
        }
        Ok(state)
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
