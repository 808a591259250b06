//! Linear, LayerNorm, Embedding and dropout.

use sst_kernels::{
    Affine, Lookup, Norm, add_norm, embedding_sum, fast_dropout, fork, has_residual_kernel, joint,
    norm, product_kind, residual_norm,
};
use tch::{Kind, Tensor};

use super::product::linear;
use crate::error::{Error, Result};
use crate::params::{Init, Scope};

/// `y = x W^T + b`.
#[derive(Debug)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Option<Tensor>,
}

impl Linear {
    /// A layer with a bias at zero; the weight starts normal with standard deviation `std`.
    ///
    /// # Errors
    /// If a name is taken, or libtorch fails.
    pub fn new(scope: &Scope<'_>, input: i64, output: i64, std: f64) -> Result<Self> {
        let weight = scope.param("weight", &[output, input], Init::Normal(std))?;
        let bias = Some(scope.param("bias", &[output], Init::Zeros)?);
        Ok(Self { weight, bias })
    }

    /// A layer without a bias.
    ///
    /// # Errors
    /// As for [`Linear::new`].
    pub fn without_bias(scope: &Scope<'_>, input: i64, output: i64, std: f64) -> Result<Self> {
        let weight = scope.param("weight", &[output, input], Init::Normal(std))?;
        Ok(Self { weight, bias: None })
    }

    /// The same, but the weight starts as it would in the scope `like`.
    ///
    /// # Errors
    /// As for [`Linear::new`].
    pub fn new_like(
        scope: &Scope<'_>,
        like: &Scope<'_>,
        input: i64,
        output: i64,
        std: f64,
    ) -> Result<Self> {
        let weight = scope.param_like(like, "weight", &[output, input], Init::Normal(std))?;
        let bias = Some(scope.param("bias", &[output], Init::Zeros)?);
        Ok(Self { weight, bias })
    }

    /// Another handle on the same parameters.
    pub fn handle(&self) -> Self {
        let bias = self.bias.as_ref().map(Tensor::shallow_clone);
        Self { weight: self.weight.shallow_clone(), bias }
    }

    /// Its parameters.
    pub fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        std::iter::once(&self.weight).chain(&self.bias)
    }

    /// Applies three layers of one input in one product: their outputs side by side.
    ///
    /// # Errors
    /// If widths differ, one has a bias and another none, or libtorch fails.
    pub fn forward_joint(layers: [&Self; 3], x: &Tensor) -> Result<Tensor> {
        let weight = joint(layers.map(|layer| &layer.weight))?;
        let bias = match layers.map(|layer| layer.bias.as_ref()) {
            [Some(a), Some(b), Some(c)] => Some(joint([a, b, c])?),
            [None, None, None] => None,
            _ => return Err(Error::Contract("all layers or none must have a bias".to_owned())),
        };
        linear(x, &weight, bias.as_ref())
    }

    /// Applies it to the last dimension.
    ///
    /// # Errors
    /// If the width differs, or libtorch fails.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        linear(x, &self.weight, self.bias.as_ref())
    }

    /// Its parameters, for products of several layers.
    pub fn affine(&self) -> Affine<'_> {
        Affine { weight: &self.weight, bias: self.bias.as_ref() }
    }
}

/// Normalises the last dimension (Ba et al. 2016).
#[derive(Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// Weight one, bias zero.
    ///
    /// # Errors
    /// If a name is taken, or libtorch fails.
    pub fn new(scope: &Scope<'_>, width: i64, eps: f64) -> Result<Self> {
        let weight = scope.param("weight", &[width], Init::Ones)?;
        let bias = scope.param("bias", &[width], Init::Zeros)?;
        Ok(Self { weight, bias, eps })
    }

    /// Another handle on the same parameters.
    pub fn handle(&self) -> Self {
        let (weight, bias) = (self.weight.shallow_clone(), self.bias.shallow_clone());
        Self { weight, bias, eps: self.eps }
    }

    /// Its parameters.
    pub fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        [&self.weight, &self.bias].into_iter()
    }

    /// Applies it to `dropout(x) + residual`, the end of each half of a layer whose norm comes last. Two handles on
    /// the result: for the products and for the residual that it goes on to.
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

    /// Applies it before a product, in the type that this has.
    ///
    /// # Errors
    /// If the width differs, or libtorch fails.
    pub fn before(&self, x: &Tensor) -> Result<Tensor> {
        match norm_kind(x)? {
            Some(kind) => Ok(norm(x, self.kernel(), kind)?),
            None => self.forward(x),
        }
    }

    /// The sum of `dropout(x)` and `residual`, and this before a product: what stands between the halves of a
    /// layer whose norms come first.
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

    /// Applies it.
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
    /// Weight one.
    ///
    /// # Errors
    /// If the name is taken, or libtorch fails.
    pub fn new(scope: &Scope<'_>, width: i64, eps: f64) -> Result<Self> {
        Ok(Self { weight: scope.param("weight", &[width], Init::Ones)?, eps })
    }

    /// Another handle on the same parameter.
    pub fn handle(&self) -> Self {
        Self { weight: self.weight.shallow_clone(), eps: self.eps }
    }

    /// Applies it before a product, in the type that this has.
    ///
    /// # Errors
    /// If the width differs, or libtorch fails.
    pub fn before(&self, x: &Tensor) -> Result<Tensor> {
        match norm_kind(x)? {
            Some(kind) => Ok(norm(x, self.kernel(), kind)?),
            None => self.forward(x),
        }
    }

    /// The sum of `x` and `residual`, and this before a product, as [`LayerNorm::between`].
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

    /// Applies it; the mean is taken in fp32.
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

/// The type of a product of the norm of `x`, where that has a kernel.
fn norm_kind(x: &Tensor) -> Result<Option<Kind>> {
    let kind = product_kind(x)?;
    let has_kernel = has_residual_kernel(x) && matches!(kind, Kind::Float | Kind::BFloat16);
    Ok(has_kernel.then_some(kind))
}

/// A table of vectors.
#[derive(Debug)]
pub struct Embedding {
    /// `[count, d]`.
    pub weight: Tensor,
    padding_id: i64,
}

impl Embedding {
    /// A table; the row `padding_id` gets no gradient, as in PyTorch.
    ///
    /// # Errors
    /// If the name is taken, or libtorch fails.
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

    /// The rows of `ids`.
    ///
    /// # Errors
    /// If an id is outside the table, or libtorch fails.
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        Self::sum(&[(self, ids)])
    }

    /// The sum of the rows of several tables, whose ids have one shape.
    ///
    /// # Errors
    /// If there is no table, an id is outside its table, or libtorch fails.
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

/// Dropout with probability `p`; nothing when not training.
///
/// # Errors
/// If libtorch fails.
pub fn dropout(x: Tensor, p: f64, train: bool) -> Result<Tensor> {
    if !train || p == 0.0 {
        Ok(x)
    } else if has_residual_kernel(&x) && p < 1.0 {
        // libtorch's draws its mask on one thread.
        Ok(fast_dropout(&x, p)?)
    } else {
        Ok(x.f_dropout(p, true)?)
    }
}
