//! AdamW and Muon against PyTorch, parameter groups, and missing or infinite gradients.

use std::collections::BTreeMap;
use std::path::Path;

use sst_core::checkpoint::Weights;
use sst_core::{Init, LayerStack, ParamStore};
use sst_train::optim::{ParamGroup, param_groups};
use sst_train::{Optimizer, OptimizerConfig, OptimizerName};
use tch::{Device, Kind, Tensor};

use crate::toy::values;

#[track_caller]
fn assert_close(got: &Tensor, want: &Tensor, tolerance: f64, what: &str) {
    let error = (got.detach() - want).abs().max().double_value(&[]);
    assert!(error <= tolerance, "{what}: off by {error}");
}

/// Adds `grad` to the gradient of `param`.
fn set_gradient(param: &Tensor, grad: &Tensor) {
    // The gradient of sum(param * grad) is grad.
    (param * grad).sum(Kind::Float).f_backward().unwrap();
}

/// AdamW for parameters with weight decay (`decayed`) and without it (`plain`).
fn adamw(
    config: OptimizerConfig,
    decayed: &[(&str, &Tensor)],
    plain: &[(&str, &Tensor)],
) -> Optimizer {
    let group = |params: &[(&str, &Tensor)], weight_decay| ParamGroup {
        params: params.iter().map(|(n, t)| ((*n).to_owned(), t.shallow_clone())).collect(),
        rule: OptimizerName::AdamW,
        lr_factor: 1.0,
        weight_decay,
    };
    Optimizer::new(config, vec![group(decayed, config.weight_decay), group(plain, 0.0)]).unwrap()
}

#[test]
fn twenty_steps_of_adamw_equal_torch() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/optim/case.safetensors");
    let case = Weights::open(&path).unwrap();
    let tensor = |name: &str| case.tensor(name).unwrap();
    let names = ["p0", "p1", "p2"];
    let params = names.map(|name| tensor(&format!("init.{name}")).set_requires_grad(true));
    let config = OptimizerConfig { weight_decay: 0.05, ..OptimizerConfig::default() };
    assert_eq!((config.betas, config.eps), ([0.9, 0.98], 1e-6), "the case's settings");
    let mut optimizer =
        adamw(config, &[("p0", &params[0]), ("p2", &params[2])], &[("p1", &params[1])]);
    for step in 0..20 {
        for (name, param) in names.iter().zip(&params) {
            set_gradient(param, &tensor(&format!("grad.{name}")).get(step));
        }
        let grads = optimizer.gradients().unwrap();
        let norm = grads.norm().unwrap().unwrap();
        assert_close(&norm, &tensor("grad_norm").get(step), 1e-5, "norm");
        let scale = (norm + 1e-6).clamp_min(1.0);
        let lr = tensor("lr").double_value(&[step]);
        optimizer.update(lr, &grads, Some(&scale), Some(&Tensor::from(0_f32))).unwrap();
        optimizer.reset_gradients().unwrap();
        for (name, param) in names.iter().zip(&params) {
            let want = tensor(&format!("param.{name}")).get(step);
            assert_close(param, &want, 2e-6, &format!("{name} after step {step}"));
        }
    }
    let state = optimizer.state();
    for name in names {
        for moment in ["exp_avg", "exp_avg_sq"] {
            let key = format!("{moment}.{name}");
            assert_close(&state[&key], &tensor(&key), 1e-6, &key);
        }
        assert_eq!(values(&state[&format!("step.{name}")]), [20.0]);
    }
}

