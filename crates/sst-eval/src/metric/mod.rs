//! Metrics as pure functions on slices.

mod classification;
mod correlation;
mod embedding;
mod language;
mod retrieval;

pub use classification::{accuracy, commonest, top_k_accuracy};
pub use correlation::{pearson, ranks, spearman};
pub use embedding::{alignment, uniformity};
pub use language::perplexity;
pub use retrieval::{hit_rate_at_k, map_at_k, mrr_at_k, ndcg_at_k, recall_at_k};
