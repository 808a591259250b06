//! What image models share: the sizes of their images, the embeddings of patches, and the encoder.

mod embeddings;
mod encoder;
mod size;

pub(crate) use embeddings::{EmbeddingConfig, ImageEmbeddings, Parameters};
pub(crate) use encoder::ImageEncoder;
pub use size::{ImageSize, PatchSize};
pub(crate) use size::{check_filled, check_image, image_spec};
