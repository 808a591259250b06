//! Masked autoencoding of pictures (He et al. 2021, "Masked Autoencoders Are Scalable Vision Learners"): the encoder sees
//! some of the patches of a picture, and the decoder reconstructs the others.
//!
//! Shapes: b pictures, n patches of a picture, k visible ones, h height, w width.

mod collate;
mod config;
mod loss;

pub use collate::MaeCollate;
pub use config::MaeConfig;
pub(crate) use loss::ENTRY;
