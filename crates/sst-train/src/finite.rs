//! Loss and gradient norm must be finite, or the step does not reach the weights.

use sst_data::Key;
use tch::{Kind, Tensor};

use crate::error::TrainError;

/// Checks every step. On the CPU the host reads the result at once. On an accelerator the result stays on the device,
/// where it makes the update do nothing, and the host reads it when it synchronises for another reason.
#[derive(Debug)]
pub(crate) struct FiniteCheck {
    deferred: bool,
    /// The steps since the last look and the rows of each.
    pending: Vec<(u64, Vec<Key>)>,
    /// Step, loss and norm of the first bad step since the last look, f64 `[3]`; step 0 for none.
    first_bad: Option<Tensor>,
}

impl FiniteCheck {
    /// `deferred` for an accelerator.
    pub(crate) fn new(deferred: bool) -> Self {
        Self { deferred, pending: Vec::new(), first_bad: None }
    }

    /// The `found_inf` of this step for the optimiser, if the host does not look at once: an fp32 scalar, 1 if `loss`
    /// (the mean of the step) or `norm` is not finite.
    ///
    /// # Errors
    /// On the CPU if they are not finite; if libtorch fails.
    pub(crate) fn watch(
        &mut self,
        step: u64,
        loss: &Tensor,
        norm: &Tensor,
        keys: Vec<Key>,
    ) -> Result<Option<Tensor>, TrainError> {
        if !self.deferred {
            let (loss, grad_norm) = (loss.f_double_value(&[])?, norm.f_double_value(&[])?);
            return match loss.is_finite() && grad_norm.is_finite() {
                true => Ok(None),
                false => Err(TrainError::NonFinite { step, loss, grad_norm, keys }),
            };
        }
        let (loss, norm) = (loss.f_to_kind(Kind::Double)?, norm.f_to_kind(Kind::Double)?);
        let found = loss.f_add(&norm)?.f_isfinite()?.f_logical_not()?.f_to_kind(Kind::Float)?;
        // The step goes in as a factor, because a scalar made on the host would have to be copied over.
        let bad_step = found.f_to_kind(Kind::Double)?.f_mul_scalar(step as f64)?;
        let record = Tensor::f_stack(&[bad_step, loss, norm], 0)?;
        self.first_bad = Some(match self.first_bad.take() {
            None => record,
            Some(first) => first.f_where_self(&first.f_select(0, 0)?.f_gt(0.0)?, &record)?,
        });
        self.pending.push((step, keys));
        Ok(Some(found))
    }

    /// Reads the results of all steps since the last call. Synchronises with the device.
    ///
    /// # Errors
    /// If one of them was not finite.
    pub(crate) fn look(&mut self) -> Result<(), TrainError> {
        let pending = std::mem::take(&mut self.pending);
        let Some(record) = self.first_bad.take() else { return Ok(()) };
        let record = Vec::<f64>::try_from(record).map_err(TrainError::from)?;
        let [step, loss, grad_norm] = record[..] else { return Ok(()) };
        let step = step as u64;
        match pending.into_iter().find(|(at, _)| *at == step) {
            None => Ok(()),
            Some((_, keys)) => Err(TrainError::NonFinite { step, loss, grad_norm, keys }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The losses and norms of steps 1, 2, ... and the first bad step.
    #[track_caller]
    fn check(steps: &[(f32, f32)], bad: Option<u64>) {
        let (mut deferred, mut at_once) = (FiniteCheck::new(true), FiniteCheck::new(false));
        for (step, (loss, norm)) in (1..).zip(steps) {
            let is_bad = !(loss.is_finite() && norm.is_finite());
            let keys = vec![Key::new("a.txt", step)];
            let (loss, norm) = (Tensor::from(*loss), Tensor::from(*norm));
            let found = deferred.watch(step, &loss, &norm, keys.clone()).unwrap().unwrap();
            assert_eq!(found.double_value(&[]), f64::from(u8::from(is_bad)), "step {step}");
            match at_once.watch(step, &loss, &norm, keys.clone()) {
                Ok(found) => assert!(!is_bad && found.is_none(), "step {step}"),
                Err(TrainError::NonFinite { step: at, keys: its, .. }) => {
                    assert!(is_bad && at == step && its == keys, "step {step}");
                }
                Err(error) => panic!("step {step}: {error}"),
            }
        }
        match (deferred.look(), bad) {
            (Ok(()), None) => {}
            (Err(TrainError::NonFinite { step, keys, .. }), Some(bad)) => {
                assert_eq!((step, keys), (bad, vec![Key::new("a.txt", bad)]));
            }
            (result, _) => panic!("{result:?}, expected {bad:?}"),
        }
        assert!(deferred.look().is_ok(), "what was looked at is forgotten");
    }

    #[test]
    fn the_first_bad_step_is_found_when_the_host_looks() {
        check(&[], None);
        check(&[(1.0, 2.0), (3.0, 0.0)], None);
        check(&[(f32::NAN, 2.0)], Some(1));
        check(&[(1.0, 2.0), (1.0, f32::INFINITY), (1.0, 1.0)], Some(2));
        check(&[(1.0, 2.0), (f32::NEG_INFINITY, f32::INFINITY), (f32::NAN, 1.0)], Some(2));
    }
}
