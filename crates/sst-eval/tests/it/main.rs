//! Integration tests of sst-eval, a module a topic.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod every;
mod example;
mod fill_mask;
mod generate;
mod held_out;
mod mask_accuracy;
mod metric;
mod mine;
mod perplexity;
mod probe;
mod pseudo_perplexity;
mod rankme;
mod retrieval;
mod stream;
mod toy;
