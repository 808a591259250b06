//! The shared keys of a contrastive objective, and its own trained parameters: the projection and the temperature.

use std::cell::RefCell;

use sst_core::{ParamStore, Result};
use tch::Tensor;

use super::config::ContrastiveConfig;
use super::projection::{ProjectionHead, projection_params};
use super::temperature::{LearnedTemperature, Temperature};
use crate::entry::Context;

/// The part of a contrastive objective that does not depend on its method.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: ContrastiveConfig,
    params: ParamStore,
    projection: Option<ProjectionHead>,
    learned_temperature: Option<LearnedTemperature>,
}

impl Shared {
    /// Creates the parameters with their initial values.
    pub(super) fn new(config: ContrastiveConfig, context: &Context<'_>) -> Result<Self> {
        let params = RefCell::new(ParamStore::new(context.device, Some(context.seed)));
        let width = context.hidden_size;
        let size = if config.projection_size == 0 { width } else { config.projection_size as i64 };
        let projection = ProjectionHead::new(config.projection, &params, width, size)?;
        let mut params = params.into_inner();
        let learned_temperature = match config.learn_temperature {
            true => Some(LearnedTemperature::new(&mut params, config.temperature)?),
            false => None,
        };
        Ok(Self { config, params, projection, learned_temperature })
    }

    /// The objective's own parameters: those of the projection, and the learned temperature.
    pub(super) fn params(&self) -> &ParamStore {
        &self.params
    }

    /// The parameters of the projection.
    pub(super) fn projection_params(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        projection_params(&self.params)
    }

    /// Projects vectors `[b, d]` to `[b, p]`; returns them unchanged if there is no projection.
    pub(super) fn project(&self, vectors_bd: Tensor) -> Result<Tensor> {
        match &self.projection {
            Some(projection) => projection.forward(&vectors_bd),
            None => Ok(vectors_bd),
        }
    }

    /// The current temperature.
    pub(super) fn temperature(&self) -> Temperature<'_> {
        match &self.learned_temperature {
            Some(learned) => learned.get(),
            None => Temperature::Fixed(self.config.temperature),
        }
    }

    /// The value of a learned temperature for the log, a detached scalar.
    pub(super) fn learned_temperature(&self) -> Result<Option<Tensor>> {
        self.learned_temperature.as_ref().map(LearnedTemperature::value).transpose()
    }

    /// Clamps parameters to their limits.
    pub(super) fn after_update(&self) -> Result<()> {
        self.learned_temperature.as_ref().map_or(Ok(()), LearnedTemperature::clamp)
    }
}
