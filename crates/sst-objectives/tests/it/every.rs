//! What holds for every objective of the list.

use serde_json::json;
use sst_core::{Batch, Forward, StepContext, ext};
use sst_objectives::{Context, ObjectiveError, build, list};
use tch::{Device, Kind};

use crate::toy;

const CONTEXT: StepContext = StepContext { step: 0, micro: 0, forward: Forward::TRAIN };

#[test]
fn default_configs_round_trip_and_unknown_keys_are_refused() {
    let tokenizer = toy::tokenizer();
    let context = Context { tokenizer: &tokenizer, padding_free: false };
    for entry in list() {
        let config = (entry.default_config)();
        assert!(build(entry.name, &config, &context).is_ok(), "{}", entry.name);
        assert!(build(entry.name, &json!({}), &context).is_ok(), "{}", entry.name);
        let mut config = config;
        config["no_such_key"] = json!(1);
        match build(entry.name, &config, &context).map(|_| ()) {
            Err(ObjectiveError::Config { path, .. }) => assert_eq!(path, "no_such_key"),
            other => panic!("{}: {other:?}", entry.name),
        }
    }
    let error = build("mlmm", &json!({}), &context).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("no objective `mlmm`") && error.contains("mlm"), "{error}");
}

#[test]
fn every_trainable_parameter_gets_a_gradient_and_the_loss_falls() {
    let tokenizer = toy::tokenizer();
    let context = Context { tokenizer: &tokenizer, padding_free: false };
    for entry in list() {
        let objective = build(entry.name, &json!({}), &context).unwrap();
        let model = toy::model(tokenizer.vocab_size());
        let examples = toy::rows(&tokenizer, 32);
        let host = objective.collate().collate(&examples, 1).unwrap();
        let batch = Batch::from_host(&host, Device::Cpu).unwrap();
        let mut losses = Vec::new();
        for step in 0..30 {
            ext::reset_gradients(model.params().iter().map(|(_, p)| p)).unwrap();
            let loss = objective.loss(&*model, &batch, &CONTEXT).unwrap().loss / 100.0;
            loss.f_backward().unwrap();
            losses.push(loss.double_value(&[]));
            for (name, param) in model.params().trainable() {
                let grad = param.grad();
                assert!(grad.defined(), "{}: {name} has no gradient", entry.name);
                if step == 0 {
                    assert!(grad.isfinite().all().int64_value(&[]) == 1, "{}: {name}", entry.name);
                }
                let mut param = param.shallow_clone();
                tch::no_grad(|| {
                    let _ = param.f_sub_(&(grad * 0.05)).unwrap();
                });
            }
        }
        assert!(losses[29] < 0.9 * losses[0], "{}: {losses:?}", entry.name);
    }
}

#[test]
fn grouping_and_padding_change_nothing() {
    let tokenizer = toy::tokenizer();
    let context = Context { tokenizer: &tokenizer, padding_free: false };
    for entry in list() {
        let objective = build(entry.name, &json!({}), &context).unwrap();
        let model = toy::model(tokenizer.vocab_size());
        let examples = toy::rows(&tokenizer, 8);
        let sum = |groups: &[&[sst_data::Example]]| -> f64 {
            let part = |examples: &&[sst_data::Example]| {
                let host = objective.collate().collate(examples, 5).unwrap();
                let batch = Batch::from_host(&host, Device::Cpu).unwrap();
                objective.loss(&*model, &batch, &CONTEXT).unwrap().loss.double_value(&[])
            };
            groups.iter().map(part).sum()
        };
        let whole = sum(&[&examples]);
        let singles: Vec<&[sst_data::Example]> = examples.chunks(1).collect();
        let parts = sum(&singles);
        assert!((whole - parts).abs() < 1e-5 * whole.abs(), "{}: {whole} {parts}", entry.name);
    }
}

#[test]
fn sums_are_finite_scalars() {
    let tokenizer = toy::tokenizer();
    let context = Context { tokenizer: &tokenizer, padding_free: false };
    for entry in list() {
        let objective = build(entry.name, &json!({}), &context).unwrap();
        let model = toy::model(tokenizer.vocab_size());
        let host = objective.collate().collate(&toy::rows(&tokenizer, 4), 1).unwrap();
        let parts = objective
            .loss(&*model, &Batch::from_host(&host, Device::Cpu).unwrap(), &CONTEXT)
            .unwrap();
        for (name, sum) in &parts.sums {
            assert_eq!((sum.dim(), sum.kind()), (0, Kind::Float), "{}: {name}", entry.name);
            assert!(sum.double_value(&[]).is_finite() && !sum.requires_grad(), "{name}");
        }
    }
}
