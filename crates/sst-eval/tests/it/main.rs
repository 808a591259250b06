//! Integration tests of sst-eval, one module for each topic.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod answers;
mod classification;
mod entities;
mod every;
mod example;
mod fill_mask;
mod generate;
mod golden;
mod held_out;
mod image_text;
mod interval;
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
