//! Weights on disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use sst_core::checkpoint::{
    Allow, FileShapes, MAX_HEADER_BYTES, Renamed, Weights, load_params, write_tensors,
};
use sst_core::{Init, ParamStore};
use tch::{Device, Kind, Tensor};

fn tensors() -> BTreeMap<String, Tensor> {
    BTreeMap::from([
        ("a".to_owned(), Tensor::from_slice(&[1_f32, 2.0, 3.0, 4.0, 5.0, 6.0]).reshape([2, 3])),
        ("b".to_owned(), Tensor::from_slice(&[1_f32, 0.5]).to_kind(Kind::BFloat16)),
        ("c".to_owned(), Tensor::from(3_i64)),
    ])
}

fn open_error(path: &Path) -> String {
    Weights::open(path).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn what_is_written_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    write_tensors(&path, &tensors(), &[("step", "7".into())]).unwrap();
    let weights = Weights::open(dir.path()).unwrap();
    assert_eq!(weights.names().collect::<Vec<_>>(), ["a", "b", "c"]);
    for (name, tensor) in tensors() {
        let read = weights.tensor(&name).unwrap();
        assert_eq!((read.kind(), read.size()), (tensor.kind(), tensor.size()));
        assert!(read.equal(&tensor), "{name}");
    }
    let metadata = weights.metadata();
    assert_eq!((metadata["format"].as_str(), metadata["step"].as_str()), ("pt", "7"));
}

#[test]
fn files_that_are_not_whole_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    assert!(open_error(dir.path()).contains("neither model.safetensors nor"));
    write_tensors(&path, &tensors(), &[]).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for length in [0, 7, 30, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = open_error(&path);
        assert!(error.contains("model.safetensors") && error.contains("not a whole"), "{error}");
    }
}

/// A file that is truncated while it is loaded gives an error, and does not end the process.
#[test]
fn a_file_that_is_cut_off_after_it_was_opened_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let large = Tensor::ones([3 << 20], (Kind::Float, Device::Cpu));
    write_tensors(&path, &BTreeMap::from([("a".to_owned(), large.shallow_clone())]), &[]).unwrap();
    let weights = Weights::open(&path).unwrap();
    assert!(weights.tensor("a").unwrap().equal(&large));
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(9 << 20).unwrap();
    for error in [weights.tensor("a").map(drop), weights.check_numbers("a")] {
        let error = error.unwrap_err().to_string();
        assert!(error.contains("model.safetensors") && error.contains("was cut off"), "{error}");
    }
}

#[test]
fn writing_fails_with_the_path_and_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("no-such-folder").join("x.safetensors");
    let error = write_tensors(&path, &tensors(), &[]).unwrap_err().to_string();
    assert!(error.contains("no-such-folder"), "{error}");
}

#[test]
fn loading_is_strict_unless_a_name_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    write_tensors(&path, &tensors(), &[]).unwrap();
    let weights = Weights::open(&path).unwrap();
    let fresh = || {
        let mut store = ParamStore::new(Device::Cpu, None);
        let _ = store.add("a", &[2, 3], Init::Zeros).unwrap();
        let _ = store.add("d", &[1], Init::Zeros).unwrap();
        store
    };
    let rename = |name: &str| if name == "c" { Renamed::Ignore } else { Renamed::To(name.into()) };

    let mut store = fresh();
    let error =
        load_params(&mut store, &weights, rename, &Allow::default()).unwrap_err().to_string();
    assert!(error.contains("missing: d") && error.contains("unexpected: b"), "{error}");
    assert_eq!(
        store.get("a").unwrap().abs().sum(Kind::Float).double_value(&[]),
        0.0,
        "nothing changed"
    );

    let allow = Allow { missing: vec!["d".into()], unexpected: vec!["b".into()] };
    let report = load_params(&mut store, &weights, rename, &allow).unwrap();
    assert_eq!((report.loaded, report.ignored), (vec!["a".to_owned()], vec!["c".to_owned()]));
    assert!(store.get("a").unwrap().equal(&tensors()["a"]));
}

#[test]
fn a_shape_that_would_broadcast_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    write_tensors(&path, &BTreeMap::from([("a".to_owned(), Tensor::from_slice(&[1_f32]))]), &[])
        .unwrap();
    let mut store = ParamStore::new(Device::Cpu, None);
    let _ = store.add("a", &[2], Init::Zeros).unwrap();
    let weights = Weights::open(&path).unwrap();
    let rename = |name: &str| Renamed::To(name.into());
    let allow = Allow { missing: vec!["a".into()], unexpected: vec!["a".into()] };
    let error = load_params(&mut store, &weights, rename, &allow).unwrap_err().to_string();
    assert!(error.contains("other shape: a is [2] in the model and [1] in the file"), "{error}");
}

