//! AdamW in one pass over memory: a kernel of this crate on the CPU, libtorch's fused kernel elsewhere.

mod ffi;
mod kernel;
mod remainder;

use ffi::Plain;
pub use remainder::{join_bf16_remainder, split_bf16_remainder};
use std::ffi::c_int;

use tch::Tensor;

use crate::error::{Error, Result};
use crate::ffi::{check, pointers};
use crate::number;

/// The hyper-parameters of one update (Loshchilov and Hutter 2019, "Decoupled Weight Decay
/// Regularization").
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Learning rate of this step.
    pub lr: f64,
    /// Decay rates of the two moments.
    pub betas: (f64, f64),
    /// The number that is added to the square root of the second moment.
    pub eps: f64,
    /// The coefficient of the decoupled weight decay.
    pub weight_decay: f64,
}

/// The tensors of one parameter group. Entry `i` of every list belongs to parameter `i`.
#[derive(Debug, Default)]
pub struct AdamWTensors<'a> {
    /// The parameters.
    pub params: Vec<&'a Tensor>,
    /// Their gradients.
    pub grads: Vec<&'a Tensor>,
    /// First moments.
    pub exp_avgs: Vec<&'a Tensor>,
    /// Second moments.
    pub exp_avg_sqs: Vec<&'a Tensor>,
    /// The number of updates so far, this one included, as an fp32 scalar for each parameter. The caller advances it.
    pub steps: Vec<&'a Tensor>,
    /// bf16 copies of the parameters, which every update writes as well; an empty list for none.
    pub bf16_params: Vec<Option<&'a Tensor>>,
    /// The int16 remainders of [`split_bf16_remainder`]. If a parameter has one, its bf16 copy and its remainder
    /// together are the fp32 parameter, and its entry in `params` is not used. On the CPU only; an empty list for
    /// none.
    pub remainders: Vec<Option<&'a Tensor>>,
}

/// Updates the parameters and moments in place. Gradients are first divided by `grad_scale`, an fp32 scalar, and may be
/// bf16 where parameters are fp32. Where `found_inf`, an fp32 scalar, is 1, nothing changes; on an accelerator the host does
/// not wait for it.
///
/// # Errors
/// If the lists differ in length, or libtorch fails.
pub fn fused_adamw(
    tensors: &AdamWTensors<'_>,
    options: AdamW,
    grad_scale: Option<&Tensor>,
    found_inf: Option<&Tensor>,
) -> Result<()> {
    let n = tensors.params.len();
    let lists = [&tensors.grads, &tensors.exp_avgs, &tensors.exp_avg_sqs, &tensors.steps];
    let optional = [tensors.bf16_params.len(), tensors.remainders.len()];
    if lists.iter().any(|list| list.len() != n) || optional.iter().any(|m| ![0, n].contains(m)) {
        return Err(Error::Contract("fused_adamw needs lists of equal length".into()));
    }
    if n == 0 {
        return Ok(());
    }
    match slots(tensors)? {
        None if tensors.remainders.iter().any(Option::is_some) => Err(Error::Contract(
            "fused_adamw takes parameters with a remainder on the CPU only".into(),
        )),
        None => libtorch(tensors, options, grad_scale, found_inf),
        Some(_) if found(found_inf)? => Ok(()),
        Some(slots) => {
            let scale = grad_scale.map_or(Ok(1.0), |scale| scale.f_double_value(&[]))? as f32;
            // SAFETY: live tensors of one length a slot, contiguous, of the types that the kernel takes; the
            // lists borrow them, and none is in two places.
            unsafe { kernel::update(&slots, options, scale) }
        }
    }
}

fn found(found_inf: Option<&Tensor>) -> Result<bool> {
    Ok(found_inf.map_or(Ok(0.0), |found| found.f_double_value(&[]))? != 0.0)
}

/// The number of the int16 type in [`Plain`].
const INT16: c_int = 2;

impl Plain {
    fn kind(self) -> Option<number::Kind> {
        match self.kind {
            0 => Some(number::Kind::Float),
            1 => Some(number::Kind::BFloat16),
            _ => None,
        }
    }

    fn is(self, kind: number::Kind, count: usize) -> bool {
        self.kind() == Some(kind) && self.count == count
    }

    fn grad(self) -> Option<kernel::Grad> {
        Some(kernel::Grad { data: self.data.cast_const(), kind: self.kind()?, count: self.count })
    }
}

/// The data pointers of several tensors, in one call.
fn plain<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Result<Vec<Plain>> {
    let pointers = pointers(tensors);
    let mut plain = vec![Plain { data: std::ptr::null_mut(), count: 0, kind: -1 }; pointers.len()];
    // SAFETY: live tensors, and a writable place for each.
    check(unsafe { ffi::sst_plain(pointers.len(), pointers.as_ptr(), plain.as_mut_ptr()) })?;
    Ok(plain)
}

