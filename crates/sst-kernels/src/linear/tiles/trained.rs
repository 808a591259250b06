//! Linear layers with gradients. `cpp/linear.cc` has the graph, and calls [`product`] for all products: those of the
//! forward pass, of the gradient of the input, and of the gradient of the weight.

use std::ffi::{c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::{Device, Kind, Tensor};
use torch_sys::C_tensor;

use super::block::BLOCK;
use super::product::{each_block, linear, outputs, turned};
use super::results::write_derivatives;
use super::threads::{Shared, each};
use super::weight::PackedWeight;
use crate::error::{Error, Result};
use crate::ffi::{check, hand_over};
use crate::linear::ffi::{self, LinearProduct};
use crate::linear::{Affine, FusedActivation, WeightLayout};
use crate::panics;

/// A linear layer for `x` `[m, input]`, optionally followed by an activation. The result is in fp32 if it is `exact`,
/// else in bf16. Gradients of weights are summed in fp32, and rounded only if the weight is in bf16. Differentiable
/// once.
///
/// # Errors
/// If libtorch fails.
pub(in crate::linear) fn trained_linear(
    x: &Tensor,
    layer: Affine<'_>,
    layout: WeightLayout,
    activation: Option<FusedActivation>,
    exact: bool,
) -> Result<Tensor> {
    let mut y = std::ptr::null_mut();
    let body: LinearProduct = product;
    let options = Options {
        layout,
        activation: activation.unwrap_or(FusedActivation::Gelu),
        exact,
        is_activated: activation.is_some(),
    };
    // SAFETY: live tensors, or null for a missing bias, and a writable place. The bridge calls `body` with
    // the arguments that it expects.
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
    activation: FusedActivation,
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
            Options { layout, activation, exact, is_activated: true }.number(),
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

/// The options that all products of a layer share.
#[derive(Clone, Copy)]
struct Options {
    layout: WeightLayout,
    activation: FusedActivation,
    exact: bool,
    /// For a single layer: whether an activation follows.
    is_activated: bool,
}

impl Options {
    fn number(self) -> c_int {
        c_int::from(self.layout == WeightLayout::InOut)
            | c_int::from(self.activation == FusedActivation::GeluTanh) << 1
            | c_int::from(self.exact) << 2
            | c_int::from(self.is_activated) << 3
    }

    fn of(number: c_int) -> Self {
        Self {
            layout: if number & 1 == 0 { WeightLayout::OutIn } else { WeightLayout::InOut },
            activation: if number & 2 == 0 {
                FusedActivation::Gelu
            } else {
                FusedActivation::GeluTanh
            },
            exact: number & 4 != 0,
            is_activated: number & 8 != 0,
        }
    }

    /// The layout of the transposed weight.
    fn turned(self) -> WeightLayout {
        match self.layout {
            WeightLayout::OutIn => WeightLayout::InOut,
            WeightLayout::InOut => WeightLayout::OutIn,
        }
    }
}

/// The kind of product, with the numbers of `What` in `cpp/linear.cc`.
#[derive(Clone, Copy)]
enum What {
    /// `x W + b` from an input, a weight and an optional bias.
    Forward,
    /// [`Self::Forward`], and the activation of its result.
    ForwardActivated,
    /// `y W^T` from a gradient and a weight.
    Input,
    /// [`Self::Input`] multiplied by the derivative of the activation at a third tensor.
    InputDerivative,
    /// `x^T y` from a gradient and an input, in the layout of the third tensor, the weight; and the column sums of
    /// the gradient.
    Weight,
    /// A gradient multiplied by the derivative of the activation at a second tensor.
    Derivative,
}

impl What {
    fn of(number: c_int) -> Option<Self> {
        let all = [
            Self::Forward,
            Self::ForwardActivated,
            Self::Input,
            Self::InputDerivative,
            Self::Weight,
            Self::Derivative,
        ];
        all.get(usize::try_from(number).ok()?).copied()
    }

    fn make(self, options: Options, from: [Option<&Tensor>; 3]) -> Result<[Option<Tensor>; 2]> {
        let Options { layout, activation, exact, .. } = options;
        let [Some(a), Some(b), c] = from else {
            return Err(Error::Contract("linear layer: a factor is missing".to_owned()));
        };
        let missing = || Error::Contract("linear layer: a third tensor is missing".to_owned());
        let pack =
            |weight: &Tensor, layout| PackedWeight::new(&weight.f_contiguous()?, layout, exact);
        match self {
            Self::Forward => Ok([Some(linear(a, &pack(b, layout)?, in_fp32(c)?.as_ref())?), None]),
            Self::ForwardActivated => {
                let weight = pack(b, layout)?;
                let results = || weight.results(a.size()[0]);
                let [before, after] = [results()?, results()?];
                let to = Shared([outputs(&before)?, outputs(&after)?]);
                let bias = in_fp32(c)?;
                // SAFETY: the results of all blocks are writable.
                each_block(a, &weight, bias.as_ref(), |block, some| unsafe {
                    block.write_activated(activation, to.get(), some);
                })?;
                Ok([Some(before), Some(after)])
            }
            Self::Input => Ok([Some(linear(a, &pack(b, options.turned())?, None)?), None]),
            Self::InputDerivative => {
                let (before, weight) = (c.ok_or_else(missing)?, pack(b, options.turned())?);
                let made = weight.results(a.size()[0])?;
                let to = Shared([outputs(before)?, outputs(&made)?]);
                // SAFETY: as above; the input of the activation has the same shape.
                each_block(a, &weight, None, |block, some| unsafe {
                    block.write_derivative(activation, to.get(), some);
                })?;
                Ok([Some(made), None])
            }
            Self::Weight => {
                let weight = c.ok_or_else(missing)?;
                let made = Tensor::f_empty(weight.size(), (weight.f_kind()?, Device::Cpu))?;
                // The gradient is the left factor in one layout and the right factor in the other.
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
            Self::Derivative => Ok([Some(times_derivative(a, b, activation)?), None]),
        }
    }
}

/// A gradient multiplied by the derivative of the activation at its input `before`.
fn times_derivative(grad: &Tensor, before: &Tensor, activation: FusedActivation) -> Result<Tensor> {
    let (before, made) = (before.f_contiguous()?, grad.f_contiguous()?.f_empty_like()?);
    let grad = grad.f_contiguous()?;
    let all = Shared([outputs(&grad)?, outputs(&before)?, outputs(&made)?]);
    let rows = grad.size2()?.0 as usize;
    each(c"sst::activation_derivative", rows.div_ceil(BLOCK), |_, block| {
        let [grad, before, made] = all.get();
        // SAFETY: the processor has the features, as it has computed a product of these tensors. They have one shape,
        // and no other thread has these rows.
        unsafe {
            for row in block * BLOCK..rows.min((block + 1) * BLOCK) {
                write_derivatives(activation, [grad, before], made, row);
            }
        }
    })?;
    Ok(made)
}

fn in_fp32(bias: Option<&Tensor>) -> Result<Option<Tensor>> {
    Ok(bias.map(|bias| bias.f_to_kind(Kind::Float)?.f_contiguous()).transpose()?)
}

/// Computes up to two tensors from up to three. A panic does not unwind across the C boundary.
unsafe extern "C" fn product(
    what: c_int,
    options: c_int,
    from: *const *const C_tensor,
    made: *mut *mut C_tensor,
    message: *mut c_char,
    room: usize,
) -> c_int {
    let run = || {
        // SAFETY: three pointers, each null or to a live tensor, which is copied as a handle.
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
    // SAFETY: the pointers for two tensors, which the bridge takes over, and room for the message.
    unsafe { hand_over(result, made, message, room) }
}
