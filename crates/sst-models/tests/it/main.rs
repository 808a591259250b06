//! Tests of sst-models.
// Tests fail by panicking, and damage files on purpose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod altered;
mod bert;
mod case;
mod causal;
mod checkpointing;
mod embedded;
mod encode_at;
mod folders;
mod gguf;
mod heads;
mod hostile;
mod layouts;
mod minilm;
mod rope;
mod sentence;
mod steps;
mod unused;

/// Held by tests that draw from libtorch's generator or run layers again, which puts it back: it is one for all
/// threads.
pub(crate) fn generator() -> std::sync::MutexGuard<'static, ()> {
    static GENERATOR: std::sync::Mutex<()> = std::sync::Mutex::new(());
    GENERATOR.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