#[test]
fn only_matrices_decay() {
    let mut model = ParamStore::new(Device::Cpu, None);
    let mut objective = ParamStore::new(Device::Cpu, None);
    for (name, shape) in [
        ("a.weight", vec![2, 3]),
        ("a.bias", vec![2]),
        ("norm.weight", vec![3]),
        ("b.bias", vec![1, 3]),
    ] {
        let _ = model.add(name, &shape, Init::Ones).unwrap();
    }
    let _ = model.add("frozen.weight", &[2, 2], Init::Ones).unwrap();
    model.set_trainable(false, |name| name.starts_with("frozen")).unwrap();
    let _ = objective.add("head.weight", &[2, 2, 1], Init::Ones).unwrap();
    let _ = objective.add("temperature", &[], Init::Ones).unwrap();
    let config = OptimizerConfig { weight_decay: 0.1, ..OptimizerConfig::default() };
    let groups = param_groups(&model, &[], &[("", Some(&objective))], &config);
    let listed: Vec<(f64, Vec<&str>)> = groups
        .iter()
        .map(|g| (g.weight_decay, g.params.iter().map(|(name, _)| name.as_str()).collect()))
        .collect();
    let plain = vec!["a.bias", "norm.weight", "b.bias", "objective.temperature"];
    assert_eq!(listed, [(0.1, vec!["a.weight", "objective.head.weight"]), (0.0, plain)]);
}

