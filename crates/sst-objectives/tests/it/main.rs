//! Tests of sst-objectives.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod every;
mod masking;
mod mlm_loss;
mod toy;
