//! A loss that is NaN never changes the weights.

use sst_train::{Fault, FitConfig, Precision, TrainError};

use crate::toy::{Run, config};

#[test]
fn a_step_with_a_nan_loss_changes_no_weights_and_its_error_names_its_rows() {
    let (good, bad) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut three = Run::new(good.path());
    three.fit(config(3)).unwrap();

    let mut run = Run::new(bad.path());
    run.fault = Some(Fault::NanLoss { step: 4 });
    let error = run.fit(FitConfig { save_every: Some(2), ..config(9) }).unwrap_err();
    let text = error.to_string();
    let TrainError::NonFinite { step, loss, grad_norm, keys } = error else { panic!("{text}") };
    assert_eq!((step, keys.len()), (4, 8));
    assert!(loss.is_nan() && grad_norm.is_nan());
    assert!(text.contains("step 4") && text.contains("rows.txt:"), "{text}");
    // The program adds its own name of the setting at the end.
    assert!(text.ends_with("or lower `optimizer.lr`"), "{text}");
    assert_eq!(run.model.values(), three.model.values(), "as after step 3");
    assert_eq!(run.objective.values(), three.objective.values());
    // The newest checkpoint is the one before that step.
    assert_eq!(run.saver().latest_good().unwrap().unwrap().step(), 2);
}

#[test]
fn a_nan_loss_is_found_under_autocast() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.fault = Some(Fault::NanLoss { step: 1 });
    let before = run.model.values();
    let error = run.fit(FitConfig { precision: Precision::Bf16, ..config(2) }).unwrap_err();
    assert!(matches!(error, TrainError::NonFinite { step: 1, .. }), "{error}");
    assert_eq!(run.model.values(), before);
}
