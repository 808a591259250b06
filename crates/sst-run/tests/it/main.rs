//! Integration tests of sst-run, one module per topic.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod example;
mod lora;
mod recipe;
mod records;
mod resume;
mod task_training;

/// Takes the lock that lets only one test train at a time: all runs of a process share libtorch's random generator, which
/// every step seeds.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ONE_RUN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    // The lock guards no data, so the panic of another test does not matter.
    ONE_RUN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
