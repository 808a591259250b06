//! The initial values of parameters, which depend on their names and not on their order, and other values in their place.

use std::cell::RefCell;

use sst_core::{Error, Init, ParamStore, Result, Scope, with_values};
use tch::{Device, Kind, Tensor};

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

/// Two parameters with gradients, the first of them frozen, and other values for both.
fn two_params() -> (ParamStore, [Tensor; 2], Vec<(Tensor, Tensor)>) {
    let mut store = ParamStore::new(Device::Cpu, Some(1));
    let params = ["a", "b"].map(|name| store.add(name, &[2], Init::Ones).unwrap());
    (&params[0] * &params[1]).sum(Kind::Float).f_backward().unwrap();
    store.set_trainable(false, |name| name == "a").unwrap();
    let values = [[3_f32, 4.0], [5.0, 6.0]].map(|value| Tensor::from_slice(&value));
    let pairs = store.iter().map(|(_, param)| param.shallow_clone()).zip(values).collect();
    (store, params, pairs)
}

fn shown(params: &[Tensor; 2]) -> [Vec<f32>; 2] {
    [values(&params[0]), values(&params[1])]
}

#[test]
fn other_values_are_shown_to_every_handle_and_the_first_ones_come_back() {
    let (store, params, pairs) = two_params();
    let storages = params.each_ref().map(Tensor::data_ptr);
    let others: Vec<_> = pairs.iter().map(|(_, value)| value.shallow_clone()).collect();
    let seen = with_values(pairs, || {
        assert_eq!(params[0].data_ptr(), others[0].data_ptr(), "a value is not copied");
        assert_eq!(values(store.get("b").unwrap()), [5.0, 6.0]);
        Ok::<_, Error>(shown(&params))
    });
    assert_eq!(seen.unwrap(), [[3.0, 4.0], [5.0, 6.0]]);
    assert_eq!(shown(&params), [[1.0, 1.0], [1.0, 1.0]]);
    assert_eq!(params.each_ref().map(Tensor::data_ptr), storages);
    assert_eq!([values(&others[0]), values(&others[1])], [[3.0, 4.0], [5.0, 6.0]]);
    assert_eq!(params.each_ref().map(Tensor::requires_grad), [false, true]);
    assert!(params.iter().all(|param| values(&param.grad()) == [1.0, 1.0]));
}

#[test]
fn the_first_values_come_back_after_an_error() {
    let (_store, params, pairs) = two_params();
    let result: Result<()> = with_values(pairs, || {
        assert_eq!(shown(&params)[0], [3.0, 4.0]);
        Err(Error::Contract("the work failed".to_owned()))
    });
    assert!(result.unwrap_err().to_string().contains("the work failed"));
    assert_eq!(shown(&params), [[1.0, 1.0], [1.0, 1.0]]);

    // The second value does not fit, so the first parameter is given its own value again before any work is done.
    let (_store, params, mut pairs) = two_params();
    pairs[1].1 = Tensor::from_slice(&[7_f32]);
    let error = with_values(pairs, || -> Result<()> { panic!("work must not begin") }).unwrap_err();
    assert!(error.to_string().contains("shape [2]"), "{error}");
    assert_eq!(shown(&params), [[1.0, 1.0], [1.0, 1.0]]);
    assert_eq!(params.each_ref().map(Tensor::requires_grad), [false, true]);
}

#[test]
fn gradients_reach_a_parameter_that_has_another_value() {
    let (_store, params, pairs) = two_params();
    with_values(pairs, || {
        // The gradient of a b with respect to b is a, which is 3 and 4 here; b already has a gradient of 1.
        (&params[0] * &params[1]).sum(Kind::Float).f_backward()?;
        Ok::<_, Error>(())
    })
    .unwrap();
    assert_eq!(values(&params[1].grad()), [4.0, 5.0]);
    assert_eq!(values(&params[0].grad()), [1.0, 1.0], "a frozen parameter gets no gradient");
}
