//! Dual encoders: an image tower and a text tower, whose pooled hidden states are projected into one space. CLIP, SigLIP
//! and transformers' vision-text-dual-encoder are models of this kind.

mod config;
mod make;
mod model;
mod plan;
mod pool;
mod text;
mod tower;
mod wrapper;

pub use config::DualConfig;
pub(crate) use config::{check_parts, default_config, part};
pub use make::{DualOptions, TowerSource, dual_encoder};
pub(crate) use model::{DualShape, build};
pub(crate) use plan::{parameter, plan, tower_name};
pub(crate) use pool::{FirstNorm, Pool, TokenPool};
pub(crate) use text::{TextConfig, TextEncoder};
pub(crate) use tower::{Tower, TowerEncoder, TowerEntry};
pub(crate) use wrapper::ENTRY;

/// The module of the text tower, and the start of the names of its parameters.
pub(crate) const TEXT: &str = "text_model";
/// The module of the image tower, and the start of the names of its parameters.
pub(crate) const VISION: &str = "vision_model";
/// The key of the configuration of the text tower.
pub(crate) const TEXT_CONFIG: &str = "text_config";
/// The key of the configuration of the image tower.
pub(crate) const VISION_CONFIG: &str = "vision_config";
