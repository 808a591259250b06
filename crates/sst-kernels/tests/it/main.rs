//! Tests of sst-kernels.
// Tests fail by panicking, and read the variables that they set for their processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod attention;
mod cross_entropy;
mod embedding;
mod layers;
mod levels;
mod libtorch;
mod linear;
mod numbers;
mod residual;
mod trained;

/// Tests that draw from libtorch's generator hold this lock, as all threads share the generator.
pub(crate) fn generator() -> std::sync::MutexGuard<'static, ()> {
    static GENERATOR: std::sync::Mutex<()> = std::sync::Mutex::new(());
    GENERATOR.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
