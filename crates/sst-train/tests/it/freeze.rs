//! Freezing: patterns select parameters, and frozen parameters do not change.

use sst_core::{Init, Model, ParamStore};
use sst_train::{FitConfig, TrainError, freeze, setting};
use tch::Device;

use crate::toy::{Run, config};

fn store() -> ParamStore {
    let mut params = ParamStore::new(Device::Cpu, None);
    for name in ["embed.weight", "layer.1.weight", "layer.1.bias", "layer.10.weight", "head.bias"] {
        let _ = params.add(name, &[2], Init::Zeros).unwrap();
    }
    params
}

#[track_caller]
fn check(patterns: &[&str], expected: &[&str]) {
    let mut params = store();
    let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
    assert_eq!(freeze(&mut params, &patterns).unwrap(), expected, "{patterns:?}");
    let trainable: Vec<&str> = params.trainable().map(|(name, _)| name).collect();
    assert!(expected.iter().all(|name| !trainable.contains(name)));
    assert_eq!(trainable.len() + expected.len(), 5);
}

#[test]
fn patterns_are_globs_or_beginnings_of_names() {
    check(&[], &[]);
    check(&["layer.1"], &["layer.1.weight", "layer.1.bias"]);
    check(&["layer.1."], &["layer.1.weight", "layer.1.bias"]);
    check(&["layer.1.bias"], &["layer.1.bias"]);
    check(&["layer"], &["layer.1.weight", "layer.1.bias", "layer.10.weight"]);
    check(&["*.bias"], &["layer.1.bias", "head.bias"]);
    check(&["layer.1?.*", "embed"], &["embed.weight", "layer.10.weight"]);
    check(&["layer.[1-9].*"], &["layer.1.weight", "layer.1.bias"]);
}

#[track_caller]
fn check_refused(patterns: &[&str], message: &str) {
    let mut params = store();
    let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
    let error = freeze(&mut params, &patterns).unwrap_err();
    assert!(matches!(error, TrainError::Config { setting: setting::FREEZE, .. }), "{error}");
    assert!(error.to_string().contains(message), "{error}");
    assert_eq!(params.trainable().count(), 5, "nothing is frozen");
}

#[test]
fn a_pattern_that_matches_nothing_is_refused() {
    check_refused(&["embed", "layer.2"], "`layer.2` matches no parameter");
    check_refused(&["lay"], "`lay` matches no parameter");
    check_refused(&[""], "`` matches no parameter");
    check_refused(&["*.gamma"], "`*.gamma` matches no parameter");
    check_refused(&["layer.[1"], "`layer.[1` is not a valid glob");
}

#[test]
fn a_frozen_parameter_is_the_same_after_training() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    let before = run.model.values();
    let freeze = vec!["table".to_owned()];
    run.fit(FitConfig { freeze, ..config(5) }).unwrap();
    for ((name, before), (_, after)) in before.iter().zip(&run.model.values()) {
        assert_eq!(before == after, name.starts_with("table"), "{name}");
    }
    assert!(!run.model.params().get("table.weight").unwrap().grad().defined());
    let optimizer = run.saver().path(5).join("state/optimizer.safetensors");
    let weights = sst_core::checkpoint::Weights::open(&optimizer).unwrap();
    assert!(weights.names().all(|name| !name.contains("table")), "it has no moments");
}
