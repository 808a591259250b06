//! Concatenates three weights, so that one product replaces three.

use tch::Tensor;

use super::linear::kept_joint;
use crate::error::{Error, Result};
use crate::ffi::{self, check};

/// Concatenates three tensors along their first dimension, such as the weights of the query, key and value projections.
/// Their other dimensions, types and devices must be equal. Matrices are returned in the type that autocast, if it is on,
/// gives to the factors of a product; vectors keep their type. Tensors that are adjacent in memory are not copied.
/// Differentiable once.
///
/// # Errors
/// If shapes, types or devices do not fit, or libtorch fails.
pub fn joint(parts: [&Tensor; 3]) -> Result<Tensor> {
    let rest = |x: &Tensor| x.size().get(1..).map(<[i64]>::to_vec);
    let [a, b, c] = parts;
    let alike = |x: &Tensor| {
        rest(x) == rest(a) && x.device() == a.device() && x.f_kind().ok() == a.f_kind().ok()
    };
    if rest(a).is_none() || !alike(b) || !alike(c) {
        return Err(Error::Contract(
            "the parts of a joint tensor must have equal shapes, types and devices".to_owned(),
        ));
    }
    kept_joint(parts, || {
        let mut made = std::ptr::null_mut();
        // SAFETY: three live tensors whose sizes were checked, and a writable place.
        check(unsafe { ffi::sst_joint(a.as_ptr(), b.as_ptr(), c.as_ptr(), &raw mut made) })?;
        // SAFETY: on success the bridge hands over a new tensor that nothing else owns.
        Ok(unsafe { Tensor::from_ptr(made) })
    })
}
