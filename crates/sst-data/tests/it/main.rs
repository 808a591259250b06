//! Integration tests of sst-data, a module a topic.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod atomic;
mod augment;
mod batch;
mod batching;
mod clean;
mod curriculum;
mod entities;
mod examples;
mod leaks;
mod ledger;
mod loader;
mod lock;
mod mixture;
mod order;
#[cfg(feature = "pictures")]
mod pictures;
mod processor;
mod read;
mod records;
mod rng;
mod rows;
mod segment_pairs;
mod sentence;
mod sentence_ends;
mod store;
mod tokenize;
mod tokenize_attacks;
mod tokenize_classes;
mod tokenize_folders;
mod tokenize_fuzz;
mod tokenize_limits;
mod tokenize_train;
mod transform;
mod words;
