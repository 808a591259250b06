//! The seams of sst over libtorch.
//!
//! Here stand the traits that models, objectives and evaluators implement ([`Model`], [`Objective`],
//! [`Evaluator`]) and what they share ([`ParamStore`], [`Batch`], [`nn`], [`checkpoint`]). Models, objectives, the
//! trainer and the evaluators depend on this crate and never on each other. The kernels that layers run on, and what
//! tch does not bind of libtorch, are in the crate sst-kernels.

pub mod batch;
pub mod checkpoint;
mod error;
pub mod evaluator;
pub mod event;
pub mod model;
pub mod nn;
pub mod objective;
pub mod params;
pub mod ragged;

pub use batch::Batch;
pub use error::{Error, Result};
pub use evaluator::{Evaluator, Metrics};
pub use event::{Event, Tracker};
pub use model::{
    Decoder, Encoder, EncoderInput, EncoderOutput, Forward, Model, PairHead, TokenHead, Want,
};
pub use objective::{LossParts, Objective, StepContext};
pub use params::{Init, ParamStore, Scope};
pub use ragged::{RaggedRows, even, pad_even};
