//! The sums of a step: its loss, and the other sums that its objective computes.

use std::collections::BTreeMap;

use sst_core::{LossParts, Ranks};
use tch::{Device, Kind, Tensor};

use crate::error::TrainError;

/// The sums of a step over its micro-batches: f64 scalars on the device, without a graph.
#[derive(Debug)]
pub(crate) struct Sums {
    /// The summed loss.
    pub(crate) loss: Tensor,
    /// The other sums of the objective ([`LossParts::sums`]) by name.
    pub(crate) others: BTreeMap<String, Tensor>,
}

impl Sums {
    /// A loss of zero, and no other sums.
    pub(crate) fn zero(device: Device) -> Result<Self, TrainError> {
        Ok(Self { loss: Tensor::f_zeros([], (Kind::Double, device))?, others: BTreeMap::new() })
    }

    /// Adds the sums of a micro-batch.
    pub(crate) fn add(&mut self, parts: LossParts) -> Result<(), TrainError> {
        let double = |tensor: &Tensor| tensor.f_detach()?.f_to_kind(Kind::Double);
        self.loss = self.loss.f_add(&double(&parts.loss)?)?;
        for (name, sum) in parts.sums {
            let total = match self.others.remove(name) {
                Some(total) => total.f_add(&double(&sum)?)?,
                None => double(&sum)?,
            };
            self.others.insert(name.to_owned(), total);
        }
        Ok(())
    }

    /// Adds a zero for each sum that only other ranks have, so that all ranks have the same sums. A rank without rows
    /// in this step has none of its own.
    pub(crate) fn add_missing(&mut self, ranks: &dyn Ranks) -> Result<(), TrainError> {
        let names: Vec<&str> = self.others.keys().map(String::as_str).collect();
        for rank_names in ranks.gather_bytes(names.join("\n").as_bytes())? {
            for name in String::from_utf8_lossy(&rank_names).lines() {
                if !self.others.contains_key(name) {
                    self.others.insert(name.to_owned(), self.loss.f_zeros_like()?);
                }
            }
        }
        Ok(())
    }

    /// The loss, and then the other sums in the order of their names.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        std::iter::once(&self.loss).chain(self.others.values())
    }
}
