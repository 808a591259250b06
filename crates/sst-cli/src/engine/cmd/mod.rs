//! The commands that need libtorch, one per file.

pub(crate) mod checkpoint;
pub(crate) mod convert;
pub(crate) mod doctor;
pub(crate) mod embed;
pub(crate) mod eval;
mod eval_frozen;
mod eval_other;
mod eval_records;
mod eval_rows;
pub(crate) mod evaluate;
pub(crate) mod export;
pub(crate) mod fill_mask;
pub(crate) mod generate;
pub(crate) mod list;
mod measure;
pub(crate) mod merge;
pub(crate) mod mine;
pub(crate) mod pairs;
pub(crate) mod perplexity;
pub(crate) mod predict;
pub(crate) mod prepare;
mod records;
mod show;
pub(crate) mod train;
mod twin;
mod vectors;
pub(crate) mod verify_resume;
