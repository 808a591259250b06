//! Weights in bf16 for the passes beside those in fp32 that updates go to (Micikevicius et al. 2018, "Mixed
//! Precision Training", section 3.1), so that no weight is cast twice and activations take half the memory.

use sst_core::ParamStore;
use tch::{Device, Kind, Tensor};

use crate::error::TrainError;
use crate::optim::Bf16Weights;

/// The master weights of a model: each parameter in fp32 for the updates and in bf16 for the forward and backward pass.
/// The model computes with the bf16 weights, except between [`MasterWeights::show_full`] and [`MasterWeights::show_low`]. On the
/// CPU vectors (norms and biases) stay in fp32, because the kernels read them so. For a parameter that is kept as a
/// bf16 high part and an int16 remainder, fp32 storage is allocated only between those two calls.
#[derive(Debug)]
pub(crate) struct MasterWeights {
    pairs: Vec<Pair>,
}

#[derive(Debug)]
struct Pair {
    name: String,
    /// The model's handle. It shares its storage with `full` or with `low`.
    param: Tensor,
    /// The weights in fp32.
    full: Tensor,
    /// The weights in bf16. It shares its storage with `full` if the parameter stays in fp32.
    low: Tensor,
    /// The int16 remainder: the low bits of the fp32 value that bf16 cuts off. Its storage is allocated only while that
    /// of `full` is not. `None` if the parameter is not kept in two parts.
    rest: Option<Tensor>,
}

impl MasterWeights {
    /// Makes bf16 copies of the parameters of `model`, which keeps its fp32 weights until [`Self::show_low`] is called.
    /// With `in_halves` a parameter is kept as a bf16 high part and an int16 remainder: for AdamW on the CPU, if
    /// nothing else reads the fp32 weights after each update.
    pub(crate) fn new(model: &ParamStore, in_halves: bool) -> Result<Self, TrainError> {
        let params: Vec<&Tensor> = model.iter().map(|(_, param)| param).collect();
        let pair = |((name, param), low): ((&str, &Tensor), Tensor)| -> Result<Pair, TrainError> {
            let full = if low.kind() == Kind::Float { &low } else { param };
            let full = full.f_detach()?.f_set_requires_grad(param.requires_grad())?;
            let has_rest = in_halves && low.kind() == Kind::BFloat16;
            let rest = has_rest.then(|| Tensor::f_empty([0], (Kind::Int16, low.device())));
            let (name, param) = (name.to_owned(), param.shallow_clone());
            Ok(Pair { name, param, full, low, rest: rest.transpose()? })
        };
        let pairs = model.iter().zip(low_copies(&params)?).map(pair).collect::<Result<_, _>>()?;
        Ok(Self { pairs })
    }

    /// The fp32 weights of the parameter `name` of the model.
    pub(crate) fn full(&self, name: &str) -> Option<&Tensor> {
        self.pairs.iter().find(|pair| pair.name == name).map(|pair| &pair.full)
    }

    /// The bf16 weights of the parameter `name` of the model; `None` if it stays in fp32. Every update writes them too.
    pub(crate) fn low(&self, name: &str) -> Option<Bf16Weights> {
        let Pair { low, rest, .. } = self.pairs.iter().find(|pair| pair.name == name)?;
        let rest = rest.as_ref().map(Tensor::shallow_clone);
        (low.kind() != Kind::Float).then(|| Bf16Weights { weights: low.shallow_clone(), rest })
    }

    /// Moves the gradients of a backward pass to the fp32 weights. The gradients of several micro-batches add up in
    /// fp32. On the CPU the gradients of a single micro-batch (`is_single`) stay in bf16, because the updates read them
    /// so.
    pub(crate) fn take_gradients(&self, is_single: bool) -> Result<(), TrainError> {
        let from = self.pairs.iter().map(|pair| &pair.param);
        let to = self.pairs.iter().map(|pair| &pair.full);
        let on_cpu = self.pairs.iter().all(|pair| pair.full.device() == Device::Cpu);
        Ok(sst_kernels::move_gradients(from, to, is_single && on_cpu)?)
    }

    /// Drops the gradients of a backward pass that failed.
    pub(crate) fn drop_gradients(&self) -> Result<(), TrainError> {
        Ok(sst_kernels::reset_gradients(self.pairs.iter().map(|pair| &pair.param))?)
    }

    /// Shows the model its fp32 weights, to evaluate or save them.
    pub(crate) fn show_full(&mut self) -> Result<(), TrainError> {
        for Pair { param, full, low, rest, .. } in &mut self.pairs {
            if let (Some(rest), 0) = (rest, full.numel()) {
                full.f_set_data(&sst_kernels::join_bf16_remainder(low, rest)?)?;
                release(rest)?;
            }
            param.f_set_data(&full.f_detach()?)?;
        }
        Ok(())
    }

    /// Shows the model its bf16 weights.
    pub(crate) fn show_low(&mut self) -> Result<(), TrainError> {
        for Pair { param, full, low, rest, .. } in &mut self.pairs {
            param.f_set_data(low)?;
            if let Some(rest) = rest {
                rest.f_set_data(&Tensor::f_empty(low.size(), (Kind::Int16, low.device()))?)?;
                sst_kernels::split_bf16_remainder(&full.f_detach()?.f_contiguous()?, low, rest)?;
                release(full)?;
            }
        }
        Ok(())
    }
}

/// Frees the storage of a tensor. All handles on it stay valid and have no elements.
fn release(tensor: &mut Tensor) -> Result<(), tch::TchError> {
    let none = Tensor::f_empty([0], (tensor.f_kind()?, tensor.device()))?;
    tensor.f_set_data(&none)
}

/// Copies the parameters that become bf16 into one allocation and those that stay in fp32 into another one, each in the
/// order of `params`. Weights that are used together then mostly lie side by side, and [`sst_kernels::joint`] can treat
/// them as one tensor without a copy.
fn low_copies(params: &[&Tensor]) -> Result<Vec<Tensor>, tch::TchError> {
    /// Every copy begins at a multiple of this number of elements: a cache line of bf16.
    const ALIGNED: i64 = 32;
    let Some(device) = params.first().map(|param| param.device()) else { return Ok(Vec::new()) };
    let kind_of = |param: &Tensor| match param.dim() < 2 && device == Device::Cpu {
        true => Kind::Float,
        false => Kind::BFloat16,
    };
    let mut low: Vec<Tensor> = params.iter().map(|param| param.shallow_clone()).collect();
    for kind in [Kind::BFloat16, Kind::Float] {
        let of_kind = || (0..params.len()).filter(|i| kind_of(params[*i]) == kind);
        let room = |i: usize| (params[i].numel() as i64 + ALIGNED - 1) / ALIGNED * ALIGNED;
        let all = Tensor::f_zeros([of_kind().map(room).sum::<i64>()], (kind, device))?;
        let mut offset = 0;
        for i in of_kind() {
            let part =
                all.f_narrow(0, offset, params[i].numel() as i64)?.f_view(&*params[i].size())?;
            // libtorch counts the changes of all views of a tensor together; a detached one is no view.
            low[i] = part.f_detach()?;
            tch::no_grad(|| low[i].f_copy_(&params[i].f_detach()?))?;
            offset += room(i);
        }
    }
    Ok(low)
}

impl Drop for MasterWeights {
    /// Leaves the model with its fp32 weights.
    fn drop(&mut self) {
        if let Err(error) = self.show_full() {
            tracing::warn!("the model is left with its weights in bf16: {error}");
        }
    }
}
