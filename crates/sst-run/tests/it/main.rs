//! Integration tests of sst-run, one module per topic.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod example;
mod lora;
mod recipe;
mod records;
mod resume;

/// Runs of one process share libtorch's generator, which each step seeds anew: a test that trains waits for the others.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ONE_RUN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    // A test that failed leaves nothing behind.
    ONE_RUN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
