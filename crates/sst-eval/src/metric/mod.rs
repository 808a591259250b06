//! Metrics as pure functions on slices.

mod class_counts;
mod classification;
mod confusion;
mod correlation;
mod embedding;
mod entities;
mod error;
mod language;
mod multi_label;
mod regression;
mod retrieval;
mod roc_auc;

pub use class_counts::{
    Averages, ClassCounts, MacroOver, Scores, class_counts, matthews_correlation,
};
pub use classification::{accuracy, commonest, top_k_accuracy};
pub use confusion::ConfusionMatrix;
pub use correlation::{pearson, ranks, spearman};
pub use embedding::{alignment, uniformity};
pub use entities::{EntityCounts, OverlapCounts, Reading, entity_counts, entity_counts_of_labels};
pub use error::MetricError;
pub use language::perplexity;
pub use multi_label::{hamming_loss, multi_label_counts, subset_accuracy};
pub use regression::{mean_squared_error, r_squared};
pub use retrieval::{hit_rate_at_k, map_at_k, mrr_at_k, ndcg_at_k, recall_at_k};
pub use roc_auc::{ClassRocAucs, roc_auc, roc_auc_multi_label, roc_auc_one_vs_rest};
