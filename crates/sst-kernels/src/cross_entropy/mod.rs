//! Softmax cross-entropy and its gradient in one pass over the logits, which keep their type. libtorch makes fp32
//! copies of the logits, the log-probabilities and the gradients.

mod kernel;

use kernel::{Problem, Token, run};
use tch::{Device, Kind, Tensor};

use super::cpu::CpuLevel;
use super::grad::{grad_enabled, with_gradients};
use super::number::Kind as Number;
use super::parallel::parallel;
use crate::error::{Error, Result};

/// The number of tokens that a thread takes at a time.
const TOKENS: usize = 8;

/// The options of [`cross_entropy`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CrossEntropy {
    /// The label of tokens that are left out, as in PyTorch's `cross_entropy`.
    pub ignore_index: i64,
    /// The weight of the z-loss, the squared logarithm of the softmax's denominator, which is added to the loss.
    pub z_loss: f64,
}

/// The results of [`cross_entropy`]: sums over the tokens that count, as fp32 scalars on the CPU.
#[derive(Debug)]
pub struct CrossEntropySums {
    /// The loss in nats, with the z-loss.
    pub loss: Tensor,
    /// The z-loss alone, not differentiable.
    pub z_loss: Tensor,
    /// The number of tokens whose label has the largest logit. Among equal logits the first is the largest.
    pub correct: Tensor,
}

/// Whether [`cross_entropy`] accepts these logits: a matrix on the CPU in fp32 or bf16.
pub fn has_cross_entropy_kernel(logits: &Tensor) -> bool {
    let is_kind = matches!(logits.kind(), Kind::Float | Kind::BFloat16);
    logits.device() == Device::Cpu && is_kind && logits.dim() == 2
}

/// The summed softmax cross-entropy of labels `[n]` (int64) and logits `[n, v]` (fp32 or bf16). Differentiable once with
/// respect to the logits. Sums are accumulated in fp32 or wider. A logit that is NaN or plus infinity makes the loss NaN; a
/// logit of minus infinity has probability zero.
///
/// # Errors
/// If shapes or types do not fit, a label is outside the vocabulary, or libtorch fails.
pub fn cross_entropy(
    logits: &Tensor,
    labels: &Tensor,
    options: CrossEntropy,
) -> Result<CrossEntropySums> {
    let broken = |what: String| Err(Error::Contract(format!("cross-entropy: {what}")));
    if !has_cross_entropy_kernel(logits) {
        return broken("two dimensions of fp32 or bf16 on the CPU are needed".to_owned());
    }
    let (count, vocab) = logits.size2()?;
    if labels.size() != [count] || labels.kind() != Kind::Int64 || labels.device() != Device::Cpu {
        return broken("there must be one int64 label for each row of logits".to_owned());
    }
    let numbers: Vec<i64> = Vec::try_from(labels)?;
    let is_known = |label: &i64| *label == options.ignore_index || (0..vocab).contains(label);
    if let Some(label) = numbers.iter().find(|label| !is_known(label)) {
        return broken(format!("label {label} is outside the vocabulary of {vocab}"));
    }
    let source = logits.f_detach()?.f_contiguous()?;
    let wants_grad = logits.requires_grad() && grad_enabled()?;
    let gradient = wants_grad.then(|| source.f_empty_like()).transpose()?;
    let tokens: Vec<Token> = numbers.iter().map(|_| Token::default()).collect();
    let problem = Problem {
        logits: source.data_ptr(),
        gradient: gradient.as_ref().map_or(std::ptr::null_mut(), Tensor::data_ptr),
        kind: if source.kind() == Kind::Float { Number::Float } else { Number::BFloat16 },
        labels: &numbers,
        tokens: &tokens,
        vocab: vocab as usize,
        ignore_index: options.ignore_index,
        z_loss: options.z_loss as f32,
    };
    let level = CpuLevel::current();
    // SAFETY: contiguous tensors of the sizes that stand in the problem, alive until all threads have returned;
    // the tokens of a block are one thread's.
    parallel(c"sst::cross_entropy", tokens.len().div_ceil(TOKENS), |block| unsafe {
        run(level, &problem, block * TOKENS..tokens.len().min((block + 1) * TOKENS));
    })?;
    let sum = |of: fn(&Token) -> f32| {
        let sum: f64 = tokens.iter().map(|token| f64::from(of(token))).sum();
        Tensor::f_from_slice(&[sum as f32])?.f_squeeze()
    };
    let loss = sum(Token::loss)?;
    Ok(CrossEntropySums {
        loss: match gradient {
            Some(gradient) => with_gradients(&loss, &[logits], vec![gradient])?,
            None => loss,
        },
        z_loss: sum(Token::z_loss)?,
        correct: sum(Token::correct)?,
    })
}
