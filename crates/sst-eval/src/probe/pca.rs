//! Principal components, the linear code of pictures or vectors that loses the least.
//!
//! Shapes: m rows that components are found from, n rows of any part, f features, k components.

use tch::{Kind, Tensor};

use super::data::{check_features, chunks};
use super::error::ProbeError;

/// Variances below this share of the greatest one are rounding.
const LEAST_VARIANCE: f64 = 1e-10;

/// The directions of the greatest variance.
#[derive(Debug)]
pub struct Pca {
    mean_f: Tensor,
    /// `[f, k]`, of length 1 each.
    components_fk: Tensor,
    variances: Vec<f64>,
}

/// The first `count` principal components of rows `[m, f]`, in fp64; fewer, if the rows vary in fewer directions. They are
/// those of scikit-learn's `PCA`, but for their signs.
///
/// # Errors
/// If the features are not finite numbers of two dimensions, there are fewer than two rows, all rows are equal, `count` is
/// below 1, or libtorch fails.
pub fn pca(features_mf: &Tensor, count: i64) -> Result<Pca, ProbeError> {
    let (rows, features) = check_features(features_mf)?;
    if rows < 2 {
        return Err(ProbeError::Rows { what: "principal components", rows, needed: 2 });
    }
    if count < 1 {
        let reason = format!("{count} components are none");
        return Err(ProbeError::Option { key: "count", reason });
    }
    let mean_f = features_mf.f_mean_dim([0_i64].as_slice(), false, Kind::Double)?;
    let centered = |first: i64, count: i64| -> Result<Tensor, ProbeError> {
        let x = features_mf.f_narrow(0, first, count)?.f_detach()?.f_to_kind(Kind::Double)?;
        Ok(x.f_sub(&mean_f)?)
    };
    // The smaller of the two matrices of products has the same eigenvalues, 0 aside.
    let is_wide = features > rows;
    let products = if is_wide {
        let x_mf = centered(0, rows as i64)?;
        x_mf.f_mm(&x_mf.f_transpose(0, 1)?)?
    } else {
        let options = (Kind::Double, features_mf.device());
        let mut sum_ff = Tensor::f_zeros([features as i64; 2], options)?;
        for (first, count) in chunks(rows as i64) {
            let x_bf = centered(first, count)?;
            let _ = sum_ff.f_addmm_(&x_bf.f_transpose(0, 1)?, &x_bf)?;
        }
        sum_ff
    };
    // Ascending eigenvalues.
    let (values, vectors) = products.f_linalg_eigh("L")?;
    let values = Vec::<f64>::try_from(&values)?;
    let greatest = values.last().copied().unwrap_or_default();
    if greatest <= 0.0 {
        let reason = "all rows are equal, so there is no direction of variance".to_owned();
        return Err(ProbeError::Option { key: "features", reason });
    }
    let kept = values.iter().rev().take(count as usize);
    let kept: Vec<f64> = kept.copied().take_while(|v| *v > LEAST_VARIANCE * greatest).collect();
    let (all, k) = (values.len() as i64, kept.len() as i64);
    let vectors = vectors.f_narrow(1, all - k, k)?.f_flip([1])?;
    let components_fk = if is_wide {
        let lengths: Vec<f64> = kept.iter().map(|value| value.sqrt()).collect();
        let lengths_k = Tensor::f_from_slice(&lengths)?.f_to_device(vectors.device())?;
        let x_fm = centered(0, rows as i64)?.f_transpose(0, 1)?;
        x_fm.f_mm(&vectors)?.f_div(&lengths_k)?
    } else {
        vectors
    };
    let variances = kept.iter().map(|value| value / (rows - 1) as f64).collect();
    Ok(Pca { mean_f, components_fk: components_fk.f_contiguous()?, variances })
}

impl Pca {
    /// k, the number of components.
    pub fn count(&self) -> usize {
        self.variances.len()
    }

    /// The variance along each component, falling: scikit-learn's `explained_variance_`.
    pub fn variances(&self) -> &[f64] {
        &self.variances
    }

    /// The components, `[f, k]` in fp64.
    pub fn components_fk(&self) -> &Tensor {
        &self.components_fk
    }

    /// The coordinates `[n, k]` of rows `[n, f]` along the components, in fp32.
    ///
    /// # Errors
    /// If the rows are not finite numbers of this width, or libtorch fails.
    pub fn project(&self, features_nf: &Tensor) -> Result<Tensor, ProbeError> {
        let (rows, found) = check_features(features_nf)?;
        let expected = self.components_fk.size()[0] as usize;
        if found != expected {
            return Err(ProbeError::Width { expected, found });
        }
        let mut parts = Vec::new();
        for (first, count) in chunks(rows as i64) {
            let x = features_nf.f_narrow(0, first, count)?.f_detach()?.f_to_kind(Kind::Double)?;
            let projected = x.f_sub(&self.mean_f)?.f_mm(&self.components_fk)?;
            parts.push(projected.f_to_kind(Kind::Float)?);
        }
        Ok(Tensor::f_cat(&parts, 0)?)
    }
}
