//! The keys that the objectives on pictures and texts share.

use serde::{Deserialize, Serialize};

use crate::entry::{Limit, MAX_ROWS};

/// The keys of `[objective]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageTextConfig {
    /// The number of pictures, and of captions, that are encoded at once; 0 for the whole batch, which is faster. See
    /// [`ContrastiveConfig::chunk_rows`](crate::contrastive::ContrastiveConfig::chunk_rows).
    pub chunk_rows: u64,
}

pub(super) const LIMITS: &[Limit] = &[("chunk_rows", 0.0, MAX_ROWS)];
