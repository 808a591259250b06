//! NT-Xent over augmented views (Chen et al. 2020, "SimCLR", section 2.1): each view of a text is the text with some
//! of its tokens gone, hidden, moved, or only a stretch of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sst_core::Result;
use sst_core::nn::Pooling;
use sst_data::{Collate, CollateError, Example, HostBatch, SeqRng};

use super::grad_cache::{Input, compare};
use super::info_nce::{Compared, nt_xent};
use super::method::{Method, entry};
use super::views::{lay, layout, tokens};
use crate::entry::{Context, Entry, Limit};
use crate::error::ObjectiveError;
use crate::layout::BatchLayout;
use crate::parse::check_rate;

/// The word of registration.
pub(crate) const ENTRY: Entry = entry::<NtXent>();

/// The configuration of `nt_xent`, besides the shared keys.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NtXentConfig {
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
        // Rates of EDA (Wei and Zou 2019).
        Self { crop: 1.0, delete: 0.1, mask: 0.1, swap: 0.0 }
    }
}

struct NtXent;

/// Two augmented views of each row. Arrays as of all contrastive objectives.
struct Augment {
    config: NtXentConfig,
    layout: BatchLayout,
    mask: u32,
    /// Sorted.
    special: Vec<u32>,
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
        let NtXentConfig { crop, delete, mask, swap } = self.config;
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

impl Method for NtXent {
    type Keys = NtXentConfig;

    const NAME: &'static str = "nt_xent";
    const SUMMARY: &'static str = "SimCLR on text: two views with tokens deleted, masked, swapped or cropped are near each other";
    /// The mean of all tokens sees what every augmentation did.
    const POOLING: Pooling = Pooling::Mean;
    const LIMITS: &'static [Limit] =
        &[("crop", 0.0, 1.0), ("delete", 0.0, 1.0), ("mask", 0.0, 1.0), ("swap", 0.0, 1.0)];

    fn new(
        keys: NtXentConfig,
        context: &Context<'_>,
    ) -> Result<(Self, Arc<dyn Collate>), ObjectiveError> {
        let NtXentConfig { crop, delete, mask, swap } = keys;
        for (key, rate) in [("crop", crop), ("delete", delete), ("mask", mask), ("swap", swap)] {
            check_rate(key, rate)?;
        }
        let tokenizer = context.tokenizer()?;
        let mask = match tokenizer.special().mask {
            Some(mask) => mask,
            None if keys.mask == 0.0 => 0,
            None => return Err(ObjectiveError::NoToken { objective: Self::NAME, token: "mask" }),
        };
        let layout = layout(tokenizer, context.padding_free);
        let special = tokenizer.special().all.clone();
        Ok((Self, Arc::new(Augment { config: keys, layout, mask, special })))
    }

    /// The mean NT-Xent over both views; a query is a view, and its key the other view of its text.
    fn compare(&self, input: Input<'_>) -> Result<Compared> {
        compare(&input.rows(None)?, &|vectors_bd| {
            let views = vectors_bd.f_chunk(2, 0)?;
            nt_xent(&views[0], &views[1], input.shared.temperature())
        })
    }
}
