//! Linear centred kernel alignment (CKA): how similar two sets of vectors of the same rows are, whatever their widths, and up
//! to rotation and scale (Kornblith, Norouzi, Lee and Hinton 2019, "Similarity of Neural Network Representations
//! Revisited").
//!
//! Shapes: n rows, d and e features, b rows of a block. With centred features `X` `[n, d]` and `Y` `[n, e]`, the kernels are
//! `K = X X^T` and `L = Y Y^T`.
//!
//! All is summed in fp64, in blocks of rows: memory is that of one block and of a matrix `[d, e]` or `[b, b]`.

use tch::{Kind, Tensor};

use super::data::{check_features, chunks};
use super::error::ProbeError;

/// Rows and columns of a block of kernels that is made at once, where there are fewer rows than features.
const KERNEL_BLOCK: i64 = 1024;

/// `||X^T Y||_F^2 / (||X^T X||_F ||Y^T Y||_F)` (Kornblith et al., section 3): from 0 to 1 for equal up to rotation and scale.
///
/// It is biased upwards with few rows: for independent features it tends to 1 as the widths grow beyond n. Prefer
/// [`debiased_cka`].
///
/// # Errors
/// If the features are not finite numbers `[n, d]` and `[n, e]` of as many rows, those of one side are all the same, or
/// libtorch fails.
pub fn cka(x_nd: &Tensor, y_ne: &Tensor) -> Result<f64, ProbeError> {
    Sides::new(x_nd, y_ne, 2)?.alignment(|products, _, _| products)
}

/// CKA with the unbiased estimator of HSIC (Nguyen, Raghu and Kornblith 2021, "Do Wide and Deep Networks Learn the Same
/// Things?"; Song et al. 2012, "Feature Selection via Dependence Maximization"). About 0 for
/// independent features, where it may be negative.
///
/// With `K` and `L` without their diagonals, `HSIC = (tr(KL) + 1^T K 1 1^T L 1 / ((n - 1)(n - 2)) - 2 / (n - 2) 1^T K L 1) /
/// (n (n - 3))`. The rows of centred kernels sum to 0, those without the diagonal to minus the squared length of the row's
/// vector, so with squared lengths `k` and `l` this is `||X^T Y||_F^2 - n / (n - 2) k . l + sum k sum l / ((n - 1)(n - 2))`
/// over `n (n - 3)`, which needs no matrix `[n, n]`.
///
/// # Errors
/// As [`cka`], and if there are fewer than 4 rows.
pub fn debiased_cka(x_nd: &Tensor, y_ne: &Tensor) -> Result<f64, ProbeError> {
    let sides = Sides::new(x_nd, y_ne, 4)?;
    let n = sides.rows as f64;
    sides.alignment(|products, k, l| {
        let dot: f64 = k.iter().zip(l).map(|(k, l)| k * l).sum();
        let sums = k.iter().sum::<f64>() * l.iter().sum::<f64>();
        products - n / (n - 2.0) * dot + sums / ((n - 1.0) * (n - 2.0))
    })
}

/// Two sets of vectors of the same rows.
struct Sides {
    rows: usize,
    x: Side,
    y: Side,
}

impl Sides {
    fn new(x_nd: &Tensor, y_ne: &Tensor, needed: usize) -> Result<Self, ProbeError> {
        let ((rows, _), (found, _)) = (check_features(x_nd)?, check_features(y_ne)?);
        if rows != found {
            return Err(ProbeError::Count { what: "second vectors", found, expected: rows });
        }
        if rows < needed {
            return Err(ProbeError::Rows { what: "a similarity", rows, needed });
        }
        let (x, y) = (Side::new("first", x_nd)?, Side::new("second", y_ne)?);
        Ok(Self { rows, x, y })
    }

    /// `h(X, Y) / sqrt(h(X, X) h(Y, Y))`, where `hsic` makes `h` of `||X^T Y||_F^2` and the squared lengths of the rows of
    /// both sides.
    fn alignment(&self, hsic: impl Fn(f64, &[f64], &[f64]) -> f64) -> Result<f64, ProbeError> {
        let (k, l) = (&self.x.squared_lengths, &self.y.squared_lengths);
        let xy = hsic(self.x.products(&self.y)?, k, l);
        let xx = hsic(self.x.products(&self.x)?, k, k);
        let yy = hsic(self.y.products(&self.y)?, l, l);
        for (name, own) in [("first", xx), ("second", yy)] {
            if own <= 0.0 {
                return Err(ProbeError::Constant(name));
            }
        }
        Ok(xy / (xx.sqrt() * yy.sqrt()))
    }
}

