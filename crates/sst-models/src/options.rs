//! How a new model is made.

use tch::Device;

use crate::init::InitOptions;

/// How a model is made.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Where its parameters live.
    pub device: Device,
    /// Seeds the first values; `None` leaves zeros, for a model that is loaded next.
    pub seed: Option<u64>,
    /// One of the architectures of its type, or the default.
    pub architecture: Option<String>,
    /// How weights start, where not as usual.
    pub init: InitOptions,
}
