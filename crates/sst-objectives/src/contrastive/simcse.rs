//! Unsupervised SimCSE (Gao et al. 2021, "SimCSE: Simple Contrastive Learning of Sentence Embeddings", section 3):
//! the two views of a text are the text itself, read twice with other dropout.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sst_core::Result;
use sst_core::nn::Pooling;
use sst_data::Collate;

use super::grad_cache::{Input, compare};
use super::info_nce::{Compared, info_nce};
use super::method::{Method, entry};
use super::views::Twice;
use crate::entry::{Context, Entry};
use crate::error::ObjectiveError;

/// The word of registration.
pub(crate) const ENTRY: Entry = entry::<SimCse>();

/// The configuration of `simcse`, besides the shared keys: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimCseConfig {}

struct SimCse;

impl Method for SimCse {
    type Keys = SimCseConfig;

    const NAME: &'static str = "simcse";
    const SUMMARY: &'static str =
        "unsupervised SimCSE: two readings of a text with other dropout are near each other";
    const POOLING: Pooling = Pooling::Cls;

    fn new(
        _keys: SimCseConfig,
        context: &Context<'_>,
    ) -> Result<(Self, Arc<dyn Collate>), ObjectiveError> {
        Ok((Self, Arc::new(Twice::new(context.tokenizer()?, context.padding_free))))
    }

    /// The mean over texts of the InfoNCE of their two readings.
    fn compare(&self, input: Input<'_>) -> Result<Compared> {
        compare(&input.rows(None)?, &|vectors_bd| {
            let views = vectors_bd.f_chunk(2, 0)?;
            info_nce(&views[0], &views[1], input.shared.temperature(), None)
        })
    }
}
