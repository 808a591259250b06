//! Sentence embedding models in sentence-transformers folders: an encoder, a pooling, optional linear layers and an
//! optional normalisation (Reimers and Gurevych 2019, "Sentence-BERT").

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
