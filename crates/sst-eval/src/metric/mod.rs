//! Metrics as pure functions on slices.

mod answer_search;
mod answers;
mod class_counts;
mod classification;
mod cmrc;
mod confusion;
mod correlation;
mod embedding;
mod entities;
mod error;
mod interval;
mod language;
mod multi_label;
mod normal;
mod python_text;
mod regression;
mod retrieval;
mod roc_auc;
mod squad;
mod treebank;

pub use answer_search::{AnswerCandidate, AnswerSearch, AnswerWindow, FoundAnswer};
pub use answers::{AnswerScores, AnsweredQuestion, QuestionScores};
pub use class_counts::{
    Averages, ClassCounts, MacroOver, Scores, class_counts, matthews_correlation,
};
pub use classification::{accuracy, commonest, top_k_accuracy};
pub use cmrc::{cmrc, cmrc_answer, mixed_segmentation};
pub use confusion::ConfusionMatrix;
pub use correlation::{pearson, ranks, spearman};
pub use embedding::{alignment, uniformity};
pub use entities::{EntityCounts, OverlapCounts, Reading, entity_counts, entity_counts_of_labels};
pub use error::MetricError;
pub(crate) use error::check_length;
pub use interval::{Bootstrap, BootstrapInterval, Interval, PairedComparison, wilson_interval};
pub use language::perplexity;
pub use multi_label::{hamming_loss, multi_label_counts, subset_accuracy};
pub use regression::{mean_squared_error, r_squared};
pub use retrieval::{
    best_rank, chance_hit_rate_at_k, chance_reciprocal_rank, hit_rate_at_k, map_at_k, mrr_at_k,
    ndcg_at_k, recall_at_k,
};
pub use roc_auc::{ClassRocAucs, roc_auc, roc_auc_multi_label, roc_auc_one_vs_rest};
pub use squad::{
    BestThreshold, SquadV2Scores, normalize_answer, squad_v1, squad_v1_answer, squad_v2,
    squad_v2_answer,
};
