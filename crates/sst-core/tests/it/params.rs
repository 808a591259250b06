//! The initial values of parameters depend on their names, and not on the order in which they are made.

use std::cell::RefCell;

use sst_core::{Init, ParamStore, Scope};
use tch::{Device, Tensor};

fn values(tensor: &Tensor) -> Vec<f32> {
    Vec::<f32>::try_from(tensor.detach().flatten(0, -1)).unwrap()
}

#[test]
fn first_values_depend_on_seed_and_name_alone() {
    let make = |seed, names: [&str; 2]| {
        let mut store = ParamStore::new(Device::Cpu, Some(seed));
        for name in names {
            let _ = store.add(name, &[3, 5], Init::Normal(0.02)).unwrap();
        }
        store
    };
    let (one, two) = (make(7, ["a", "b"]), make(7, ["b", "a"]));
    assert_eq!(values(one.get("a").unwrap()), values(two.get("a").unwrap()));
    assert_ne!(values(one.get("a").unwrap()), values(one.get("b").unwrap()));
    assert_ne!(values(one.get("a").unwrap()), values(make(8, ["a", "b"]).get("a").unwrap()));
}

#[test]
fn normal_values_have_their_deviation() {
    let mut store = ParamStore::new(Device::Cpu, Some(1));
    let tensor = store.add("w", &[400, 500], Init::Normal(0.02)).unwrap();
    let (mean, std) = (tensor.mean(None).double_value(&[]), tensor.std(true).double_value(&[]));
    // 200,000 draws: the standard error of the mean is 4.5e-5, and that of the standard deviation 3.2e-5.
    assert!(mean.abs() < 2e-4, "{mean}");
    assert!((std - 0.02).abs() < 2e-4, "{std}");
}

#[test]
fn sinusoids_start_with_sine_zero_and_cosine_one() {
    let mut store = ParamStore::new(Device::Cpu, Some(1));
    let tensor =
        store.add("p", &[2, 4], Init::Sinusoid { amplitude: 0.5, base: 10_000.0 }).unwrap();
    let got = values(&tensor);
    let rate = 1.0_f32 / 100.0;
    let want = [
        0.0,
        0.5,
        0.0,
        0.5,
        0.5 * 1_f32.sin(),
        0.5 * 1_f32.cos(),
        0.5 * rate.sin(),
        0.5 * rate.cos(),
    ];
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() < 1e-6, "{got} {want}");
    }
}

#[test]
fn a_name_is_taken_once_and_assigning_reaches_every_handle() {
    let store = RefCell::new(ParamStore::new(Device::Cpu, None));
    let scope = Scope::root(&store).sub("layer").sub(3);
    let handle = scope.param("weight", &[2], Init::Zeros).unwrap();
    assert!(
        scope
            .param("weight", &[2], Init::Zeros)
            .unwrap_err()
            .to_string()
            .contains("layer.3.weight")
    );
    let mut store = store.into_inner();
    store.assign("layer.3.weight", &Tensor::from_slice(&[1_f32, 2.0])).unwrap();
    assert_eq!(values(&handle), [1.0, 2.0]);
    let error = store.assign("layer.3.weight", &Tensor::from_slice(&[1_f32])).unwrap_err();
    assert!(error.to_string().contains("shape"), "{error}");
}

#[test]
fn a_cpu_copy_does_not_follow_later_updates() {
    let mut store = ParamStore::new(Device::Cpu, None);
    let _ = store.add("w", &[1], Init::Zeros).unwrap();
    let copy = store.to_cpu().unwrap();
    store.assign("w", &Tensor::from_slice(&[5_f32])).unwrap();
    assert_eq!(values(&copy["w"]), [0.0]);
}
