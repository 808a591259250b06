//! Models that turn a text into one vector, as folders of sentence-transformers: an encoder, a pooling, perhaps
//! linear layers, perhaps a norm (Reimers and Gurevych 2019, "Sentence-BERT").

mod dense;
mod embed;
mod folder;
mod keys;
mod model;
mod prompts;
mod save;

pub use embed::{Embedded, Embedder};
pub use folder::{around_encoder, encoder_folder};
pub use model::{SentenceModel, SentenceOptions, SentenceTokens};
pub use prompts::Side;
