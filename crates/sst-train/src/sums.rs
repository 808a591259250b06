//! The sums of a step.

use std::collections::BTreeMap;

use sst_core::{LossParts, Ranks};
use tch::{Device, Kind, Tensor};

use crate::error::TrainError;

/// The sums of a step: f64 scalars on the device, detached.
#[derive(Debug)]
pub(crate) struct Sums {
    /// The loss.
    pub(crate) loss: Tensor,
    /// The objective's further sums by name.
    pub(crate) others: BTreeMap<String, Tensor>,
}

impl Sums {
    pub(crate) fn zero(device: Device) -> Result<Self, TrainError> {
        Ok(Self { loss: Tensor::f_zeros([], (Kind::Double, device))?, others: BTreeMap::new() })
    }

    /// Adds the sums of a micro-batch.
    pub(crate) fn add(&mut self, parts: LossParts) -> Result<(), TrainError> {
        let double = |tensor: &Tensor| tensor.f_detach()?.f_to_kind(Kind::Double);
        self.loss = self.loss.f_add(&double(&parts.loss)?)?;
        for (name, sum) in parts.sums {
            let sum = match self.others.remove(name) {
                Some(total) => total.f_add(&double(&sum)?)?,
                None => double(&sum)?,
            };
            self.others.insert(name.to_owned(), sum);
        }
        Ok(())
    }

    /// Adds a zero under each name that only other ranks have (a rank without a row in this step has none), so that all
    /// ranks have the same names.
    pub(crate) fn share_names(&mut self, ranks: &dyn Ranks) -> Result<(), TrainError> {
        let names: Vec<&str> = self.others.keys().map(String::as_str).collect();
        for names in ranks.gather_bytes(names.join("\n").as_bytes())? {
            for name in String::from_utf8_lossy(&names).lines() {
                if !self.others.contains_key(name) {
                    self.others.insert(name.to_owned(), self.loss.f_zeros_like()?);
                }
            }
        }
        Ok(())
    }

    /// All of them, in the order of their names.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        std::iter::once(&self.loss).chain(self.others.values())
    }
}