/// The slots for the kernel; `None` if it does not support one of the tensors.
fn slots(tensors: &AdamWTensors<'_>) -> Result<Option<Vec<kernel::Slot>>> {
    const FULL: number::Kind = number::Kind::Float;
    let list = |list: &[&Tensor]| plain(list.iter().copied());
    let [params, exp_avgs, exp_avg_sqs, steps, grads] = [
        list(&tensors.params)?,
        list(&tensors.exp_avgs)?,
        list(&tensors.exp_avg_sqs)?,
        list(&tensors.steps)?,
        list(&tensors.grads)?,
    ];
    let (bf16_params, remainders) =
        (optional(&tensors.bf16_params)?, optional(&tensors.remainders)?);
    let mut slots = Vec::with_capacity(params.len());
    for i in 0..params.len() {
        let count = grads[i].count;
        let (copy, remainder) =
            (bf16_params.get(i).copied().flatten(), remainders.get(i).copied().flatten());
        let full = [exp_avgs[i], exp_avg_sqs[i]].into_iter().all(|plain| plain.is(FULL, count));
        let fits = match (copy, remainder) {
            (None, Some(_)) => false,
            (Some(_), Some(remainder)) => remainder.kind == INT16 && remainder.count == count,
            (_, None) => params[i].is(FULL, count),
        } && copy.is_none_or(|copy| copy.is(number::Kind::BFloat16, count));
        let (true, Some(grad)) = (full && fits && steps[i].is(FULL, 1), grads[i].grad()) else {
            return Ok(None);
        };
        let data = |plain: Option<Plain>| plain.map_or(std::ptr::null_mut(), |plain| plain.data);
        slots.push(kernel::Slot {
            grad,
            param: params[i].data.cast(),
            exp_avg: exp_avgs[i].data.cast(),
            exp_avg_sq: exp_avg_sqs[i].data.cast(),
            copy: data(copy),
            remainder: data(remainder).cast(),
            // SAFETY: one fp32 number.
            step: unsafe { *steps[i].data.cast::<f32>() },
        });
    }
    Ok(Some(slots))
}

/// [`plain`] for the tensors that are present.
fn optional(tensors: &[Option<&Tensor>]) -> Result<Vec<Option<Plain>>> {
    let mut found = plain(tensors.iter().copied().flatten())?.into_iter();
    Ok(tensors.iter().map(|tensor| tensor.and_then(|_| found.next())).collect())
}

fn libtorch(
    tensors: &AdamWTensors<'_>,
    options: AdamW,
    grad_scale: Option<&Tensor>,
    found_inf: Option<&Tensor>,
) -> Result<()> {
    let n = tensors.params.len();
    let of_kind = |(grad, param): (&&Tensor, &&Tensor)| grad.f_to_kind(param.f_kind()?);
    let grads = tensors.grads.iter().zip(&tensors.params).map(of_kind);
    let grads = grads.collect::<std::result::Result<Vec<_>, _>>()?;
    let grads = pointers(&grads);
    let lists = [&tensors.params, &tensors.exp_avgs, &tensors.exp_avg_sqs, &tensors.steps];
    let [params, exp_avgs, exp_avg_sqs, steps] = lists.map(|list| pointers(list.iter().copied()));
    let pointer = |tensor: Option<&Tensor>| tensor.map_or(std::ptr::null(), Tensor::as_ptr);
    // SAFETY: five lists of `n` pointers to live tensors and two that may be null; none is kept.
    let code = unsafe {
        ffi::sst_fused_adamw(
            n,
            params.as_ptr(),
            grads.as_ptr(),
            exp_avgs.as_ptr(),
            exp_avg_sqs.as_ptr(),
            steps.as_ptr(),
            options.lr,
            options.betas.0,
            options.betas.1,
            options.weight_decay,
            options.eps,
            pointer(grad_scale),
            pointer(found_inf),
        )
    };
    check(code)?;
    tch::no_grad(|| {
        for (copy, param) in tensors.bf16_params.iter().zip(&tensors.params) {
            if let Some(copy) = copy {
                copy.shallow_clone().f_copy_(param)?;
            }
        }
        Ok(())
    })
}

/// The 2-norm over all elements of `tensors`: a scalar on their device, without synchronising with it.
///
/// # Errors
/// If there are none, or libtorch fails.
pub fn global_norm<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Result<Tensor> {
    let tensors: Vec<_> = tensors.into_iter().collect();
    let grads = plain(tensors.iter().copied())?.into_iter().map(Plain::grad);
    let grads = grads.collect::<Option<Vec<_>>>();
    if let (Some(grads), false) = (grads, tensors.is_empty()) {
        // SAFETY: live tensors, which the list borrows.
        return Ok(Tensor::f_from_slice(&[unsafe { kernel::norm(&grads) }? as f32])?.f_squeeze()?);
    }
    let pointers = pointers(tensors);
    let mut norm = std::ptr::null_mut();
    // SAFETY: the pointers are of live tensors and are not kept; `norm` is valid for writes.
    check(unsafe { ffi::sst_global_norm(pointers.len(), pointers.as_ptr(), &raw mut norm) })?;
    // SAFETY: on success the bridge hands over a new tensor that nothing else owns.
    Ok(unsafe { Tensor::from_ptr(norm) })
}
