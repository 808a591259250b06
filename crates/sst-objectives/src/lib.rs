//! Self-supervised objectives.
//!
//! ```
//! use serde_json::json;
//! use sst_data::tokenize::{TrainConfig, train};
//! use sst_data::{Example, Field, Key, Normalizer};
//! use sst_objectives::Context;
//! use tch::Device;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let text = "the rain fell on the hill and the wind fell on the sea";
//! let config = TrainConfig { vocab_size: 60, min_frequency: 1, ..TrainConfig::default() };
//! let tokenizer = train(&config, std::iter::once(text.to_owned()))?;
//! let (hidden_size, device, seed) = (32, Device::Cpu, 1);
//! let context = Context {
//!     padding_free: true,
//!     ..Context::new(Some(&tokenizer), hidden_size, device, seed)
//! };
//! let objective = sst_objectives::build("mlm", &json!({ "mask_rate": 0.3 }), &context)?;
//!
//! // The host half: rows of token ids become a batch with masks and labels.
//! let ids = Field::Tokens(context.tokenizer()?.encode_with_special(text)?);
//! let row = Example::new(Key::new("corpus.txt", 1), 0, "input_ids", ids);
//! let batch = objective.collate().collate(&[row], seed)?;
//! let labels = batch.get("masked_labels").map(|labels| labels.data().len() as u64);
//! assert_eq!(labels.map(Normalizer::Count), Some(batch.normalizer));
//! // The device half: a sum over the masked tokens, from the batch on the device.
//! // let loss = objective.loss(&*model, &Batch::from_host(&batch, device)?, &step)?.loss;
//!
//! // The list says of each objective what it does, and every key with its default.
//! for entry in sst_objectives::list() {
//!     println!("{}: {}; {}", entry.name, entry.summary, (entry.default_config)());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! `examples/batch_loss.rs` goes on from here to the loss.
//!
//! An objective is a module with two halves. Its [`sst_data::Collate`] runs on the host and makes batches with labels;
//! its [`sst_core::Objective`] computes the loss on the device. One line in [`mod@list`] registers it for the rest of
//! sst.

pub mod answer;
mod chunked;
pub mod classify;
pub mod clm;
pub mod contrastive;
mod entry;
mod error;
pub mod image_text;
mod layout;
pub mod list;
pub mod mae;
pub mod mlm;
mod parse;
mod pixels;
mod positions;
pub mod setting;
pub mod tag;
mod token_loss;

pub use entry::{Classes, Context, Entry, IdleKey, Limit};
pub use error::ObjectiveError;
pub use list::{build, check, entry, list, special_token_template};
