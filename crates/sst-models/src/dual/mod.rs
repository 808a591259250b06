//! Dual encoders: an image tower and a text tower, whose pooled hidden states are projected into one space. CLIP, SigLIP
//! and transformers' vision-text-dual-encoder are models of this kind.

mod model;
mod plan;
mod projection;

pub(crate) use model::{DualShape, build};
pub(crate) use plan::{parameter, plan};
