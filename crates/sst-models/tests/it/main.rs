//! Tests of sst-models.
// Tests fail by panicking, and damage files on purpose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod adapter_folders;
mod altered;
mod bert;
mod case;
mod causal;
mod checkpointing;
mod embedded;
mod encode_at;
mod example;
mod folders;
mod gguf;
mod heads;
mod hostile;
mod layouts;
mod lora;
mod minilm;
mod mlp_head;
mod rope;
mod sentence;
mod steps;
mod unused;
mod vision;

/// Tests that draw from libtorch's generator hold this lock, as all threads share the generator. So do tests of
/// activation checkpointing, which resets it.
pub(crate) fn generator() -> std::sync::MutexGuard<'static, ()> {
    static GENERATOR: std::sync::Mutex<()> = std::sync::Mutex::new(());
    GENERATOR.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
