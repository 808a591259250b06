//! Integration tests of sst-run, one module per topic.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod example;
mod recipe;
mod resume;
