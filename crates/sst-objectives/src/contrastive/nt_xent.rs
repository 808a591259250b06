//! NT-Xent on augmented views (Chen et al. 2020, "SimCLR", section 2.1). A view of a text is a part of the text in which
//! some tokens are deleted, masked or swapped.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sst_core::Result;
use sst_core::nn::Pooling;
use sst_data::{Collate, CollateError, Example, HostBatch, SeqRng};

use super::grad_cache::{LossInput, chunked_loss};
use super::info_nce::{ContrastiveLoss, nt_xent};
use super::method::{Method, entry};
use super::views::{batch_layout, tokens, views_batch};
use crate::entry::{Context, Entry, Limit};
use crate::error::ObjectiveError;
use crate::layout::BatchLayout;
use crate::parse::check_rate;

/// The entry in the list of objectives.
pub(crate) const ENTRY: Entry = entry::<NtXent>();

/// The configuration of `nt_xent`, besides the shared keys.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NtXentConfig {
    /// The fraction of a text that a view keeps, as one contiguous span of tokens; 1 for the whole text.
    pub crop: f64,
    /// The fraction of tokens that are deleted.
    pub delete: f64,
    /// The fraction of tokens that become the mask token.
    pub mask: f64,
    /// The fraction of tokens that are swapped with the next token.
    pub swap: f64,
}

impl Default for NtXentConfig {
    fn default() -> Self {
        // The rate of EDA (Wei and Zou 2019).
        Self { crop: 1.0, delete: 0.1, mask: 0.1, swap: 0.0 }
    }
}

struct NtXent;

/// Makes batches of two augmented views of each row; [`views_batch`] lists the arrays.
struct AugmentedViews {
    config: NtXentConfig,
    layout: BatchLayout,
    mask: u32,
    /// The ids of the special tokens, sorted.
    special: Vec<u32>,
}

impl AugmentedViews {
    /// One view of `ids`. It keeps all special tokens and at least one ordinary token.
    fn view(&self, ids: &[u32], rng: &mut SeqRng) -> Vec<u32> {
        let is_special = |id: u32| self.special.binary_search(&id).is_ok();
        let ordinary: Vec<usize> = (0..ids.len()).filter(|at| !is_special(ids[*at])).collect();
        let count = ordinary.len();
        if count == 0 {
            return ids.to_vec();
        }
        let NtXentConfig { crop, delete, mask, swap } = self.config;
        let span = ((count as f64 * crop).ceil() as usize).clamp(1, count);
        let first = rng.below((count - span + 1) as u64) as usize;
        let mut is_kept = vec![true; ids.len()];
        for (number, at) in ordinary.iter().enumerate() {
            is_kept[*at] = (first..first + span).contains(&number) && !rng.chance(delete);
        }
        if ordinary.iter().all(|at| !is_kept[*at]) {
            is_kept[ordinary[first + rng.below(span as u64) as usize]] = true;
        }
        let mut view: Vec<u32> =
            (0..ids.len()).filter(|at| is_kept[*at]).map(|at| ids[at]).collect();
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

impl Collate for AugmentedViews {
    fn collate(&self, examples: &[Example], seed: u64) -> Result<HostBatch, CollateError> {
        let views = |stream: &str| -> Result<Vec<Vec<u32>>, CollateError> {
            let view = |example: &Example| {
                let mut rng = SeqRng::new(seed, stream, example.epoch, example.index);
                Ok(self.view(tokens(example)?, &mut rng))
            };
            examples.iter().map(view).collect()
        };
        views_batch(self.layout, examples, &[views("nt_xent.left")?, views("nt_xent.right")?])
    }
}

impl Method for NtXent {
    type Keys = NtXentConfig;

    const NAME: &'static str = "nt_xent";
    const LEAST_ROWS: usize = 2;
    const SUMMARY: &'static str = "SimCLR on text: pulls two views together, made by deleting, masking, swapping and cropping tokens";
    /// The mean depends on every token, so every augmentation changes it.
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
        let layout = batch_layout(tokenizer, context.padding_free);
        let special = tokenizer.special().all.clone();
        Ok((Self, Arc::new(AugmentedViews { config: keys, layout, mask, special })))
    }

    /// The mean NT-Xent over all views. Each view is a query, whose key is the other view of its text.
    fn loss(&self, input: LossInput<'_>) -> Result<ContrastiveLoss> {
        chunked_loss(&input.rows(None)?, &|vectors_bd| {
            let views = vectors_bd.f_chunk(2, 0)?;
            nt_xent(&views[0], &views[1], input.shared.temperature())
        })
    }
}
