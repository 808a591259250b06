//! The moving average of the weights: its formula, its evaluation and its export.

use sst_core::checkpoint::{Allow, Renamed, Weights, load_params};
use sst_core::{Evaluator, Init, Model, Objective, ParamStore, with_values};
use sst_train::{Ema, EmaConfig, Exported, Fault, FitConfig, Precision, TrainError};
use tch::{Device, Tensor};

use crate::toy::{HeldOut, Run, Toy, config, values};

const EMA: EmaConfig = EmaConfig { decay: 0.9, warmup: true, evaluate: false, export: false };

/// Compares 50 updates of the average of one parameter with the formula, bit for bit.
#[track_caller]
fn check_formula(config: EmaConfig) {
    let mut params = ParamStore::new(Device::Cpu, Some(3));
    let weight = params.add("w", &[2, 3], Init::Normal(1.0)).unwrap();
    let mut ema = Ema::new(config, params.trainable()).unwrap();
    let mut want = values(&weight);
    for t in 0..50_u32 {
        params.assign("w", &(weight.detach() * 1.25 - 0.1).sin()).unwrap();
        ema.update().unwrap();
        let t = f64::from(t);
        let decay =
            if config.warmup { config.decay.min((1.0 + t) / (10.0 + t)) } else { config.decay };
        let rate = (1.0 - decay) as f32;
        for (average, weight) in want.iter_mut().zip(values(&weight)) {
            *average += rate * (weight - *average);
        }
        assert_eq!(values(&ema.state()["w"]), want, "bit for bit, update {t}");
    }
    assert_eq!(ema.updates(), 50);
}

#[test]
fn the_average_equals_the_formula() {
    check_formula(EMA);
    check_formula(EmaConfig { decay: 0.7, ..EMA });
    check_formula(EmaConfig { warmup: false, ..EMA });
}

#[test]
fn the_warm_up_is_that_of_tensorflow() {
    let decay = |t| EmaConfig { decay: 0.99, ..EMA }.decay(t);
    assert_eq!([decay(0), decay(8), decay(90), decay(10_000)], [0.1, 0.5, 0.91, 0.99]);
}

#[test]
fn the_average_is_paired_with_its_parameter_and_shown_in_its_place() {
    let mut params = ParamStore::new(Device::Cpu, Some(3));
    let weight = params.add("w", &[100], Init::Normal(1.0)).unwrap();
    let ema = Ema::new(EMA, params.trainable()).unwrap();
    params.assign("w", &Tensor::from_slice(&[f32::MIN_POSITIVE; 100])).unwrap();
    let (raw, average) = (values(&weight), values(&ema.state()["w"]));
    assert_ne!(raw, average);
    let seen = with_values(ema.values(), || Ok::<_, TrainError>(values(&weight)));
    assert_eq!(seen.unwrap(), average);
    assert_eq!((values(&weight), values(&ema.state()["w"])), (raw, average));
}

/// The held-out loss of the weights in a folder or file.
fn loss_of(path: &std::path::Path) -> f64 {
    let mut model = Toy::new(0.2);
    let weights = Weights::open(path).unwrap();
    let rename = |name: &str| match name.starts_with("objective.") {
        true => Renamed::Ignore,
        false => Renamed::To(name.to_owned()),
    };
    load_params(model.params_mut(), &weights, rename, &Allow::default()).unwrap();
    HeldOut.evaluate(&model, None).unwrap().metrics["loss"]
}

/// Trains with and without an average that is evaluated and exported. The trained weights are the same, and the
/// evaluated and exported weights are the average.
#[track_caller]
fn check_average(base: impl Fn(u64) -> FitConfig) {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut plain = Run::new(one.path());
    plain.fit(FitConfig { eval_every: Some(2), ..base(7) }).unwrap();
    let mut run = Run::new(two.path());
    let ema = EmaConfig { evaluate: true, export: true, ..EMA };
    run.fit(FitConfig { ema: Some(ema), eval_every: Some(2), save_every: Some(3), ..base(7) })
        .unwrap();
    assert_eq!(run.model.values(), plain.model.values());

    // `model/` holds the weights that were evaluated, and `state/model.safetensors` those that go on training.
    let checkpoint = run.saver().path(7);
    let state = run.saver().checkpoint(7).state().unwrap();
    assert_eq!((state.model, state.ema_updates), (Exported::Ema, Some(7)));
    let average = loss_of(&checkpoint.join("model"));
    assert_eq!(average, state.metrics["eval/held/loss"]);
    let raw = loss_of(&checkpoint.join("state/model.safetensors"));
    assert_eq!(raw, HeldOut.evaluate(&plain.model, None).unwrap().metrics["loss"]);
    assert_ne!(raw, average);
    assert_eq!(average, loss_of(&checkpoint.join("state/ema.safetensors")));
}

#[test]
fn averaging_does_not_change_the_training() {
    check_average(config);
}

#[test]
fn averaging_does_not_change_the_training_with_weights_in_bf16() {
    check_average(|steps| FitConfig {
        precision: Precision::Bf16,
        bf16_weights: true,
        ..config(steps)
    });
}

#[test]
fn evaluators_see_the_average_of_the_objectives_parameters_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    let temperature = run.objective.params().unwrap().get("temperature").unwrap().shallow_clone();
    run.watched = Some(temperature.shallow_clone());
    let ema = EmaConfig { evaluate: true, export: true, ..EMA };
    run.fit(FitConfig { ema: Some(ema), ..config(4) }).unwrap();
    let seen = run.saver().checkpoint(4).state().unwrap().metrics["eval/watched/value"];
    let saved = |file: &str, name: &str| {
        let weights = Weights::open(&run.saver().path(4).join(file)).unwrap();
        weights.tensor(name).unwrap().double_value(&[0])
    };
    assert_eq!(seen, saved("state/ema.safetensors", "objective.temperature"));
    assert_ne!(seen, temperature.double_value(&[0]));

    // The trained value, and not the average, is what a resume needs.
    let trained = saved("state/objective.safetensors", "param.temperature");
    assert_eq!(trained, temperature.double_value(&[0]));
}

#[test]
fn without_evaluate_and_export_the_trained_weights_are_evaluated_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.fit(FitConfig { ema: Some(EMA), ..config(4) }).unwrap();
    let checkpoint = run.saver().path(4);
    let state = run.saver().checkpoint(4).state().unwrap();
    assert_eq!(state.model, Exported::Raw);
    assert_eq!(loss_of(&checkpoint.join("model")), state.metrics["eval/held/loss"]);
    assert!(!checkpoint.join("state/model.safetensors").exists());
    assert_ne!(
        loss_of(&checkpoint.join("state/ema.safetensors")),
        loss_of(&checkpoint.join("model"))
    );
}

#[test]
fn a_skipped_step_does_not_update_the_average() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.fault = Some(Fault::Overflow { step: 2 });
    run.fit(FitConfig { ema: Some(EMA), precision: Precision::Fp16, ..config(4) }).unwrap();
    assert_eq!(run.saver().checkpoint(4).state().unwrap().ema_updates, Some(3));
}

#[test]
fn a_decay_of_one_is_refused() {
    for decay in [1.0, -0.1, f64::NAN] {
        let folder = tempfile::tempdir().unwrap();
        let ema = Some(EmaConfig { decay, ..EMA });
        let error = Run::new(folder.path()).fit(FitConfig { ema, ..config(2) }).unwrap_err();
        let TrainError::Config { setting, .. } = error else { panic!("{error}") };
        assert_eq!(setting, sst_train::setting::EMA_DECAY);
    }
}
