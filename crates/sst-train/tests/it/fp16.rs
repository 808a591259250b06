//! Loss scaling: the scale follows PyTorch's rule, and a step whose gradients overflow is skipped.

use sst_core::Event;
use sst_train::scaler::MIN_SCALE;
use sst_train::{
    Fault, FitConfig, LossScaling, Outcome, Precision, Scaler, ScalerState, TrainError,
};
use tch::{Kind, Tensor};

use crate::toy::{Run, Toy, config};

fn fp16(total_steps: u64, loss_scaling: LossScaling) -> FitConfig {
    FitConfig { precision: Precision::Fp16, loss_scaling, log_every: 1, ..config(total_steps) }
}

fn starting_at(init_scale: f32) -> LossScaling {
    LossScaling { init_scale, ..LossScaling::default() }
}

/// The expected values are those of libtorch's `_amp_update_scale_`.
#[test]
fn the_scale_changes_as_in_libtorch() {
    let config = LossScaling { growth_interval: 3, ..LossScaling::default() };
    let mut scaler = Scaler::new(config, None).unwrap();
    let mut scale = Tensor::from(config.init_scale);
    let mut tracker = Tensor::zeros([], (Kind::Int, tch::Device::Cpu));
    let mut rng = sst_data::SeqRng::new(1, "test", 0, 0);
    for step in 0..300 {
        let good = !rng.chance(0.25);
        let found_inf = Tensor::from(if good { 0_f32 } else { 1.0 });
        let _ = scale.internal_amp_update_scale_(&tracker.shallow_clone(), &found_inf, 2.0, 0.5, 3);
        assert_eq!(scaler.accepts(1.0, if good { 1.0 } else { f64::INFINITY }), good);
        let want = (scale.double_value(&[]), tracker.int64_value(&[]));
        let ScalerState { scale, good_steps } = scaler.state();
        assert_eq!((f64::from(scale), good_steps as i64), want, "step {step}");
        tracker = tracker.shallow_clone();
    }
}

#[test]
fn a_scale_that_would_become_infinite_is_kept() {
    let config = LossScaling { growth_interval: 1, init_scale: f32::MAX, ..LossScaling::default() };
    let mut scaler = Scaler::new(config, None).unwrap();
    assert!(scaler.accepts(1.0, 1.0));
    assert_eq!(scaler.state().scale, f32::MAX);
}

#[test]
fn an_overflow_skips_a_step_and_changes_nothing_else() {
    let (good, bad) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut three = Run::new(good.path());
    three.fit(fp16(3, LossScaling::default())).unwrap();
    let mut run = Run::new(bad.path());
    run.fault = Some(Fault::Overflow { step: 4 });
    run.fit(fp16(4, LossScaling::default())).unwrap();

    assert_eq!(run.model.values(), three.model.values(), "as after step 3");
    assert_eq!(run.objective.values(), three.objective.values());
    let moments = |run: &Run<'_>, step| {
        std::fs::read(run.saver().path(step).join("state/optimizer.safetensors")).unwrap()
    };
    assert!(moments(&run, 4) == moments(&three, 3), "moments and step counters");
    let entry = &run.ledger.entries()["train.skipped_overflow"];
    assert_eq!(entry.count, 1);
    assert!(entry.first.as_ref().unwrap().starts_with("rows.txt:"), "{entry:?}");
    let state = run.saver().checkpoint(4).state().unwrap();
    assert_eq!(state.scaler, Some(ScalerState { scale: 32_768.0, good_steps: 0 }));

    let events = run.record.0.lock().unwrap();
    let steps: Vec<_> = (events.iter())
        .filter_map(|event| match event {
            Event::Step { metrics, .. } => Some((metrics.get("loss"), metrics["loss_scale"])),
            _ => None,
        })
        .collect();
    assert!(steps[2].0.is_some_and(|loss| loss.is_finite()) && steps[2].1 == 65_536.0, "{steps:?}");
    assert_eq!(steps[3], (None, 32_768.0), "a step that was skipped has no loss");
}

/// Injects `fault` in step 2. If `continues`, the run must skip the step and go on, and otherwise end with an error.
#[track_caller]
fn check_fault(fault: Fault, init_scale: f32, continues: bool) {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.fault = Some(fault);
    match run.fit(fp16(3, starting_at(init_scale))) {
        Ok(Outcome::Finished { step: 3, .. }) => assert!(continues, "{fault:?} at {init_scale}"),
        Err(TrainError::NonFinite { step: 2, keys, .. }) => {
            assert!(!continues && keys.len() == 8, "{fault:?} at {init_scale}");
        }
        other => panic!("{fault:?} at {init_scale}: {other:?}"),
    }
}

#[test]
fn a_step_that_no_smaller_scale_can_help_is_an_error() {
    check_fault(Fault::Overflow { step: 2 }, 1.0, true);
    check_fault(Fault::Overflow { step: 2 }, MIN_SCALE * 2.0, true);
    check_fault(Fault::Overflow { step: 2 }, MIN_SCALE, false);
    // The scale does not change the forward pass, so a loss that is not finite at a scale of 1 stays so.
    check_fault(Fault::NanLoss { step: 2 }, 2.0, true);
    check_fault(Fault::NanLoss { step: 2 }, 1.0, false);
}

#[test]
fn gradients_are_clipped_and_reported_without_the_scale() {
    let run = |precision, init_scale| {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run::new(folder.path());
        run.model = Toy::new(0.0);
        run.fit(FitConfig { precision, ..fp16(5, starting_at(init_scale)) }).unwrap();
        let norms: Vec<f64> = (run.record.0.lock().unwrap().iter())
            .filter_map(|event| match event {
                Event::Step { metrics, .. } => Some(metrics["grad_norm"]),
                _ => None,
            })
            .collect();
        norms
    };
    let exact = run(Precision::Fp32, 1.0);
    for scale in [8.0, 1024.0, 65_536.0] {
        for (got, want) in run(Precision::Fp16, scale).iter().zip(&exact) {
            assert!((got / want - 1.0).abs() < 0.02, "scale {scale}: {got} and {want}");
        }
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    let good = LossScaling::default();
    for (config, key) in [
        (LossScaling { init_scale: 0.0, ..good }, "init_scale"),
        (LossScaling { init_scale: f32::NAN, ..good }, "init_scale"),
        (LossScaling { growth_factor: 1.0, ..good }, "growth_factor"),
        (LossScaling { backoff_factor: 1.0, ..good }, "backoff_factor"),
        (LossScaling { growth_interval: 0, ..good }, "growth_interval"),
    ] {
        let error = Scaler::new(config, None).unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{key}`: ")), "{error}");
    }
}
