//! Unsupervised SimCSE (Gao et al. 2021, "SimCSE: Simple Contrastive Learning of Sentence Embeddings", section 3). The
//! two views of a text are the text itself, encoded twice with different dropout masks.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sst_core::Result;
use sst_core::nn::Pooling;
use sst_data::Collate;

use super::grad_cache::{LossInput, chunked_loss};
use super::info_nce::{ContrastiveLoss, info_nce};
use super::method::{Method, entry};
use super::views::DropoutViews;
use crate::entry::{Context, Entry};
use crate::error::ObjectiveError;

/// The entry in the list of objectives.
pub(crate) const ENTRY: Entry = entry::<SimCse>();

/// The configuration of `simcse`, besides the shared keys. It has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimCseConfig {}

struct SimCse;

impl Method for SimCse {
    type Keys = SimCseConfig;

    const NAME: &'static str = "simcse";
    const LEAST_ROWS: usize = 2;
    const NEEDS_DROPOUT: bool = true;
    const SUMMARY: &'static str =
        "unsupervised SimCSE: pulls two encodings of a text together that differ by dropout";
    const POOLING: Pooling = Pooling::Cls;

    fn new(
        _keys: SimCseConfig,
        context: &Context<'_>,
    ) -> Result<(Self, Arc<dyn Collate>), ObjectiveError> {
        Ok((Self, Arc::new(DropoutViews::new(context.tokenizer()?, context.padding_free))))
    }

    /// The mean InfoNCE over texts; the query is the first view of a text and the key is the second.
    fn loss(&self, input: LossInput<'_>) -> Result<ContrastiveLoss> {
        chunked_loss(&input.rows(None)?, &|vectors_bd| {
            let views = vectors_bd.f_chunk(2, 0)?;
            info_nce(&views[0], &views[1], input.shared.temperature(), None)
        })
    }
}
