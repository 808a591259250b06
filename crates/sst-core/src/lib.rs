//! The traits of sst, and layers over libtorch.
//!
//! ```
//! use std::cell::RefCell;
//!
//! use sst_core::nn::Linear;
//! use sst_core::{Forward, Head, HeadInput, ParamStore, Result, Scope};
//! use tch::{Device, Kind, Tensor};
//!
//! /// A head of your own: two classes of a row, from the hidden state of its first token.
//! struct TwoClasses(Linear);
//!
//! impl Head for TwoClasses {
//!     fn logits(&self, hidden_nd: &Tensor, forward: Forward) -> Result<Tensor> {
//!         self.0.forward(hidden_nd, forward.train)
//!     }
//!
//!     fn num_outputs(&self) -> usize {
//!         2
//!     }
//!
//!     fn input(&self) -> HeadInput {
//!         HeadInput::FirstToken
//!     }
//!
//!     fn parameters(&self) -> Vec<&Tensor> {
//!         self.0.parameters().collect()
//!     }
//! }
//!
//! # fn main() -> Result<()> {
//! // The parameters are `classifier.weight` and `classifier.bias`.
//! let params = RefCell::new(ParamStore::new(Device::Cpu, Some(1)));
//! let head = TwoClasses(Linear::new(&Scope::root(&params).sub("classifier"), 16, 2, 0.02)?);
//! let hidden_nd = Tensor::ones([5, 16], (Kind::Float, Device::Cpu));
//! assert_eq!(head.logits(&hidden_nd, Forward::EVAL)?.size(), [5, 2]);
//! assert_eq!(params.borrow().num_trainable(), 2 * 16 + 2);
//! # Ok(())
//! # }
//! ```
//!
//! `examples/own_encoder.rs` has an encoder, and saves and loads its weights.
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
pub mod patches;
mod pooled;
mod pooled_patches;
mod projected;
pub mod ragged;
pub mod ranks;
mod report;
mod row_layout;
mod similarity;
mod with_values;

pub use batch::Batch;
pub use encoder::{Decoder, Embedded, Encoder, EncoderOutput};
pub use error::{Error, Result};
pub use evaluator::Evaluator;
pub use event::{Event, Tracker};
pub use forward::{Forward, Want};
pub use head::{Head, HeadInput};
pub use input::{Input, InputSpec, Pixels, Tokens};
pub use kind::{HeadKind, Modality, ProblemType};
pub use lora::{Adapter, BaseModel, LoraConfig, LoraTargets};
pub use model::{LayerStack, Model};
pub use objective::{LossParts, Objective, StepContext};
pub use params::{Init, ParamStore, Scope};
pub use patches::{PatchDecoder, PatchGrid};
pub use pooled::encode_pooled;
pub use pooled_patches::{has_class_token, pool_patches};
pub use projected::encode_projected;
pub use ragged::{RaggedRows, kernel_rows, pad_to_kernel_rows};
pub use ranks::{Ranks, Solo, Verdict};
pub use report::{Counts, Metrics, Report, Table, Terms};
pub use row_layout::RowLayout;
pub use similarity::Similarity;
pub use with_values::with_values;
