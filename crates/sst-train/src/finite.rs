//! The check that the loss and the gradient norm of a step are finite. A step that fails it does not change the
//! weights.

use sst_data::Key;
use tch::{Kind, Tensor};

use crate::error::TrainError;

/// Checks every step. On the CPU the host reads the result at once. On an accelerator that would make the host wait, so
/// the result stays on the device, where it turns the update into one that changes nothing. The host reads it when it
/// next waits for the device anyway: [`FiniteCheck::read_deferred`].
#[derive(Debug)]
pub(crate) struct FiniteCheck {
    is_deferred: bool,
    /// The steps whose results the host has not read yet, with the keys of their rows.
    pending: Vec<(u64, Vec<Key>)>,
    /// The first step among them that is not finite, as an f64 tensor `[3]`: its number, loss and gradient norm. The
    /// number is 0 if all steps are finite.
    first_bad: Option<Tensor>,
}

impl FiniteCheck {
    /// `is_deferred` says that the results stay on the device, which is an accelerator.
    pub(crate) fn new(is_deferred: bool) -> Self {
        Self { is_deferred, pending: Vec::new(), first_bad: None }
    }

    /// Checks the mean loss and the gradient norm of step `step`, counted from 1, whose rows have the keys `keys`.
    /// Returns `found_inf` for the optimiser if the result stays on the device: an fp32 scalar, which is 1 if `loss` or
    /// `norm` is not finite and else 0.
    ///
    /// # Errors
    /// If libtorch fails; on the CPU also if `loss` or `norm` is not finite.
    pub(crate) fn check(
        &mut self,
        step: u64,
        loss: &Tensor,
        norm: &Tensor,
        keys: Vec<Key>,
    ) -> Result<Option<Tensor>, TrainError> {
        if !self.is_deferred {
            let (loss, grad_norm) = (loss.f_double_value(&[])?, norm.f_double_value(&[])?);
            return match loss.is_finite() && grad_norm.is_finite() {
                true => Ok(None),
                false => Err(TrainError::NonFinite { step, loss, grad_norm, keys }),
            };
        }
        let (loss, norm) = (loss.f_to_kind(Kind::Double)?, norm.f_to_kind(Kind::Double)?);
        let found_inf = loss.f_add(&norm)?.f_isfinite()?.f_logical_not()?.f_to_kind(Kind::Float)?;
        // `f_mul_scalar` passes the step as an argument. A tensor made on the host would have to be copied to the
        // device.
        let bad_step = found_inf.f_to_kind(Kind::Double)?.f_mul_scalar(step as f64)?;
        let result = Tensor::f_stack(&[bad_step, loss, norm], 0)?;
        self.first_bad = Some(match self.first_bad.take() {
            None => result,
            Some(first) => first.f_where_self(&first.f_select(0, 0)?.f_gt(0.0)?, &result)?,
        });
        self.pending.push((step, keys));
        Ok(Some(found_inf))
    }

    /// Reads the results that stayed on the device since the last call, which waits for the device.
    ///
    /// # Errors
    /// If one of the steps was not finite: the first one, with the keys of its rows.
    pub(crate) fn read_deferred(&mut self) -> Result<(), TrainError> {
        let pending = std::mem::take(&mut self.pending);
        let Some(first_bad) = self.first_bad.take() else { return Ok(()) };
        let numbers = Vec::<f64>::try_from(first_bad).map_err(TrainError::from)?;
        let [step, loss, grad_norm] = numbers[..] else { return Ok(()) };
        let step = step as u64;
        match pending.into_iter().find(|(number, _)| *number == step) {
            None => Ok(()),
            Some((_, keys)) => Err(TrainError::NonFinite { step, loss, grad_norm, keys }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks steps with these losses and gradient norms, of which `bad` is the first one that is not finite.
    #[track_caller]
    fn check(steps: &[(f32, f32)], bad: Option<u64>) {
        let (mut deferred, mut at_once) = (FiniteCheck::new(true), FiniteCheck::new(false));
        for (step, (loss, norm)) in (1..).zip(steps) {
            let is_bad = !(loss.is_finite() && norm.is_finite());
            let keys = vec![Key::new("a.txt", step)];
            let (loss, norm) = (Tensor::from(*loss), Tensor::from(*norm));
            let found_inf = deferred.check(step, &loss, &norm, keys.clone()).unwrap().unwrap();
            assert_eq!(found_inf.double_value(&[]), f64::from(u8::from(is_bad)), "step {step}");
            match at_once.check(step, &loss, &norm, keys.clone()) {
                Ok(found_inf) => assert!(!is_bad && found_inf.is_none(), "step {step}"),
                Err(TrainError::NonFinite { step: bad_step, keys: bad_keys, .. }) => {
                    assert!(is_bad && bad_step == step && bad_keys == keys, "step {step}");
                }
                Err(error) => panic!("step {step}: {error}"),
            }
        }
        match (deferred.read_deferred(), bad) {
            (Ok(()), None) => {}
            (Err(TrainError::NonFinite { step, keys, .. }), Some(bad)) => {
                assert_eq!((step, keys), (bad, vec![Key::new("a.txt", bad)]));
            }
            (result, _) => panic!("{result:?}, expected {bad:?}"),
        }
        assert!(deferred.read_deferred().is_ok(), "results are read once");
    }

    #[test]
    fn reading_the_results_finds_the_first_bad_step() {
        check(&[], None);
        check(&[(1.0, 2.0), (3.0, 0.0)], None);
        check(&[(f32::NAN, 2.0)], Some(1));
        check(&[(1.0, 2.0), (1.0, f32::INFINITY), (1.0, 1.0)], Some(2));
        check(&[(1.0, 2.0), (f32::NEG_INFINITY, f32::INFINITY), (f32::NAN, 1.0)], Some(2));
    }
}