#[test]
fn a_parameter_without_a_gradient_is_not_updated() {
    let used = Tensor::ones([2, 2], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let unused = Tensor::ones([2, 2], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let mut optimizer =
        adamw(OptimizerConfig::default(), &[("used", &used), ("unused", &unused)], &[]);
    for turn in 1..=3 {
        set_gradient(&used, &Tensor::ones([2, 2], (Kind::Float, Device::Cpu)));
        if turn == 2 {
            set_gradient(&unused, &Tensor::ones([2, 2], (Kind::Float, Device::Cpu)));
        }
        let before = values(&unused);
        let grads = optimizer.gradients().unwrap();
        optimizer.update(0.1, &grads, None, None).unwrap();
        optimizer.reset_gradients().unwrap();
        assert_eq!(values(&unused) == before, turn != 2, "turn {turn}");
    }
    let state = optimizer.state();
    assert_eq!(values(&state["step.used"]), [3.0]);
    assert_eq!(values(&state["step.unused"]), [1.0]);
}

#[test]
fn found_inf_prevents_the_update() {
    let param = Tensor::ones([3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let mut optimizer = adamw(OptimizerConfig::default(), &[("p", &param)], &[]);
    set_gradient(&param, &Tensor::from_slice(&[1_f32, f32::NAN, 2.0]));
    let grads = optimizer.gradients().unwrap();
    optimizer.update(0.1, &grads, None, Some(&Tensor::from(1_f32))).unwrap();
    assert_eq!(values(&param), [1.0; 3]);
    for (name, tensor) in optimizer.state() {
        assert!(values(&tensor).iter().all(|value| *value == 0.0), "{name}");
    }
}

/// Loads a state that `change` has changed. The error must contain `message`, and the optimiser must not change.
#[track_caller]
fn check_refused(change: impl FnOnce(&mut BTreeMap<String, Tensor>), message: &str) {
    let param = Tensor::ones([3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let mut optimizer = adamw(OptimizerConfig::default(), &[("p", &param)], &[]);
    let ones = optimizer.state().into_iter().map(|(name, t)| (name, t.ones_like()));
    let mut state: BTreeMap<_, _> = ones.collect();
    change(&mut state);
    let error = optimizer.load_state(state).unwrap_err().to_string();
    assert!(error.contains(message), "{error}");
    assert_eq!(values(&optimizer.state()["exp_avg.p"]), [0.0; 3]);
}

#[test]
fn a_state_that_does_not_fit_is_refused() {
    check_refused(|state| drop(state.remove("exp_avg_sq.p")), "lacks `exp_avg_sq.p`");
    check_refused(|state| drop(state.insert("step.q".into(), Tensor::from(1_f32))), "`step.q`");
    check_refused(
        |state| drop(state.insert("exp_avg.p".into(), Tensor::from_slice(&[1_f32]))),
        "shape [1]",
    );
}

#[test]
fn two_parameters_with_the_same_name_and_no_parameters_are_refused() {
    let param = Tensor::ones([3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let named = || ("p".to_owned(), param.shallow_clone());
    let twice = ParamGroup {
        params: vec![named(), named()],
        rule: OptimizerName::AdamW,
        lr_factor: 1.0,
        weight_decay: 0.0,
    };
    let error = Optimizer::new(OptimizerConfig::default(), vec![twice]).unwrap_err();
    assert!(error.to_string().contains("`p` is defined twice"), "{error}");
    assert!(Optimizer::new(OptimizerConfig::default(), vec![]).is_err());
}

/// The rule and the learning rate factor of each parameter, by name.
fn rules_and_factors(groups: &[ParamGroup]) -> BTreeMap<&str, (OptimizerName, f64)> {
    let params =
        groups.iter().flat_map(|group| group.params.iter().map(move |param| (group, param)));
    params.map(|(group, (name, _))| (name.as_str(), (group.rule, group.lr_factor))).collect()
}

#[test]
fn groups_depend_on_the_layer_of_a_parameter() {
    let mut model = ParamStore::new(Device::Cpu, None);
    for name in [
        "bert.embeddings.word_embeddings.weight",
        "bert.encoder.layer.0.output.dense.weight",
        "bert.encoder.layer.0.output.dense.bias",
        "bert.encoder.layer.1.output.dense.weight",
        "cls.predictions.transform.dense.weight",
    ] {
        let shape = if name.ends_with("bias") { vec![2] } else { vec![2, 2] };
        let _ = model.add(name, &shape, Init::Ones).unwrap();
    }
    let name = OptimizerName::Muon;
    let config = OptimizerConfig { name, layer_decay: 0.5, ..OptimizerConfig::default() };
    let stacks = [LayerStack { prefix: "bert.encoder.layer.".to_owned(), depth: 2 }];
    let groups = param_groups(&model, &stacks, &[], &config);
    let by_name = rules_and_factors(&groups);
    let (muon, adamw) = (OptimizerName::Muon, OptimizerName::AdamW);
    assert_eq!(by_name["bert.embeddings.word_embeddings.weight"], (adamw, 0.125));
    assert_eq!(by_name["bert.encoder.layer.0.output.dense.weight"], (muon, 0.25));
    assert_eq!(by_name["bert.encoder.layer.0.output.dense.bias"], (adamw, 0.25));
    assert_eq!(by_name["bert.encoder.layer.1.output.dense.weight"], (muon, 0.5));
    assert_eq!(by_name["cls.predictions.transform.dense.weight"], (adamw, 1.0));
}

#[test]
fn each_stack_has_its_own_depth_and_other_numbers_in_names_are_not_layers() {
    let mut model = ParamStore::new(Device::Cpu, None);
    for name in [
        "text.layers.0.weight",
        "vision.layers.0.weight",
        "vision.layers.2.weight",
        "vision.embeddings.weight",
        "decoder.blocks.1.weight",
    ] {
        let _ = model.add(name, &[2, 2], Init::Ones).unwrap();
    }
    let stack = |name: &str, depth| LayerStack { prefix: format!("{name}.layers."), depth };
    let stacks = [stack("text", 1), stack("vision", 3)];
    let config = OptimizerConfig {
        name: OptimizerName::Muon,
        layer_decay: 0.5,
        ..OptimizerConfig::default()
    };
    let groups = param_groups(&model, &stacks, &[], &config);
    let by_name = rules_and_factors(&groups);
    let (muon, adamw) = (OptimizerName::Muon, OptimizerName::AdamW);
    assert_eq!(by_name["text.layers.0.weight"], (muon, 0.5));
    assert_eq!(by_name["vision.layers.0.weight"], (muon, 0.125));
    assert_eq!(by_name["vision.layers.2.weight"], (muon, 0.5));
    assert_eq!(by_name["vision.embeddings.weight"], (adamw, 0.0625));
    assert_eq!(by_name["decoder.blocks.1.weight"], (adamw, 1.0));
}

/// The optimiser `name` for one parameter, which is in a layer.
fn optimizer_of_one(name: OptimizerName, param: &Tensor, lr_factor: f64) -> Optimizer {
    let params = vec![("layer.0.weight".to_owned(), param.shallow_clone())];
    let config = OptimizerConfig { name, ..OptimizerConfig::default() };
    let group = ParamGroup { params, rule: name, lr_factor, weight_decay: 0.1 };
    Optimizer::new(config, vec![group]).unwrap()
}

#[test]
fn the_factor_of_a_group_multiplies_the_learning_rate() {
    for name in [OptimizerName::AdamW, OptimizerName::Muon] {
        let run = |lr, lr_factor| {
            let param = Tensor::ones([2, 3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
            let mut optimizer = optimizer_of_one(name, &param, lr_factor);
            set_gradient(
                &param,
                &Tensor::from_slice(&[1_f32, -2.0, 3.0, 0.5, 0.1, 7.0]).view([2, 3]),
            );
            let grads = optimizer.gradients().unwrap();
            optimizer.update(lr, &grads, None, None).unwrap();
            values(&param)
        };
        assert_eq!(run(0.5, 0.25), run(0.125, 1.0), "{name:?}");
        assert_ne!(run(0.5, 0.25), run(0.5, 1.0), "{name:?}");
    }
}

#[test]
fn muon_equals_torch() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/optim/muon.safetensors");
    let case = Weights::open(&path).unwrap();
    let tensor = |name: &str| case.tensor(name).unwrap();
    let names = ["wide", "tall", "square"];
    let params = names.map(|name| tensor(&format!("init.{name}")).set_requires_grad(true));
    let config = OptimizerConfig {
        name: OptimizerName::Muon,
        weight_decay: 0.1,
        ..OptimizerConfig::default()
    };
    assert_eq!((config.momentum, config.iterations), (0.95, 5), "the case's settings");
    let group = ParamGroup {
        params: names
            .iter()
            .zip(&params)
            .map(|(n, p)| ((*n).to_owned(), p.shallow_clone()))
            .collect(),
        rule: OptimizerName::Muon,
        lr_factor: 1.0,
        weight_decay: 0.1,
    };
    let mut optimizer = Optimizer::new(config, vec![group]).unwrap();
    let steps = tensor("lr").size()[0];
    for step in 0..steps {
        for (name, param) in names.iter().zip(&params) {
            set_gradient(param, &tensor(&format!("grad.{name}")).get(step));
        }
        let grads = optimizer.gradients().unwrap();
        let lr = tensor("lr").double_value(&[step]);
        optimizer.update(lr, &grads, None, Some(&Tensor::from(0_f32))).unwrap();
        optimizer.reset_gradients().unwrap();
        for (name, param) in names.iter().zip(&params) {
            let want = tensor(&format!("param.{name}")).get(step);
            // The iteration runs in bf16. The last of the eight bits of its results depends on the processor.
            let change = (&want - &tensor(&format!("init.{name}"))).norm().double_value(&[]);
            let error = (param.detach() - want).norm().double_value(&[]);
            assert!(error <= 0.01 * change, "{name}, step {step}: off by {error} of {change}");
        }
    }
    for name in names {
        let key = format!("momentum.{name}");
        assert_close(&optimizer.state()[&key], &tensor(&key), 1e-6, &key);
    }
}

#[test]
fn muon_skips_gradients_that_are_not_finite_and_updates_matrices_only() {
    let param = Tensor::ones([2, 2], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let mut optimizer = optimizer_of_one(OptimizerName::Muon, &param, 1.0);
    set_gradient(&param, &Tensor::from_slice(&[1_f32, f32::NAN, 2.0, 3.0]).view([2, 2]));
    let grads = optimizer.gradients().unwrap();
    optimizer.update(0.1, &grads, None, Some(&Tensor::from(1_f32))).unwrap();
    assert_eq!(values(&param), [1.0; 4]);
    assert_eq!(values(&optimizer.state()["momentum.layer.0.weight"]), [0.0; 4]);

    let vector = Tensor::ones([3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let params = vec![("v".to_owned(), vector)];
    let rule = OptimizerName::Muon;
    let group = ParamGroup { params, rule, lr_factor: 1.0, weight_decay: 0.0 };
    let error = Optimizer::new(OptimizerConfig::default(), vec![group]).unwrap_err().to_string();
    assert!(error.contains("`v` has shape [3]"), "{error}");
}
