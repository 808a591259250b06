//! Integration tests of sst-train, on a toy model and a toy objective.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod budget;
mod checkpoint;
mod ema;
mod example;
mod fit;
mod fp16;
mod freeze;
mod inventory;
mod master_weights;
mod memory;
mod nonfinite;
mod normalizer;
mod optim;
mod plot;
mod policy;
mod progress;
mod ranks;
mod resume;
mod saving;
mod schedule;
mod tensorboard;
mod toy;
