//! Tests of sst-objectives.
// Tests fail by panicking, write files in place, and call `Tensor::backward`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod chinese;
mod classify;
mod clm;
mod contrastive;
mod every;
mod example;
mod image_text;
mod masking;
mod mlm_loss;
mod task_heads;
mod toy;
