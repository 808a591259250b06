//! bf16 weights for the forward and backward pass, with fp32 master weights for the updates (Micikevicius et al. 2018,
//! "Mixed Precision Training", section 3.1). A step then casts no weight, and activations take half the memory.

use sst_core::ParamStore;
use tch::{Device, Kind, Tensor};

use crate::error::TrainError;
use crate::optim::Bf16Weights;

/// The parameters of a model in fp32 and in bf16.
///
/// The model computes with the bf16 weights, except between [`MasterWeights::show_fp32`] and
/// [`MasterWeights::show_bf16`]. On the CPU, vectors (norms and biases) are fp32 in both cases, because the kernels
/// need them in fp32.
///
/// A parameter with a remainder is not stored twice: the bf16 weights, which are the high 16 bits of the rounded fp32
/// weights, and the int16 remainder together are the fp32 weights ([`sst_kernels::split_bf16_remainder`]). Its fp32
/// storage is allocated only between those two calls.
#[derive(Debug)]
pub(crate) struct MasterWeights {
    entries: Vec<Entry>,
}

/// One parameter.
#[derive(Debug)]
struct Entry {
    name: String,
    /// The model's handle. It shares its storage with `fp32` or with `bf16`.
    param: Tensor,
    /// The fp32 weights, which the optimiser updates.
    fp32: Tensor,
    /// The weights that a step computes with. They are bf16, or, if the parameter stays in fp32, a handle on the
    /// storage of `fp32`.
    bf16: Tensor,
    /// The int16 remainder of the fp32 weights; `None` if the parameter has none. Its storage is allocated only while
    /// that of `fp32` is not.
    remainder: Option<Tensor>,
}

impl MasterWeights {
    /// Makes the bf16 weights of `model`, which goes on computing in fp32 until [`Self::show_bf16`] is called.
    ///
    /// With `use_remainders`, each parameter that becomes bf16 is kept as bf16 weights with an int16 remainder. The
    /// optimiser must support that, the model must be on the CPU, and nothing else may read the fp32 weights after each
    /// update.
    pub(crate) fn new(model: &ParamStore, use_remainders: bool) -> Result<Self, TrainError> {
        let params: Vec<&Tensor> = model.iter().map(|(_, param)| param).collect();
        let entry =
            |((name, param), bf16): ((&str, &Tensor), Tensor)| -> Result<Entry, TrainError> {
                let stays_fp32 = bf16.kind() == Kind::Float;
                let source = if stays_fp32 { &bf16 } else { param };
                let fp32 = source.f_detach()?.f_set_requires_grad(param.requires_grad())?;
                let remainder = (use_remainders && !stays_fp32)
                    .then(|| Tensor::f_empty([0], (Kind::Int16, bf16.device())))
                    .transpose()?;
                let (name, param) = (name.to_owned(), param.shallow_clone());
                Ok(Entry { name, param, fp32, bf16, remainder })
            };
        let entries = model.iter().zip(bf16_copies(&params)?).map(entry);
        Ok(Self { entries: entries.collect::<Result<_, _>>()? })
    }

    /// The fp32 weights of the model's parameter `name`.
    pub(crate) fn fp32(&self, name: &str) -> Option<&Tensor> {
        self.entries.iter().find(|entry| entry.name == name).map(|entry| &entry.fp32)
    }

    /// The bf16 weights of the model's parameter `name`, which every update writes as well. `None` if the parameter
    /// stays in fp32.
    pub(crate) fn bf16(&self, name: &str) -> Option<Bf16Weights> {
        let Entry { bf16, remainder, .. } = self.entries.iter().find(|entry| entry.name == name)?;
        (bf16.kind() != Kind::Float).then(|| Bf16Weights {
            weights: bf16.shallow_clone(),
            remainder: remainder.as_ref().map(Tensor::shallow_clone),
        })
    }

