//! The options of a new model.

use tch::Device;

use crate::init::InitOptions;

/// The options of a new model.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// The device of the parameters.
    pub device: Device,
    /// The seed of the initial values; `None` for zeros, for a model that will be loaded.
    pub seed: Option<u64>,
    /// An architecture of the model's type, or `None` for the default.
    pub architecture: Option<String>,
    /// The initial values of weights that differ from the model's defaults.
    pub init: InitOptions,
}
