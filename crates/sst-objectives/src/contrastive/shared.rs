//! What contrastive objectives share on the device: their keys, and parameters of their own.

use std::cell::RefCell;

use sst_core::{ParamStore, Result};
use tch::Tensor;

use super::config::Common;
use super::projection::{Head, head_params};
use super::temperature::{Learned, Temperature};
use crate::entry::Context;

/// How vectors are made and compared, with what of it trains.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) common: Common,
    params: ParamStore,
    head: Option<Head>,
    learned: Option<Learned>,
}

impl Shared {
    /// Parameters as they begin.
    pub(super) fn new(common: Common, context: &Context<'_>) -> Result<Self> {
        let params = RefCell::new(ParamStore::new(context.device, Some(context.seed)));
        let width = context.hidden_size;
        let size = if common.projection_size == 0 { width } else { common.projection_size as i64 };
        let head = Head::new(common.projection, &params, width, size)?;
        let mut params = params.into_inner();
        let learned = match common.learn_temperature {
            true => Some(Learned::new(&mut params, common.temperature)?),
            false => None,
        };
        Ok(Self { common, params, head, learned })
    }

    /// All parameters of its own.
    pub(super) fn params(&self) -> &ParamStore {
        &self.params
    }

    /// Those that vectors go through.
    pub(super) fn head_params(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        head_params(&self.params)
    }

    /// What is compared, `[b, p]` of vectors `[b, d]`.
    pub(super) fn project(&self, vectors_bd: Tensor) -> Result<Tensor> {
        match &self.head {
            Some(head) => head.forward(&vectors_bd),
            None => Ok(vectors_bd),
        }
    }

    /// What cosines are divided by.
    pub(super) fn temperature(&self) -> Temperature<'_> {
        match &self.learned {
            Some(learned) => learned.get(),
            None => Temperature::Fixed(self.common.temperature),
        }
    }

    /// The value of a temperature that trains, to be logged: a detached scalar.
    pub(super) fn learned_temperature(&self) -> Result<Option<Tensor>> {
        self.learned.as_ref().map(Learned::value).transpose()
    }

    /// Keeps parameters within their bounds.
    pub(super) fn after_update(&self) -> Result<()> {
        self.learned.as_ref().map_or(Ok(()), Learned::clip)
    }
}
