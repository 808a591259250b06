//! The seams of sst over libtorch.
//!
//! Here stand the traits that models, objectives and evaluators implement ([`Model`], [`Objective`],
//! [`Evaluator`]) and what they share ([`ParamStore`], [`Batch`], [`nn`], [`checkpoint`]). Models, objectives, the
//! trainer and the evaluators depend on this crate and never on each other. The kernels that layers run on, and what
//! tch does not bind of libtorch, are in the crate sst-kernels.

pub mod batch;
pub mod checkpoint;
pub mod encoder;
mod error;
pub mod evaluator;
pub mod event;
pub mod forward;
pub mod head;
pub mod input;
pub mod kind;
pub mod model;
pub mod nn;
pub mod objective;
pub mod params;
mod pooled;
pub mod ragged;
pub mod ranks;
mod report;

pub use batch::Batch;
pub use encoder::{Decoder, Embedded, Encoder, EncoderOutput};
pub use error::{Error, Result};
pub use evaluator::Evaluator;
pub use event::{Event, Tracker};
pub use forward::{Forward, Want};
pub use head::{Head, HeadInput};
pub use input::{Input, InputSpec, Pixels, Tokens};
pub use kind::{HeadKind, Modality};
pub use model::{LayerStack, Model};
pub use objective::{LossParts, Objective, StepContext};
pub use params::{Init, ParamStore, Scope};
pub use pooled::encode_pooled;
pub use ragged::{RaggedRows, RowLayout, even, pad_even};
pub use ranks::{Ranks, Solo, Verdict};
pub use report::{Counts, Metrics, Report};
