//! LayerNorm, RMSNorm, embeddings and dropout.

use sst_kernels::{
    Lookup, Norm, add_norm, embedding_sum, fast_dropout, fork, has_residual_kernel, norm,
    product_kind, residual_norm,
};
use tch::{Kind, Tensor};

use crate::error::{Error, Result};
use crate::params::{Init, Scope};

/// Normalises the last dimension (Ba et al. 2016).
#[derive(Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// A norm with weight one and bias zero.
    ///
    /// # Errors
    /// If the name of a parameter is taken, or libtorch fails.
    pub fn new(scope: &Scope<'_>, width: i64, eps: f64) -> Result<Self> {
        let weight = scope.param("weight", &[width], Init::Ones)?;
        let bias = scope.param("bias", &[width], Init::Zeros)?;
        Ok(Self { weight, bias, eps })
    }

    /// A second handle on the same parameters.
    pub fn handle(&self) -> Self {
        let (weight, bias) = (self.weight.shallow_clone(), self.bias.shallow_clone());
        Self { weight, bias, eps: self.eps }
    }

    /// Its parameters.
    pub fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        [&self.weight, &self.bias].into_iter()
    }

    /// The norm of `dropout(x) + residual`, for a post-norm layer. Returns two handles on the result: for the next
    /// product and for the next residual connection.
    ///
    /// # Errors
    /// If shapes differ, or libtorch fails.
    pub fn after(&self, x: Tensor, residual: &Tensor, p: f64, train: bool) -> Result<[Tensor; 2]> {
        if has_residual_kernel(&x) && has_residual_kernel(residual) {
            let p = if train { p } else { 0.0 };
            return Ok(residual_norm(&x, residual, [&self.weight, &self.bias], p, self.eps)?);
        }
        Ok(fork(&self.forward(&dropout(x, p, train)?.f_add(residual)?)?)?)
    }

    /// The norm of the input of a matrix product, in the type of that product.
    ///
    /// # Errors
    /// If the width differs, or libtorch fails.
    pub fn before(&self, x: &Tensor) -> Result<Tensor> {
        match norm_kind(x)? {
            Some(kind) => Ok(norm(x, self.kernel(), kind)?),
            None => self.forward(x),
        }
    }

    /// For a pre-norm layer: returns `dropout(x) + residual`, and the norm of this sum in the type of the next
    /// product.
    ///
    /// # Errors
    /// If shapes differ, or libtorch fails.
    pub fn between(
        &self,
        x: Tensor,
        residual: &Tensor,
        p: f64,
        train: bool,
    ) -> Result<[Tensor; 2]> {
        match (norm_kind(residual)?, has_residual_kernel(&x)) {
            (Some(kind), true) => {
                let [y, sum] =
                    add_norm(&x, residual, self.kernel(), if train { p } else { 0.0 }, kind)?;
                Ok([sum, y])
            }
            _ => {
                let sum = dropout(x, p, train)?.f_add(residual)?;
                let y = self.forward(&sum)?;
                Ok([sum, y])
            }
        }
    }

    fn kernel(&self) -> Norm<'_> {
        Norm { weight: &self.weight, bias: Some(&self.bias), eps: self.eps }
    }

    /// Applies the norm.
    ///
    /// # Errors
    /// If the width differs, or libtorch fails.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if has_residual_kernel(x) {
            return Ok(norm(x, self.kernel(), x.f_kind()?)?);
        }
        Ok(x.f_layer_norm(
            self.weight.size(),
            Some(&self.weight),
            Some(&self.bias),
            self.eps,
            true,
        )?)
    }
}

/// Divides the last dimension by its root mean square (Zhang and Sennrich 2019, "Root Mean Square Layer
/// Normalization").
#[derive(Debug)]
pub struct RmsNorm {
    weight: Tensor,
    eps: f64,
}

impl RmsNorm {
    /// A norm with weight one.
    ///
    /// # Errors
    /// If the name of the parameter is taken, or libtorch fails.
    pub fn new(scope: &Scope<'_>, width: i64, eps: f64) -> Result<Self> {
        Ok(Self { weight: scope.param("weight", &[width], Init::Ones)?, eps })
    }

    /// A second handle on the same parameter.
    pub fn handle(&self) -> Self {
        Self { weight: self.weight.shallow_clone(), eps: self.eps }
    }

    /// The norm of the input of a matrix product, in the type of that product.
    ///
    /// # Errors
    /// If the width differs, or libtorch fails.
    pub fn before(&self, x: &Tensor) -> Result<Tensor> {
        match norm_kind(x)? {
            Some(kind) => Ok(norm(x, self.kernel(), kind)?),
            None => self.forward(x),
        }
    }

