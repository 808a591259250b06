//! Layers as plain structs, which hold handles on parameters.
//!
//! Shapes: b batch, l length, d width, h heads, e width of a head (d / h).

mod activation;
mod attention;
mod cache;
mod layers;
mod linear;
mod lora;
mod pooling;
mod product;
mod rotary;

pub use activation::Activation;
pub use attention::{
    Attention, AttentionOutput, OwnedRows, Rows, additive_mask, has_attention_kernel,
};
pub use cache::{KvCache, NewTokens};
pub use layers::{Embedding, LayerNorm, RmsNorm, dropout};
pub use linear::Linear;
pub use pooling::Pooling;
pub use product::{activated_linear, conv1d, linear, mlp};
pub use rotary::{RopeParameters, RopeScaling, Rotary, Rotation, RowPart};