#[test]
fn shards_are_read_through_their_index() {
    let dir = tempfile::tempdir().unwrap();
    let mut all = tensors();
    let last = BTreeMap::from([("c".to_owned(), all.remove("c").unwrap())]);
    write_tensors(&dir.path().join("model-00001-of-00002.safetensors"), &all, &[]).unwrap();
    write_tensors(&dir.path().join("model-00002-of-00002.safetensors"), &last, &[]).unwrap();
    let index = dir.path().join("model.safetensors.index.json");
    let one = "model-00001-of-00002.safetensors";
    let two = "model-00002-of-00002.safetensors";
    std::fs::write(
        &index,
        format!(r#"{{"metadata":{{}},"weight_map":{{"a":"{one}","b":"{one}","c":"{two}"}}}}"#),
    )
    .unwrap();
    assert_eq!(Weights::open(dir.path()).unwrap().tensor("c").unwrap().int64_value(&[]), 3);
    std::fs::write(&index, r#"{"weight_map":{"a":"../secret.safetensors"}}"#).unwrap();
    assert!(open_error(dir.path()).contains("not a file name"));
    std::fs::write(&index, format!(r#"{{"weight_map":{{"z":"{one}"}}}}"#)).unwrap();
    assert!(open_error(dir.path()).contains("no shard holds `z`"));
}

/// A store with the parameter `a`, a matrix of two rows.
fn wants_a() -> ParamStore {
    let mut store = ParamStore::new(Device::Cpu, None);
    let _ = store.add("a", &[2, 3], Init::Zeros).unwrap();
    store
}

fn load_error(tensors: &BTreeMap<String, Tensor>) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    write_tensors(&path, tensors, &[]).unwrap();
    let weights = Weights::open(&path).unwrap();
    // Every tensor whose name ends with `a` stands for the parameter `a`.
    let rename = |name: &str| Renamed::To(name.trim_start_matches("x.").to_owned());
    let loaded = load_params(&mut wants_a(), &weights, rename, &Allow::default());
    loaded.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_parameter_is_of_finite_floating_point_numbers() {
    let plain = tensors().remove("a").unwrap();
    for (tensor, expected) in [
        (plain.to_kind(Kind::Int), "has type I32"),
        (plain.to_kind(Kind::Uint8), "has type U8"),
        (&plain / 0.0, "NaN, infinity or a number beyond fp32, first at place 0"),
        ((&plain - 4.0).sqrt().to_kind(Kind::BFloat16), "first at place 0"),
        (plain.to_kind(Kind::Double) * 1e300, "first at place 0"),
    ] {
        let error = load_error(&BTreeMap::from([("a".to_owned(), tensor)]));
        assert!(error.contains("tensor `a`") && error.contains(expected), "{error}");
    }
}

#[test]
fn a_parameter_that_stands_twice_must_be_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let plain = tensors().remove("a").unwrap();
    let twice = |other: Tensor| {
        BTreeMap::from([("a".to_owned(), plain.shallow_clone()), ("x.a".to_owned(), other)])
    };
    write_tensors(&path, &twice(plain.copy()), &[]).unwrap();
    let weights = Weights::open(&path).unwrap();
    let rename = |name: &str| Renamed::To(name.trim_start_matches("x.").to_owned());
    let report = load_params(&mut wants_a(), &weights, rename, &Allow::default()).unwrap();
    assert_eq!(report.ignored, ["x.a"]);
    let error = load_error(&twice(&plain + 1.0));
    assert!(error.contains("twice, with other numbers: a as a and as x.a"), "{error}");
}

#[test]
fn what_a_file_lacks_takes_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    write_tensors(&path, &tensors(), &[]).unwrap();
    let weights = Weights::open(&path).unwrap();
    let rename = |name: &str| Renamed::To(name.to_owned());
    let allow = Allow { missing: vec!["new.".into()], ..Allow::default() };
    let shapes = || Arc::new(FileShapes::new(&weights, rename, &allow).unwrap());

    let fitting = shapes();
    let mut store = ParamStore::for_file(Device::Cpu, 1, Arc::clone(&fitting));
    let _ = store.add("a", &[2, 3], Init::Ones).unwrap();
    let new = store.add("new.x", &[4], Init::Ones).unwrap();
    assert_eq!(fitting.problems(), None);
    assert_eq!(new.sum(Kind::Float).double_value(&[]), 4.0);

    // Shapes of 10^18 numbers each.
    let wrong = shapes();
    let mut store = ParamStore::for_file(Device::Cpu, 1, Arc::clone(&wrong));
    let huge = [1_000_000_000, 1_000_000_000];
    let _ = store.add("a", &huge, Init::Normal(1.0)).unwrap();
    let _ = store.add("new.y", &huge, Init::Normal(1.0)).unwrap();
    let given_up = (0..1_000_000).find(|i| store.add(&format!("l{i}"), &huge, Init::Ones).is_err());
    assert!(given_up.unwrap() < 100);
    let report = wrong.problems().unwrap();
    assert_eq!(report.mismatched[0], ("a".to_owned(), huge.to_vec(), vec![2, 3]));
    assert_eq!(report.missing[..2], ["new.y", "l0"]);
}

#[test]
fn folders_without_safetensors_say_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pytorch_model.bin"), "x").unwrap();
    assert!(open_error(dir.path()).contains("but pytorch_model.bin, which sst does not read"));
    let path = dir.path().join("model.safetensors");
    std::fs::write(&path, "version https://git-lfs.github.com/spec/v1\n").unwrap();
    assert!(open_error(dir.path()).contains("git lfs pull"));
    std::fs::write(&path, (MAX_HEADER_BYTES + 1).to_le_bytes()).unwrap();
    assert!(open_error(dir.path()).contains("its header would have"));
}

#[test]
fn a_tensor_in_two_shards_names_both() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["one.safetensors", "two.safetensors"] {
        write_tensors(&dir.path().join(name), &tensors(), &[]).unwrap();
    }
    let index = r#"{"weight_map":{"a":"one.safetensors","b":"two.safetensors"}}"#;
    std::fs::write(dir.path().join("model.safetensors.index.json"), index).unwrap();
    let error = open_error(dir.path());
    assert!(error.contains("two.safetensors") && error.contains("in one.safetensors"), "{error}");
}
