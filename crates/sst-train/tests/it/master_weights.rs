//! bf16 weights with fp32 master weights.

use sst_core::Model;
use sst_train::{EmaConfig, FitConfig, OptimizerConfig, Precision, TrainError, setting};
use tch::Kind;

use crate::toy::{Run, Toy, config};

/// The settings of a run with bf16 weights.
fn bf16_config(total_steps: u64) -> FitConfig {
    FitConfig { precision: Precision::Bf16, bf16_weights: true, ..config(total_steps) }
}

/// The largest change of a weight in a run. The model must be in fp32 after the run.
fn largest_change(config: FitConfig) -> f32 {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    let before = run.model.values();
    run.fit(config).unwrap();
    assert!(run.model.params().iter().all(|(_, param)| param.kind() == Kind::Float));
    let after = run.model.values();
    let changes = before.iter().zip(&after).flat_map(|((_, a), (_, b))| a.iter().zip(b));
    changes.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn steps_too_small_for_bf16_add_up() {
    let optimizer = OptimizerConfig { lr: 1e-5, ..OptimizerConfig::default() };
    // Each of the ten steps changes a weight by about 1e-5. Near 0.5, the distance between two bf16 numbers is 2e-3.
    let change = largest_change(FitConfig { optimizer, ..bf16_config(10) });
    assert!((5e-5..2e-4).contains(&change), "{change}");
    let fp32_weights = FitConfig { precision: Precision::Bf16, optimizer, ..config(10) };
    assert!((largest_change(fp32_weights) - change).abs() < 3e-5);
}

/// With a moving average, which needs stored fp32 weights after each update, and without one, when the weights are kept
/// as bf16 weights with a remainder.
#[test]
fn a_resumed_run_is_the_same_bit_for_bit() {
    for ema in [None, Some(EmaConfig { decay: 0.9, ..EmaConfig::default() })] {
        let config = |steps| FitConfig {
            ema,
            save_every: Some(5),
            eval_every: Some(5),
            ..bf16_config(steps)
        };
        let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut one = Run::new(whole.path());
        one.fit(config(10)).unwrap();
        Run::new(parts.path()).fit(config(5)).unwrap();
        let mut two = Run::new(parts.path());
        two.resume(config(10)).unwrap();
        assert_eq!(one.model.values(), two.model.values());
        assert_ne!(one.model.values(), Toy::new(0.2).values());
        let files = |folder: &std::path::Path| {
            let state = folder.join("checkpoints/step-00000010");
            let mut names = vec!["model/model.safetensors", "state/optimizer.safetensors"];
            names.extend(ema.map(|_| "state/ema.safetensors"));
            names
                .into_iter()
                .map(|name| std::fs::read(state.join(name)).unwrap())
                .collect::<Vec<_>>()
        };
        assert!(files(whole.path()) == files(parts.path()));
    }
}

/// bf16 weights and an int16 remainder hold every bit of the fp32 weights, so a run equals one with stored fp32
/// weights. The two would differ only for a weight halfway between two bf16 numbers, which they round in different
/// directions.
#[test]
fn weights_with_a_remainder_train_like_stored_fp32_weights() {
    let weights = |ema: Option<EmaConfig>| {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run::new(folder.path());
        run.fit(FitConfig { ema, ..bf16_config(10) }).unwrap();
        run.model.values()
    };
    // With a moving average, the fp32 weights are stored.
    let unused = EmaConfig { evaluate: false, export: false, ..EmaConfig::default() };
    assert_eq!(weights(None), weights(Some(unused)));
}

#[test]
fn bf16_weights_need_precision_bf16() {
    let folder = tempfile::tempdir().unwrap();
    let config = FitConfig { precision: Precision::Fp32, ..bf16_config(1) };
    let error = Run::new(folder.path()).fit(config).unwrap_err();
    assert!(matches!(error, TrainError::Config { setting: setting::BF16_WEIGHTS, .. }), "{error}");
}

#[test]
fn a_failed_run_leaves_the_model_in_fp32() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.fault = Some(sst_train::Fault::NanLoss { step: 3 });
    run.fit(bf16_config(5)).unwrap_err();
    assert!(run.model.params().iter().all(|(_, param)| param.kind() == Kind::Float));
}
