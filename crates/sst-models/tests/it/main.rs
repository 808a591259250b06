//! Tests of sst-models.
// Tests fail by panicking, and damage files on purpose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod bert;
mod case;
mod checkpointing;
mod encode_at;
mod folders;
mod minilm;