/// Vectors that are centred a block at a time.
struct Side {
    vectors_nd: Tensor,
    mean_d: Tensor,
    squared_lengths: Vec<f64>,
}

impl Side {
    fn new(name: &'static str, vectors_nd: &Tensor) -> Result<Self, ProbeError> {
        let vectors_nd = vectors_nd.f_detach()?;
        let (n, d) = vectors_nd.size2()?;
        let mut sum_d = Tensor::f_zeros([d], (Kind::Double, vectors_nd.device()))?;
        for (first, count) in chunks(n) {
            let block_bd = vectors_nd.f_narrow(0, first, count)?;
            sum_d = sum_d.f_add(&sum(&block_bd, 0)?)?;
        }
        let mean_d = sum_d.f_div_scalar(n as f64)?;
        let mut side = Self { vectors_nd, mean_d, squared_lengths: Vec::new() };
        let mut is_constant = true;
        for (first, count) in chunks(n) {
            let block_bd = side.block(first, count)?;
            side.squared_lengths.extend(Vec::<f64>::try_from(&sum(&block_bd.f_square()?, 1)?)?);
            // What rounding leaves of vectors that are all the same.
            let rounding_d = side.mean_d.f_abs()?.f_mul_scalar(n as f64 * f64::EPSILON)?;
            let varies = block_bd.f_abs()?.f_gt_tensor(&rounding_d)?.f_any()?;
            is_constant &= varies.f_int64_value(&[])? == 0;
        }
        if is_constant { Err(ProbeError::Constant(name)) } else { Ok(side) }
    }

    /// Centred vectors in fp64, `[count, d]`.
    fn block(&self, first: i64, count: i64) -> Result<Tensor, ProbeError> {
        let block_bd = self.vectors_nd.f_narrow(0, first, count)?.f_to_kind(Kind::Double)?;
        Ok(block_bd.f_sub(&self.mean_d)?)
    }

    /// `||X^T Y||_F^2`, which is `tr(K L)`: by features if there are more rows than features, else by blocks of kernels.
    fn products(&self, other: &Self) -> Result<f64, ProbeError> {
        let ((n, d), e) = (self.vectors_nd.size2()?, other.vectors_nd.size2()?.1);
        if n > d.max(e) { self.by_features(other) } else { self.by_kernels(other) }
    }

    fn by_features(&self, other: &Self) -> Result<f64, ProbeError> {
        let ((n, d), e) = (self.vectors_nd.size2()?, other.vectors_nd.size2()?.1);
        let mut sum_de = Tensor::f_zeros([d, e], (Kind::Double, self.vectors_nd.device()))?;
        for (first, count) in chunks(n) {
            let (x_bd, y_be) = (self.block(first, count)?, other.block(first, count)?);
            sum_de = sum_de.f_addmm(&x_bd.f_transpose(0, 1)?, &y_be)?;
        }
        Ok(sum_de.f_square()?.f_sum(Kind::Double)?.f_double_value(&[])?)
    }

    fn by_kernels(&self, other: &Self) -> Result<f64, ProbeError> {
        let n = self.vectors_nd.size2()?.0;
        let blocks = || (0..n).step_by(KERNEL_BLOCK as usize);
        let count = |first: i64| KERNEL_BLOCK.min(n - first);
        let kernel = |side: &Self, row: i64, column: i64| {
            let (row_bd, column_bd) =
                (side.block(row, count(row))?, side.block(column, count(column))?);
            Ok::<_, ProbeError>(row_bd.f_mm(&column_bd.f_transpose(0, 1)?)?)
        };
        let mut sum = 0.0;
        for row in blocks() {
            for column in blocks().take_while(|column| *column <= row) {
                let products = kernel(self, row, column)?.f_mul(&kernel(other, row, column)?)?;
                // Kernels are symmetric.
                let times = if column == row { 1.0 } else { 2.0 };
                sum += times * products.f_sum(Kind::Double)?.f_double_value(&[])?;
            }
        }
        Ok(sum)
    }
}

fn sum(x_bd: &Tensor, dimension: i64) -> Result<Tensor, tch::TchError> {
    x_bd.f_sum_dim_intlist([dimension].as_slice(), false, Kind::Double)
}
