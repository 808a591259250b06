//! Linear layers with gradients. The graph is in `cpp/linear.cc`, which calls [`product`] for all products: of the
//! forward pass, for the gradient of the input, and for that of the weight.

use std::ffi::{c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::{Device, Kind, Tensor};
use torch_sys::C_tensor;

use super::block::BLOCK;
use super::product::{each_block, linear, outputs, turned};
use super::results::write_slopes;
use super::threads::{Shared, each};
use super::weight::PackedWeight;
use crate::error::{Error, Result};
use crate::ffi::{check, hand_over};
use crate::linear::ffi::{self, LinearProduct};
use crate::linear::{Affine, FusedActivation, WeightLayout};
use crate::panics;

/// A linear layer for `x` `[m, input]`, and perhaps a curve, whose result is in fp32 if it is `exact`, and else in bf16. Differentiable once;
/// gradients of weights are summed in fp32, and rounded only if the weight is in bf16.
///
/// # Errors
/// If libtorch fails.
pub(in crate::linear) fn trained_linear(
    x: &Tensor,
    layer: Affine<'_>,
    layout: WeightLayout,
    curve: Option<FusedActivation>,
    exact: bool,
) -> Result<Tensor> {
    let mut y = std::ptr::null_mut();
    let body: LinearProduct = product;
    let options = Options {
        layout,
        curve: curve.unwrap_or(FusedActivation::Gelu),
        exact,
        is_curved: curve.is_some(),
    };
    // SAFETY: live tensors, or null for a bias that there is none of, and a writable place. `body` is given what it
    // expects.
    check(unsafe {
        ffi::sst_linear(
            x.as_ptr(),
            layer.weight.as_ptr(),
            pointer(layer.bias),
            options.number(),
            body,
            &raw mut y,
        )
    })?;
    // SAFETY: on success the bridge hands over a new tensor that nothing else owns.
    Ok(unsafe { Tensor::from_ptr(y) })
}

/// Two linear layers with an activation between them, as [`trained_linear`].
///
/// # Errors
/// If libtorch fails.
pub(in crate::linear) fn trained_mlp(
    x: &Tensor,
    [up, down]: [Affine<'_>; 2],
    layout: WeightLayout,
    curve: FusedActivation,
    exact: bool,
) -> Result<Tensor> {
    let mut y = std::ptr::null_mut();
    let body: LinearProduct = product;
    // SAFETY: as above.
    check(unsafe {
        ffi::sst_mlp(
            x.as_ptr(),
            up.weight.as_ptr(),
            pointer(up.bias),
            down.weight.as_ptr(),
            pointer(down.bias),
            Options { layout, curve, exact, is_curved: true }.number(),
            body,
            &raw mut y,
        )
    })?;
    // SAFETY: as above.
    Ok(unsafe { Tensor::from_ptr(y) })
}

fn pointer(tensor: Option<&Tensor>) -> *const C_tensor {
    tensor.map_or(std::ptr::null(), Tensor::as_ptr)
}

/// What all products of a layer have in common.
#[derive(Clone, Copy)]
struct Options {
    layout: WeightLayout,
    curve: FusedActivation,
    exact: bool,
    /// Of one layer: whether the curve follows.
    is_curved: bool,
}

impl Options {
    fn number(self) -> c_int {
        c_int::from(self.layout == WeightLayout::InOut)
            | c_int::from(self.curve == FusedActivation::GeluTanh) << 1
            | c_int::from(self.exact) << 2
            | c_int::from(self.is_curved) << 3
    }

    fn of(number: c_int) -> Self {
        Self {
            layout: if number & 1 == 0 { WeightLayout::OutIn } else { WeightLayout::InOut },
            curve: if number & 2 == 0 { FusedActivation::Gelu } else { FusedActivation::GeluTanh },
            exact: number & 4 != 0,
            is_curved: number & 8 != 0,
        }
    }

    /// How the transpose of a weight lies.
    fn turned(self) -> WeightLayout {
        match self.layout {
            WeightLayout::OutIn => WeightLayout::InOut,
            WeightLayout::InOut => WeightLayout::OutIn,
        }
    }
}

/// What is computed, by the numbers of `What` in `cpp/linear.cc`.
#[derive(Clone, Copy)]
enum What {
    /// `x W + b` of a factor, a weight and perhaps a bias.
    Forward,
    /// The same, and what the curve makes of it.
    ForwardCurve,
    /// `y W^T` of a gradient and a weight.
    Input,
    /// The same times the slope of the curve at a third tensor.
    InputCurve,
    /// `x^T y` of a gradient and a factor, as the third, the weight, lies; and the sums of the gradient.
    Weight,
    /// A gradient times the slope of the curve at a second tensor.
    Slope,
}

impl What {
    fn of(number: c_int) -> Option<Self> {
        let all = [
            Self::Forward,
            Self::ForwardCurve,
            Self::Input,
            Self::InputCurve,
            Self::Weight,
            Self::Slope,
        ];
        all.get(usize::try_from(number).ok()?).copied()
    }

    fn make(self, options: Options, from: [Option<&Tensor>; 3]) -> Result<[Option<Tensor>; 2]> {
        let Options { layout, curve, exact, .. } = options;
        let [Some(a), Some(b), c] = from else {
            return Err(Error::Contract("linear layer: a factor is missing".to_owned()));
        };
        let missing = || Error::Contract("linear layer: a third tensor is missing".to_owned());
        let pack =
            |weight: &Tensor, layout| PackedWeight::new(&weight.f_contiguous()?, layout, exact);
        match self {
            Self::Forward => Ok([Some(linear(a, &pack(b, layout)?, in_fp32(c)?.as_ref())?), None]),
            Self::ForwardCurve => {
                let weight = pack(b, layout)?;
                let results = || weight.results(a.size()[0]);
                let [before, after] = [results()?, results()?];
                let to = Shared([outputs(&before)?, outputs(&after)?]);
                let bias = in_fp32(c)?;
                // SAFETY: there is room for the results of all blocks.
                each_block(a, &weight, bias.as_ref(), |block, some| unsafe {
                    block.write_curve(curve, to.get(), some);
                })?;
                Ok([Some(before), Some(after)])
            }
            Self::Input => Ok([Some(linear(a, &pack(b, options.turned())?, None)?), None]),
            Self::InputCurve => {
                let (before, weight) = (c.ok_or_else(missing)?, pack(b, options.turned())?);
                let made = weight.results(a.size()[0])?;
                let to = Shared([outputs(before)?, outputs(&made)?]);
                // SAFETY: as above; what was before the curve has the same shape.
                each_block(a, &weight, None, |block, some| unsafe {
                    block.write_slope(curve, to.get(), some);
                })?;
                Ok([Some(made), None])
            }
            Self::Weight => {
                let weight = c.ok_or_else(missing)?;
                let made = Tensor::f_empty(weight.size(), (weight.f_kind()?, Device::Cpu))?;
                // The gradient is the left factor in one layout and the right one in the other.
                let sums = match layout {
                    WeightLayout::OutIn => {
                        let sums = Tensor::f_empty([a.size2()?.1], (Kind::Float, Device::Cpu))?;
                        turned(a, &pack(b, WeightLayout::InOut)?, &made, Some(&sums))?;
                        sums
                    }
                    WeightLayout::InOut => {
                        turned(b, &pack(a, WeightLayout::InOut)?, &made, None)?;
                        a.f_sum_dim_intlist(0, false, Kind::Float)?
                    }
                };
                Ok([Some(made), Some(sums)])
            }
            Self::Slope => Ok([Some(times_slope(a, b, curve)?), None]),
        }
    }
}

/// A gradient times the slope of the curve at what was before it.
fn times_slope(grad: &Tensor, before: &Tensor, curve: FusedActivation) -> Result<Tensor> {
    let (before, made) = (before.f_contiguous()?, grad.f_contiguous()?.f_empty_like()?);
    let grad = grad.f_contiguous()?;
    let all = Shared([outputs(&grad)?, outputs(&before)?, outputs(&made)?]);
    let rows = grad.size2()?.0 as usize;
    each(c"sst::curve_slope", rows.div_ceil(BLOCK), |_, block| {
        let [grad, before, made] = all.get();
        // SAFETY: a product was made of these, which needs what the slopes do; all have one shape, and nobody else has
        // these rows.
        unsafe {
            for row in block * BLOCK..rows.min((block + 1) * BLOCK) {
                write_slopes(curve, [grad, before], made, row);
            }
        }
    })?;
    Ok(made)
}

fn in_fp32(bias: Option<&Tensor>) -> Result<Option<Tensor>> {
    Ok(bias.map(|bias| bias.f_to_kind(Kind::Float)?.f_contiguous()).transpose()?)
}

/// Makes up to two tensors of up to three; nothing unwinds across the C boundary.
unsafe extern "C" fn product(
    what: c_int,
    options: c_int,
    from: *const *const C_tensor,
    made: *mut *mut C_tensor,
    message: *mut c_char,
    room: usize,
) -> c_int {
    let run = || {
        // SAFETY: three places, each with a live tensor, that is copied as a handle, or null.
        let from: [Option<Tensor>; 3] = std::array::from_fn(|i| unsafe {
            let tensor = *from.add(i);
            (!tensor.is_null()).then(|| Tensor::clone_from_ptr(tensor.cast_mut()))
        });
        let what = What::of(what)
            .ok_or_else(|| Error::Contract("linear layer: an unknown product".to_owned()))?;
        what.make(Options::of(options), from.each_ref().map(Option::as_ref))
    };
    let result = catch_unwind(AssertUnwindSafe(run));
    let result = result.unwrap_or_else(|payload| {
        Err(Error::Contract(format!("a product panicked: {}", panics::text(&*payload))))
    });
    // SAFETY: two places for tensors, which the bridge takes over, and room for the message.
    unsafe { hand_over(result, made, message, room) }
}
