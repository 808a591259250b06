//! Tests of sst-core.
// Tests fail by panicking, and damage files on purpose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod activation;
mod attention;
mod batch;
mod checkpoint;
mod cross_entropy;
mod embedding;
mod ext;
mod levels;
mod linear;
mod params;
mod pooling;
mod residual;
mod trained;

/// Held by tests that draw from libtorch's generator, which is one for all threads.
pub(crate) fn generator() -> std::sync::MutexGuard<'static, ()> {
    static GENERATOR: std::sync::Mutex<()> = std::sync::Mutex::new(());
    GENERATOR.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
