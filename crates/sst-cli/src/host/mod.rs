//! The commands that need no libtorch.

pub mod augment;
pub mod clean;
pub mod inspect;
pub mod output;
pub mod page;
pub mod report;
pub mod source;
pub mod tokenizer;
