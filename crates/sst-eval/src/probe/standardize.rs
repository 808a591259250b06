//! Standardisation of features with the mean and the deviation of the training part.
//!
//! Shapes: n rows of the training part, m rows of any part, d features.

use tch::{Kind, Tensor};

use super::data::chunks;
use super::error::ProbeError;

/// Maps features to zero mean and unit variance on the rows that it was made from: `(x - mean) / deviation`, in fp64, with
/// the deviation of the population (divided by n), as scikit-learn's `StandardScaler` does it.
///
/// A feature that is constant on those rows becomes 0 in every row, whatever value another part has there: nothing can be
/// learned about it. scikit-learn divides it by 1 instead, which is the same on the training part.
#[derive(Debug)]
pub struct Standardizer {
    mean_d: Tensor,
    inverse_d: Tensor,
    constant: usize,
}

impl Standardizer {
    /// Reads mean and deviation from the training part `[n, d]`, in two passes.
    ///
    /// # Errors
    /// If there is no row, or libtorch fails.
    pub fn fit(features_nd: &Tensor) -> Result<Self, ProbeError> {
        let (n, d) = features_nd.size2()?;
        if n == 0 {
            return Err(ProbeError::Rows { what: "standardisation", rows: 0, needed: 1 });
        }
        let like = (Kind::Double, features_nd.device());
        let rows = |first, count| features_nd.f_narrow(0, first, count)?.f_to_kind(Kind::Double);
        let (mut sum_d, mut squares_d) = (Tensor::f_zeros([d], like)?, Tensor::f_zeros([d], like)?);
        for (first, count) in chunks(n) {
            sum_d = sum_d.f_add(&sum_of_rows(&rows(first, count)?)?)?;
        }
        let mean_d = sum_d.f_div_scalar(n as f64)?;
        for (first, count) in chunks(n) {
            let centred_md = rows(first, count)?.f_sub(&mean_d)?;
            squares_d = squares_d.f_add(&sum_of_rows(&centred_md.f_square()?)?)?;
        }
        let variance_d = squares_d.f_div_scalar(n as f64)?;
        // The variance that rounding alone may leave: the mean of n equal numbers is off by up to n eps times the number.
        let rounding_d = mean_d.f_mul_scalar(n as f64 * f64::EPSILON)?.f_square()?;
        let is_constant_d = variance_d.f_le_tensor(&rounding_d)?;
        let inverse_d = variance_d.f_rsqrt()?.f_masked_fill(&is_constant_d, 0.0)?;
        let constant = is_constant_d.f_sum(Kind::Int64)?.f_int64_value(&[])? as usize;
        Ok(Self { mean_d, inverse_d, constant })
    }

    /// Leaves features of width `d` as they are.
    pub(super) fn identity(features_nd: &Tensor) -> Result<Self, ProbeError> {
        let (d, like) = (features_nd.size2()?.1, (Kind::Double, features_nd.device()));
        let (mean_d, inverse_d) = (Tensor::f_zeros([d], like)?, Tensor::f_ones([d], like)?);
        Ok(Self { mean_d, inverse_d, constant: 0 })
    }

    /// A second handle of the same numbers.
    pub(super) fn share(&self) -> Self {
        let (mean_d, inverse_d) = (self.mean_d.shallow_clone(), self.inverse_d.shallow_clone());
        Self { mean_d, inverse_d, constant: self.constant }
    }

    /// How many features are constant on the training part.
    pub fn constant_features(&self) -> usize {
        self.constant
    }

    /// The features `[m, d]` of any part, standardised, in fp64.
    ///
    /// # Errors
    /// If the width is another one, or libtorch fails.
    pub fn apply(&self, features_md: &Tensor) -> Result<Tensor, ProbeError> {
        let (expected, found) = (self.mean_d.size()[0], features_md.size2()?.1);
        if expected != found {
            return Err(ProbeError::Width { expected: expected as usize, found: found as usize });
        }
        let double_md = features_md.f_to_kind(Kind::Double)?;
        Ok(double_md.f_sub(&self.mean_d)?.f_mul(&self.inverse_d)?)
    }
}

fn sum_of_rows(x_md: &Tensor) -> Result<Tensor, tch::TchError> {
    x_md.f_sum_dim_intlist([0_i64].as_slice(), false, Kind::Double)
}
