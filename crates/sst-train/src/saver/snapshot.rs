//! A copy on the host of everything that a checkpoint holds, which can be written while training goes on.

use std::path::Path;

use sst_core::checkpoint::write_tensors;
use sst_core::objective::StateDict;
use tch::{Device, Tensor};

use super::files;
use crate::error::TrainError;
use crate::state::TrainerState;

/// Writes a Hugging Face model into an empty folder. The function owns a copy of the weights.
pub type WriteModel = Box<dyn FnOnce(&Path) -> Result<(), TrainError> + Send>;

/// A checkpoint that is not written yet. It shares no storage with the run.
pub(crate) struct Snapshot {
    /// Writes `model/`.
    pub(crate) model: WriteModel,
    /// The names of the safetensors files of `state/` with their tensors.
    pub(crate) tensors: Vec<(&'static str, StateDict)>,
    /// The content of `state/trainer.json`.
    pub(crate) trainer: TrainerState,
}

impl Snapshot {
    /// Writes the checkpoint into a folder in which `model/` and `state/` exist already.
    pub(crate) fn write(self, folder: &Path) -> Result<(), TrainError> {
        (self.model)(&folder.join(files::MODEL))?;
        for (file, tensors) in &self.tensors {
            write_tensors(&folder.join(file), tensors, &[])?;
        }
        files::write_json(&folder.join(files::TRAINER), &self.trainer)
    }
}

/// Copies of `tensors` on the host.
pub(crate) fn to_host(tensors: &StateDict) -> Result<StateDict, TrainError> {
    let copy = |tensor: &Tensor| -> Result<Tensor, tch::TchError> {
        let tensor = tensor.f_detach()?;
        let mut copy = Tensor::f_empty(tensor.size(), (tensor.f_kind()?, Device::Cpu))?;
        copy.f_copy_(&tensor)?;
        Ok(copy)
    };
    tensors.iter().map(|(name, tensor)| Ok((name.clone(), copy(tensor)?))).collect()
}
