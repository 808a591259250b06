//! Linear layers: both layouts, and what LoRA adds to them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use sst_core::nn::{Activation, Linear};
use sst_core::{Adapter, BaseModel, LoraConfig, LoraTargets, ParamStore, Scope};
use tch::{Device, Kind, Tensor};

fn adapter(targets: &[&str]) -> Adapter {
    let targets = LoraTargets::Named(targets.iter().map(|name| (*name).to_owned()).collect());
    let base = BaseModel { path: PathBuf::new(), files: BTreeMap::new() };
    Adapter {
        lora: LoraConfig { rank: 3, alpha: 6.0, dropout: 0.0, use_rslora: false, targets },
        modules_to_save: vec!["head".to_owned()],
        base,
        is_new: true,
    }
}

fn draw(store: &mut ParamStore) {
    let names: Vec<String> = store.iter().map(|(name, _)| name.to_owned()).collect();
    for (i, name) in (0..).zip(names) {
        let mut rng = sst_data::SeqRng::new(6, "test.linear", 0, i);
        let size = store.get(&name).unwrap().size();
        let count: i64 = size.iter().product();
        let values: Vec<f32> = (0..count).map(|_| rng.normal() as f32 * 0.3).collect();
        store.assign(&name, &Tensor::from_slice(&values).reshape(size.as_slice())).unwrap();
    }
}

/// Layers of both layouts with an adapter, and one without.
fn layers() -> ([Linear; 4], ParamStore) {
    let store = ParamStore::new(Device::Cpu, Some(4)).with_adapter(adapter(&["up", "turned"]));
    let store = RefCell::new(store);
    let scope = Scope::root(&store).sub("layer");
    let layers = [
        Linear::new(&scope.sub("up"), 40, 24, 0.1).unwrap(),
        Linear::in_out(&scope.sub("turned"), 40, 24, 0.1).unwrap(),
        Linear::new(&scope.sub("down"), 24, 40, 0.1).unwrap(),
        Linear::new(&scope.sub("head"), 40, 2, 0.1).unwrap(),
    ];
    let mut store = store.into_inner();
    draw(&mut store);
    (layers, store)
}

fn close(got: &Tensor, want: &Tensor, tolerance: f64) {
    let off = (got - want).norm().double_value(&[]) / want.norm().double_value(&[]);
    assert!(off < tolerance, "{off}");
}

#[test]
fn an_adapted_layer_adds_its_two_matrices() {
    let ([up, turned, down, _], store) = layers();
    let param = |name: &str| store.get(name).unwrap().detach().to_kind(Kind::Double);
    for rows in [3, 75] {
        let x = Tensor::randn([rows, 40], (Kind::Float, Device::Cpu));
        let wide = x.to_kind(Kind::Double);
        let added = |name: &str| {
            let a = param(&format!("layer.{name}.lora_A.weight"));
            let b = param(&format!("layer.{name}.lora_B.weight"));
            wide.matmul(&a.tr()).matmul(&b.tr()) * 2.0
        };
        let plain = wide.linear(&param("layer.up.weight"), Some(&param("layer.up.bias")));
        let want = (plain + added("up")).to_kind(Kind::Float);
        close(&up.forward(&x, false).unwrap(), &want, 1e-6);
        let want_turned = wide.matmul(&param("layer.turned.weight")) + param("layer.turned.bias");
        let want_turned = (want_turned + added("turned")).to_kind(Kind::Float);
        close(&turned.forward(&x, true).unwrap(), &want_turned, 1e-6);

        let gelu = up.forward_activated(&x, Activation::Gelu, true).unwrap();
        close(&gelu, &want.gelu("none"), 1e-6);
        let mlp = Linear::mlp([&up, &down], &x, Activation::Gelu, true).unwrap();
        close(&mlp, &down.forward(&want.gelu("none"), false).unwrap(), 1e-6);
    }
    let error = Linear::forward_joint(
        [&up, &up, &down],
        &Tensor::zeros([2, 40], (Kind::Float, Device::Cpu)),
    );
    assert!(error.unwrap_err().to_string().contains("LoRA"));
}

#[test]
fn only_what_the_adapter_holds_is_trained_and_saved() {
    let ([up, turned, down, head], store) = layers();
    let trained: Vec<String> = store.trainable().map(|(name, _)| name.to_owned()).collect();
    let matrices = |layer: &str| ["lora_A", "lora_B"].map(|m| format!("layer.{layer}.{m}.weight"));
    let mut expected = [matrices("up"), matrices("turned")].concat();
    expected.extend(["weight", "bias"].map(|name| format!("layer.head.{name}")));
    assert_eq!(trained, expected);
    assert_eq!(store.saved_to_cpu().unwrap().len(), 6);
    let mut store = store;
    assert_eq!(store.set_trainable(true, |name| name.contains("lora")).unwrap(), 4);
    let error = store.set_trainable(true, |_| true).unwrap_err().to_string();
    assert!(error.contains("`layer.up.weight` is a weight of the base model"), "{error}");
    assert!(up.is_adapted() && turned.is_adapted() && !down.is_adapted() && !head.is_adapted());
    let x = Tensor::randn([75, 40], (Kind::Float, Device::Cpu));
    let y =
        head.forward(&down.forward(&up.forward(&x, true).unwrap(), true).unwrap(), true).unwrap();
    y.square().sum(Kind::Float).f_backward().unwrap();
    for (name, param) in store.iter() {
        let reached = param.grad().defined();
        let wanted = store.is_saved(name) && !name.contains("turned");
        assert_eq!(reached, wanted, "{name}");
    }
}

#[test]
fn a_merged_layer_computes_the_same_without_matrices() {
    let ([up, turned, ..], mut store) = layers();
    let x = Tensor::randn([75, 40], (Kind::Float, Device::Cpu));
    let run = || {
        let _guard = tch::no_grad_guard();
        [up.forward(&x, false).unwrap(), turned.forward(&x, false).unwrap()]
    };
    let before = run();
    store.merge_adapter().unwrap();
    for (before, after) in before.iter().zip(run()) {
        close(&after, before, 1e-6);
    }
    let names: Vec<&str> = store.iter().map(|(name, _)| name).collect();
    assert!(store.adapter().is_none() && names.iter().all(|name| !name.contains("lora")));
    assert!(names.iter().all(|name| store.get(name).is_some() && store.is_saved(name)));
    let weight = store.get("layer.up.weight").unwrap();
    let plain = x.linear(weight, store.get("layer.up.bias"));
    close(&plain, &before[0], 1e-6);
}
