//! Weights in bf16 beside fp32 ones.

use sst_core::Model;
use sst_train::{EmaConfig, FitConfig, OptimizerConfig, Precision, TrainError, setting};
use tch::Kind;

use crate::toy::{Run, Toy, config};

fn low(total_steps: u64) -> FitConfig {
    FitConfig { precision: Precision::Bf16, bf16_weights: true, ..config(total_steps) }
}

/// The largest change of a weight in a run.
fn moved(config: FitConfig) -> f32 {
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
    // Ten steps of 1e-5: of weights about 0.5, bf16 knows no difference below 2e-3.
    let small = moved(FitConfig { optimizer, ..low(10) });
    assert!((5e-5..2e-4).contains(&small), "{small}");
    let plain = FitConfig { precision: Precision::Bf16, optimizer, ..config(10) };
    assert!((moved(plain) - small).abs() < 3e-5);
}

/// With an average, which needs the weights in fp32 after each update, and without, where they are in halves.
#[test]
fn a_resumed_run_is_the_same_bit_for_bit() {
    for ema in [None, Some(EmaConfig { decay: 0.9, ..EmaConfig::default() })] {
        let config =
            |steps| FitConfig { ema, save_every: Some(5), eval_every: Some(5), ..low(steps) };
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

/// Halves lose nothing of a weight: but for numbers half-way between two in bf16, a run is the one with whole weights.
#[test]
fn weights_in_halves_are_those_in_one_piece() {
    let weights = |ema: Option<EmaConfig>| {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run::new(folder.path());
        run.fit(FitConfig { ema, ..low(10) }).unwrap();
        run.model.values()
    };
    let whole = EmaConfig { evaluate: false, export: false, ..EmaConfig::default() };
    assert_eq!(weights(None), weights(Some(whole)));
}

#[test]
fn they_are_for_bf16() {
    let folder = tempfile::tempdir().unwrap();
    let config = FitConfig { precision: Precision::Fp32, ..low(1) };
    let error = Run::new(folder.path()).fit(config).unwrap_err();
    assert!(matches!(error, TrainError::Config { setting: setting::BF16_WEIGHTS, .. }), "{error}");
}

#[test]
fn a_failed_run_leaves_the_model_in_fp32() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.fault = Some(sst_train::Fault::NanLoss { step: 3 });
    run.fit(low(5)).unwrap_err();
    assert!(run.model.params().iter().all(|(_, param)| param.kind() == Kind::Float));
}
