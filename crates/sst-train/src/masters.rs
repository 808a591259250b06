//! Weights in bf16 for the passes beside those in fp32 that updates go to (Micikevicius et al. 2018, "Mixed
//! Precision Training", section 3.1), so that no weight is cast twice and activations take half the memory.

use sst_core::{ParamStore, ext};
use tch::{Device, Kind, Tensor};

use crate::error::TrainError;

/// The parameters of a model, each in both precisions. The model computes with the bf16 ones, but for
/// [`Masters::show_full`]. Vectors (norms and biases) stay in fp32 on the CPU, whose kernels read them so.
#[derive(Debug)]
pub(crate) struct Masters {
    pairs: Vec<Pair>,
}

#[derive(Debug)]
struct Pair {
    name: String,
    /// The model's handle. Its data is one of the others.
    param: Tensor,
    full: Tensor,
    /// On the same numbers as `full` where that stays in fp32.
    low: Tensor,
}

impl Masters {
    /// Puts bf16 copies into the parameters of `model`. What they held, as it was, is updated from now on.
    pub(crate) fn new(model: &ParamStore) -> Result<Self, TrainError> {
        let params: Vec<&Tensor> = model.iter().map(|(_, param)| param).collect();
        let pair = |((name, param), low): ((&str, &Tensor), Tensor)| -> Result<Pair, TrainError> {
            let full = if low.kind() == Kind::Float { &low } else { param };
            let full = full.f_detach()?.f_set_requires_grad(param.requires_grad())?;
            Ok(Pair { name: name.to_owned(), param: param.shallow_clone(), full, low })
        };
        let pairs = model.iter().zip(low_copies(&params)?).map(pair).collect::<Result<_, _>>()?;
        let mut masters = Self { pairs };
        masters.show_low()?;
        Ok(masters)
    }

    /// The fp32 weights of the parameter `name` of the model.
    pub(crate) fn full(&self, name: &str) -> Option<&Tensor> {
        self.pairs.iter().find(|pair| pair.name == name).map(|pair| &pair.full)
    }

    /// The bf16 weights of the parameter `name` of the model, if it has some, which follow every update.
    pub(crate) fn low(&self, name: &str) -> Option<&Tensor> {
        let pair = self.pairs.iter().find(|pair| pair.name == name);
        pair.map(|pair| &pair.low).filter(|low| low.kind() != Kind::Float)
    }

    /// Moves the gradients of a backward pass to the fp32 weights. Those of several micro-batches add up in
    /// fp32; of a single one they stay as they are on the CPU, where updates take them in bf16.
    pub(crate) fn take_gradients(&self, is_single: bool) -> Result<(), TrainError> {
        let from = self.pairs.iter().map(|pair| &pair.param);
        let to = self.pairs.iter().map(|pair| &pair.full);
        let on_cpu = self.pairs.iter().all(|pair| pair.full.device() == Device::Cpu);
        Ok(ext::move_gradients(from, to, is_single && on_cpu)?)
    }

    /// Drops the gradients of a backward pass that failed.
    pub(crate) fn drop_gradients(&self) -> Result<(), TrainError> {
        Ok(ext::reset_gradients(self.pairs.iter().map(|pair| &pair.param))?)
    }

    /// Shows the model its fp32 weights, to evaluate or save them.
    pub(crate) fn show_full(&mut self) -> Result<(), TrainError> {
        for Pair { param, full, .. } in &mut self.pairs {
            param.f_set_data(&full.f_detach()?)?;
        }
        Ok(())
    }

    /// Shows the model its bf16 weights again.
    pub(crate) fn show_low(&mut self) -> Result<(), TrainError> {
        for Pair { param, low, .. } in &mut self.pairs {
            param.f_set_data(low)?;
        }
        Ok(())
    }
}

/// Copies in bf16 in one piece of memory, and another one of those that stay in fp32, each in order: weights that are
/// used together, and their biases, mostly lie side by side and are one without a copy ([`ext::joint`]).
fn low_copies(params: &[&Tensor]) -> Result<Vec<Tensor>, tch::TchError> {
    /// What each begins at a multiple of: a cache line.
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
            // Not a view any more, of which libtorch would keep count with all others.
            low[i] = part.f_detach()?;
            tch::no_grad(|| low[i].f_copy_(&params[i].f_detach()?))?;
            offset += room(i);
        }
    }
    Ok(low)
}

impl Drop for Masters {
    /// Whoever has the model after the run has what was trained.
    fn drop(&mut self) {
        if let Err(error) = self.show_full() {
            tracing::warn!("the model is left with its weights in bf16: {error}");
        }
    }
}
