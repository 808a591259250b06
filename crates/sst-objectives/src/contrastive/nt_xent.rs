//! NT-Xent over augmented views (Chen et al. 2020, "SimCLR", section 2.1): each view of a text is the text with some
//! of its tokens gone, hidden, moved, or only a stretch of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::nn::Pooling;
use sst_core::{Batch, LossParts, Model, Objective, Result, StepContext};
use sst_data::{Collate, CollateError, Example, HostBatch, SeqRng};

use super::config::Common;
use super::grad_cache::{Rows, compare};
use super::info_nce::nt_xent;
use super::views::{lay, layout, tokens};
use crate::error::ObjectiveError;
use crate::layout::Layout;
use crate::list::{Context, Entry};
use crate::parse::{check_rate, parse};

/// The word of registration.
pub(crate) const ENTRY: Entry = Entry {
    name: "nt_xent",
    summary: "SimCLR on text: two views with tokens deleted, masked, swapped or cropped are near each other",
    default_config: || json!(NtXentConfig::default()),
    is_grouped: false,
    frame: |tokenizer| tokenizer.frame().clone(),
    build,
};

/// The keys of `[objective]` for `name = "nt_xent"`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NtXentConfig {
    /// How hidden states become a vector.
    pub pooling: Pooling,
    /// What cosines are divided by.
    pub temperature: f64,
    /// Rows in memory at once; 0 for the whole batch.
    pub chunk_rows: u64,
    /// The share of a text that a view keeps, in one stretch.
    pub crop: f64,
    /// The share of tokens that are deleted.
    pub delete: f64,
    /// The share of tokens that become the mask token.
    pub mask: f64,
    /// The share of tokens that change places with their neighbour.
    pub swap: f64,
}

impl Default for NtXentConfig {
    fn default() -> Self {
        let Common { temperature, chunk_rows, .. } = Common::default();
        // The mean of all tokens sees what every augmentation did; of rates, those of EDA (Wei and Zou 2019).
        let pooling = Pooling::Mean;
        Self { pooling, temperature, chunk_rows, crop: 1.0, delete: 0.1, mask: 0.1, swap: 0.0 }
    }
}

impl NtXentConfig {
    fn common(&self) -> Common {
        let Self { pooling, temperature, chunk_rows, .. } = *self;
        Common { pooling, temperature, chunk_rows }
    }

    fn check(&self) -> Result<(), ObjectiveError> {
        self.common().check()?;
        for (key, rate) in
            [("crop", self.crop), ("delete", self.delete), ("mask", self.mask), ("swap", self.swap)]
        {
            check_rate(key, rate)?;
        }
        Ok(())
    }
}

struct NtXent {
    config: NtXentConfig,
    collate: Arc<Augment>,
}

/// Two augmented views of each row. Arrays as of all contrastive objectives.
struct Augment {
    config: NtXentConfig,
    layout: Layout,
    mask: u32,
    /// Sorted.
    special: Vec<u32>,
}

fn build(config: &Value, context: &Context<'_>) -> Result<Box<dyn Objective>, ObjectiveError> {
    let config: NtXentConfig = parse(config)?;
    config.check()?;
    let tokenizer = context.tokenizer;
    let mask = match tokenizer.special().mask {
        Some(mask) => mask,
        None if config.mask == 0.0 => 0,
        None => return Err(ObjectiveError::NoToken { objective: "nt_xent", token: "mask" }),
    };
    let layout = layout(tokenizer, context.padding_free);
    let special = tokenizer.special().all.clone();
    let collate = Arc::new(Augment { config, layout, mask, special });
    Ok(Box::new(NtXent { config, collate }))
}

impl Augment {
    /// One view of `ids`: special tokens stay, and of ordinary ones at least one.
    fn view(&self, ids: &[u32], rng: &mut SeqRng) -> Vec<u32> {
        let is_special = |id: u32| self.special.binary_search(&id).is_ok();
        let ordinary: Vec<usize> = (0..ids.len()).filter(|at| !is_special(ids[*at])).collect();
        let count = ordinary.len();
        if count == 0 {
            return ids.to_vec();
        }
        let NtXentConfig { crop, delete, mask, swap, .. } = self.config;
        let kept = ((count as f64 * crop).ceil() as usize).clamp(1, count);
        let first = rng.below((count - kept + 1) as u64) as usize;
        let mut survives = vec![true; ids.len()];
        for (number, at) in ordinary.iter().enumerate() {
            survives[*at] = (first..first + kept).contains(&number) && !rng.chance(delete);
        }
        if ordinary.iter().all(|at| !survives[*at]) {
            survives[ordinary[first + rng.below(kept as u64) as usize]] = true;
        }
        let mut view: Vec<u32> =
            (0..ids.len()).filter(|at| survives[*at]).map(|at| ids[at]).collect();
        for at in 1..view.len() {
            if !is_special(view[at - 1]) && !is_special(view[at]) && rng.chance(swap) {
                view.swap(at - 1, at);
            }
        }
        for id in &mut view {
            if !is_special(*id) && rng.chance(mask) {
                *id = self.mask;
            }
        }
        view
    }
}

impl Collate for Augment {
    fn collate(&self, examples: &[Example], seed: u64) -> Result<HostBatch, CollateError> {
        let view = |stream: &str| -> Result<Vec<Vec<u32>>, CollateError> {
            let one = |example: &Example| {
                let mut rng = SeqRng::new(seed, stream, example.epoch, example.index);
                Ok(self.view(tokens(example)?, &mut rng))
            };
            examples.iter().map(one).collect()
        };
        lay(self.layout, examples, &[view("nt_xent.left")?, view("nt_xent.right")?])
    }
}

impl Objective for NtXent {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collate(&self) -> Arc<dyn Collate> {
        self.collate.clone()
    }

    fn scored_share(&self) -> f64 {
        0.0
    }

    /// The mean NT-Xent over both views; `accuracy` is the share of views that are nearest to their other one.
    fn loss(&self, model: &dyn Model, batch: &Batch, context: &StepContext) -> Result<LossParts> {
        let common = self.config.common();
        let rows = Rows::new(model, batch, None, context, &common)?;
        let found = compare(&rows, &|vectors_bd| {
            let views = vectors_bd.f_chunk(2, 0)?;
            nt_xent(&views[0], &views[1], common.temperature)
        })?;
        Ok(LossParts { loss: found.loss, sums: vec![("accuracy", found.accuracy)] })
    }
}