    /// Returns `x + residual`, and the norm of this sum in the type of the next product.
    ///
    /// # Errors
    /// If shapes differ, or libtorch fails.
    pub fn between(&self, x: &Tensor, residual: &Tensor) -> Result<[Tensor; 2]> {
        match (norm_kind(residual)?, has_residual_kernel(x)) {
            (Some(kind), true) => {
                let [y, sum] = add_norm(x, residual, self.kernel(), 0.0, kind)?;
                Ok([sum, y])
            }
            _ => {
                let sum = residual.f_add(x)?;
                let y = self.forward(&sum)?;
                Ok([sum, y])
            }
        }
    }

    fn kernel(&self) -> Norm<'_> {
        Norm { weight: &self.weight, bias: None, eps: self.eps }
    }

    /// Applies the norm; the mean square is computed in fp32.
    ///
    /// # Errors
    /// If the width differs, or libtorch fails.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let single = x.f_to_kind(Kind::Float)?;
        let mean = single.f_square()?.f_mean_dim(-1, true, Kind::Float)?;
        let normal = single.f_mul(&mean.f_add_scalar(self.eps)?.f_rsqrt()?)?;
        Ok(self.weight.f_mul(&normal.f_to_kind(x.f_kind()?)?)?)
    }
}

/// The type of a matrix product with the norm of `x`, if the fused kernel can compute that norm; `None` otherwise.
fn norm_kind(x: &Tensor) -> Result<Option<Kind>> {
    let kind = product_kind(x)?;
    let has_kernel = has_residual_kernel(x) && matches!(kind, Kind::Float | Kind::BFloat16);
    Ok(has_kernel.then_some(kind))
}

/// An embedding table.
#[derive(Debug)]
pub struct Embedding {
    /// `[count, d]`.
    pub weight: Tensor,
    padding_id: i64,
}

impl Embedding {
    /// A new table. The row `padding_id` gets no gradient, as in PyTorch.
    ///
    /// # Errors
    /// If the name of the parameter is taken, or libtorch fails.
    pub fn new(
        scope: &Scope<'_>,
        count: i64,
        width: i64,
        padding_id: Option<i64>,
        init: Init,
    ) -> Result<Self> {
        let weight = scope.param("weight", &[count, width], init)?;
        Ok(Self { weight, padding_id: padding_id.unwrap_or(-1) })
    }

    /// The rows of the table at `ids`.
    ///
    /// # Errors
    /// If an id is out of range, or libtorch fails.
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        Self::sum(&[(self, ids)])
    }

    /// The sum of the rows of several tables at ids of the same shape.
    ///
    /// # Errors
    /// If there is no table, an id is out of range, or libtorch fails.
    pub fn sum(tables: &[(&Self, &Tensor)]) -> Result<Tensor> {
        let lookup = |(table, ids): &(&Self, &Tensor)| -> Result<Tensor> {
            Ok(Tensor::f_embedding(&table.weight, ids, table.padding_id, false, false)?)
        };
        let ids: Vec<Tensor> =
            tables.iter().map(|(_, ids)| Ok(ids.f_contiguous()?)).collect::<Result<_>>()?;
        let lookups: Vec<_> =
            tables.iter().zip(&ids).map(|((table, _), ids)| table.at(ids)).collect();
        if lookups.iter().all(Lookup::has_kernel) {
            return Ok(embedding_sum(&lookups)?);
        }
        let Some((first, others)) = tables.split_first() else {
            return Err(Error::Contract("embeddings: there is no table".to_owned()));
        };
        let mut sum = lookup(first)?;
        for table in others {
            let _ = sum.f_add_(&lookup(table)?)?;
        }
        Ok(sum)
    }

    fn at<'a>(&'a self, ids: &'a Tensor) -> Lookup<'a> {
        let padding_id = (self.padding_id >= 0).then_some(self.padding_id);
        Lookup { weight: &self.weight, ids, padding_id }
    }
}

/// Dropout with probability `p`; the identity unless `train` is true.
///
/// # Errors
/// If libtorch fails.
pub fn dropout(x: Tensor, p: f64, train: bool) -> Result<Tensor> {
    if !train || p == 0.0 {
        Ok(x)
    } else if has_residual_kernel(&x) && p < 1.0 {
        // libtorch draws its mask on one thread, which is slower.
        Ok(fast_dropout(&x, p)?)
    } else {
        Ok(x.f_dropout(p, true)?)
    }
}