    /// Moves the gradients of a backward pass from the model's parameters to the fp32 weights, where those of several
    /// micro-batches add up in fp32. If the step has only this micro-batch (`is_single`), the gradients stay in bf16 on
    /// the CPU, where the updates can read bf16.
    pub(crate) fn take_gradients(&self, is_single: bool) -> Result<(), TrainError> {
        let from = self.entries.iter().map(|entry| &entry.param);
        let to = self.entries.iter().map(|entry| &entry.fp32);
        let is_on_cpu = self.entries.iter().all(|entry| entry.fp32.device() == Device::Cpu);
        Ok(sst_kernels::move_gradients(from, to, is_single && is_on_cpu)?)
    }

    /// Drops the gradients of a backward pass that failed.
    pub(crate) fn drop_gradients(&self) -> Result<(), TrainError> {
        Ok(sst_kernels::reset_gradients(self.entries.iter().map(|entry| &entry.param))?)
    }

    /// Gives the model its fp32 weights, for an evaluation or a checkpoint.
    pub(crate) fn show_fp32(&mut self) -> Result<(), TrainError> {
        for Entry { param, fp32, bf16, remainder, .. } in &mut self.entries {
            if let (Some(remainder), 0) = (remainder, fp32.numel()) {
                fp32.f_set_data(&sst_kernels::join_bf16_remainder(bf16, remainder)?)?;
                release(remainder)?;
            }
            param.f_set_data(&fp32.f_detach()?)?;
        }
        Ok(())
    }

    /// Gives the model its bf16 weights.
    pub(crate) fn show_bf16(&mut self) -> Result<(), TrainError> {
        for Entry { param, fp32, bf16, remainder, .. } in &mut self.entries {
            param.f_set_data(bf16)?;
            if let Some(remainder) = remainder {
                remainder
                    .f_set_data(&Tensor::f_empty(bf16.size(), (Kind::Int16, bf16.device()))?)?;
                let source = fp32.f_detach()?.f_contiguous()?;
                sst_kernels::split_bf16_remainder(&source, bf16, remainder)?;
                release(fp32)?;
            }
        }
        Ok(())
    }
}

/// Frees the storage of a tensor. All handles on the tensor stay valid, and have no elements.
fn release(tensor: &mut Tensor) -> Result<(), tch::TchError> {
    let empty = Tensor::f_empty([0], (tensor.f_kind()?, tensor.device()))?;
    tensor.f_set_data(&empty)
}

/// Copies of all parameters: in bf16, or in fp32 for the vectors of a model on the CPU.
///
/// All bf16 copies lie in one allocation and all fp32 copies in another one, in the order of `params`. Weights that are
/// used together are then mostly adjacent in memory, and [`sst_kernels::joint`] need not copy them.
fn bf16_copies(params: &[&Tensor]) -> Result<Vec<Tensor>, tch::TchError> {
    /// Every copy begins at a multiple of this number of elements: a cache line of bf16 numbers.
    const ALIGNED: i64 = 32;
    let Some(device) = params.first().map(|param| param.device()) else { return Ok(Vec::new()) };
    let kind_of = |param: &Tensor| match param.dim() < 2 && device == Device::Cpu {
        true => Kind::Float,
        false => Kind::BFloat16,
    };
    let mut copies: Vec<Tensor> = params.iter().map(|param| param.shallow_clone()).collect();
    for kind in [Kind::BFloat16, Kind::Float] {
        let of_kind = || (0..params.len()).filter(|i| kind_of(params[*i]) == kind);
        let room = |i: usize| (params[i].numel() as i64 + ALIGNED - 1) / ALIGNED * ALIGNED;
        let all = Tensor::f_zeros([of_kind().map(room).sum::<i64>()], (kind, device))?;
        let mut offset = 0;
        for i in of_kind() {
            let elements = all.f_narrow(0, offset, params[i].numel() as i64)?;
            let view = elements.f_view(&*params[i].size())?;
            // A detached tensor is not a view, so autograd does not treat it as a part of `all`.
            copies[i] = view.f_detach()?;
            tch::no_grad(|| copies[i].f_copy_(&params[i].f_detach()?))?;
            offset += room(i);
        }
    }
    Ok(copies)
}

impl Drop for MasterWeights {
    /// Leaves the model with its fp32 weights.
    fn drop(&mut self) {
        if let Err(error) = self.show_fp32() {
            tracing::warn!("the weights of the model stay in bf16: {error}");
        }
    }
}
