//! Tests of sst-models.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bert;
mod case;
mod folders;
mod minilm;
