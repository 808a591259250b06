//! The objective of logistic regression and its gradient, on tensors in fp64.
//!
//! Shapes: n rows, d features, k rows of weights (1 for two classes, else the number of classes).

use tch::{Kind, Tensor};

use super::error::ProbeError;

/// `mean over rows of -log p(y | x) + ||W||^2 / (2 C n)`, with standardised features and classes that all have a row.
///
/// This is the objective that scikit-learn's solver minimises (`C sum of losses + ||W||^2 / 2`, divided by `C n`). The
/// intercepts are not penalised. Two classes have one row of weights, the logit of the second class, and the logistic
/// loss; three and more have a row each and the softmax.
#[derive(Debug)]
pub(super) struct Objective {
    x_nd: Tensor,
    /// The place of each row's class among the classes.
    targets_n: Tensor,
    /// The one-hot targets `[n, k]`, in fp64.
    targets_nk: Tensor,
    weight_rows: i64,
}

impl Objective {
    /// Takes features `[n, d]` in fp64 and, for each row, the place of its class among `classes`, of which there are two
    /// at least.
    ///
    /// # Errors
    /// If libtorch fails.
    pub(super) fn new(x_nd: Tensor, targets: &[i64], classes: usize) -> Result<Self, ProbeError> {
        let targets_n = Tensor::from_slice(targets).f_to(x_nd.device())?;
        let (weight_rows, targets_nk) = match classes {
            2 => (1, targets_n.f_unsqueeze(1)?),
            _ => (classes as i64, targets_n.f_one_hot(classes as i64)?),
        };
        let targets_nk = targets_nk.f_to_kind(Kind::Double)?;
        Ok(Self { x_nd, targets_n, targets_nk, weight_rows })
    }

    /// The number of parameters: k rows of d weights one after the other, then k intercepts.
    pub(super) fn parameters(&self) -> usize {
        (self.weight_rows * (self.x_nd.size()[1] + 1)) as usize
    }

    /// Weights `[k, d]` and intercepts `[k]` on the device of the features.
    ///
    /// # Errors
    /// If libtorch fails.
    pub(super) fn unpack(&self, parameters: &[f64]) -> Result<(Tensor, Tensor), ProbeError> {
        let (k, d) = (self.weight_rows, self.x_nd.size()[1]);
        let all = Tensor::from_slice(parameters).f_to(self.x_nd.device())?;
        Ok((all.f_narrow(0, 0, k * d)?.f_view([k, d])?, all.f_narrow(0, k * d, k)?))
    }

    /// The objective and its gradient, for the regularisation `c`.
    ///
    /// # Errors
    /// If libtorch fails.
    pub(super) fn value_and_gradient(
        &self,
        parameters: &[f64],
        c: f64,
    ) -> Result<(f64, Vec<f64>), ProbeError> {
        let n = self.x_nd.size()[0] as f64;
        let (weights_kd, intercepts_k) = self.unpack(parameters)?;
        let logits_nk = self.x_nd.f_mm(&weights_kd.f_transpose(0, 1)?)?.f_add(&intercepts_k)?;
        let (loss, probabilities_nk) = if self.weight_rows == 1 {
            // 1 for the second class and -1 for the first.
            let signs_nk = self.targets_nk.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?;
            (logits_nk.f_mul(&signs_nk)?.f_log_sigmoid()?.f_neg()?, logits_nk.f_sigmoid()?)
        } else {
            let log_nk = logits_nk.f_log_softmax(1, None)?;
            let own_n1 = log_nk.f_gather(1, &self.targets_n.f_unsqueeze(1)?, false)?;
            (own_n1.f_neg()?, log_nk.f_exp()?)
        };
        let penalty = weights_kd.f_square()?.f_sum(Kind::Double)?.f_double_value(&[])?;
        let value = loss.f_sum(Kind::Double)?.f_double_value(&[])? / n + penalty / (2.0 * c * n);
        let slopes_nk = probabilities_nk.f_sub(&self.targets_nk)?.f_div_scalar(n)?;
        let weights_kd = weights_kd.f_div_scalar(c * n)?;
        let weights_kd = slopes_nk.f_transpose(0, 1)?.f_mm(&self.x_nd)?.f_add(&weights_kd)?;
        let intercepts_k = slopes_nk.f_sum_dim_intlist([0_i64].as_slice(), false, Kind::Double)?;
        let gradient = Tensor::f_cat(&[weights_kd.f_flatten(0, 1)?, intercepts_k], 0)?;
        Ok((value, Vec::<f64>::try_from(&gradient)?))
    }
}
