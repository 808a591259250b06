//! The traits of sst, and layers over libtorch.
//!
//! Models, objectives and evaluators implement [`Model`], [`Objective`] and [`Evaluator`], and share [`ParamStore`],
//! [`Batch`], [`nn`] and [`checkpoint`]. The crates of models, objectives, training and evaluation depend on this
//! crate and never on each other. The crate sst-kernels has the kernels that layers call, and bindings to parts of
//! libtorch that tch does not bind.

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
pub mod lora;
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
pub use lora::{Adapter, BaseModel, LoraConfig, LoraTargets};
pub use model::{LayerStack, Model};
pub use objective::{LossParts, Objective, StepContext};
pub use params::{Init, ParamStore, Scope};
pub use pooled::encode_pooled;
pub use ragged::{RaggedRows, RowLayout, kernel_rows, pad_to_kernel_rows};
pub use ranks::{Ranks, Solo, Verdict};
pub use report::{Counts, Metrics, Report};
