//! Mutated configs and headers give an error or a model, but no panic, no endless loop and no large allocation.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use sst_core::HeadKind;
use sst_core::checkpoint::{Weights, write_tensors};
use sst_models::{LoadHead, LoadOptions, open};
use tch::{Device, Tensor};

use crate::altered::Content;

/// `PROPTEST_CASES` sets the number of cases; the default is 256.
fn cases() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// The peak memory of this process in bytes; 0 if the system does not report it.
pub(crate) fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}

/// Loads a folder and checks a bound on the memory.
fn try_open(folder: &Path) {
    for head in [LoadHead::AsFound, LoadHead::New(HeadKind::LanguageModel)] {
        let options = LoadOptions { head, ..LoadOptions::new(Device::Cpu) };
        if let Err(error) = open(folder, &options) {
            assert!(!error.to_string().is_empty());
        }
    }
    assert!(peak() < 1 << 30, "{} bytes", peak());
}

/// A number, text or list that a hostile file may contain.
fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        Just(i64::MAX),
        Just(i64::MIN),
        Just(-1),
        Just(0),
        Just(1 << 31),
        Just(1 << 32),
        Just(1_000_000_000),
        any::<i64>(),
        0..100_i64
    ];
    prop_oneof![
        4 => number.prop_map(|n| json!(n)),
        1 => any::<f64>().prop_map(|x| json!(x)),
        1 => any::<bool>().prop_map(|x| json!(x)),
        1 => Just(Value::Null),
        1 => ".{0,8}".prop_map(|text| json!(text)),
        1 => Just(json!([])),
        1 => Just(json!({})),
        1 => Just(json!({"rope_type": "yarn", "factor": 1e300, "rope_theta": 1e300})),
        1 => Just(json!(["BertForMaskedLM"])),
    ]
}

const MODELS: [&str; 7] = [
    "bert/hub",
    "causal/gpt2",
    "causal/llama",
    "vision/vit",
    "vision/mae",
    "vision/siglip",
    "vision/dual",
];

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn mutated_keys_of_a_config_do_no_harm(
        model in 0..MODELS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), value()), 1..4),
    ) {
        let mut content = Content::of(MODELS[model]);
        let mut keys: Vec<String> = content.config.keys().cloned().collect();
        keys.extend(["head_dim", "n_inner", "rope_scaling", "rope_theta"].map(str::to_owned));
        for part in ["text_config", "vision_config"] {
            let nested = content.config.get(part).and_then(Value::as_object).cloned();
            keys.extend(nested.unwrap_or_default().keys().map(|key| format!("{part}.{key}")));
        }
        for (key, value) in changes {
            match key.get(&keys[..]).split_once('.') {
                Some((part, key)) => {
                    if let Some(Value::Object(nested)) = content.config.get_mut(part) {
                        nested.insert(key.to_owned(), value);
                    }
                }
                None => {
                    content.set(key.get(&keys[..]).as_str(), value);
                }
            }
        }
        let folder = tempfile::tempdir().unwrap();
        content.write(folder.path());
        try_open(folder.path());
    }

    #[test]
    fn mutated_bytes_of_a_config_do_no_harm(
        model in 0..MODELS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let content = Content::of(MODELS[model]);
        let folder = tempfile::tempdir().unwrap();
        content.write(folder.path());
        let path = folder.path().join("config.json");
        let mut bytes = std::fs::read(&path).unwrap();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if cut {
            bytes.truncate(end.index(bytes.len()));
        }
        std::fs::write(&path, bytes).unwrap();
        try_open(folder.path());
    }

    #[test]
    fn mutated_bytes_of_a_safetensors_header_do_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        length in prop::option::of(any::<u64>()),
    ) {
        let content = Content::of("bert/hub");
        let folder = tempfile::tempdir().unwrap();
        content.write(folder.path());
        let path = folder.path().join("model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        for (place, byte) in changes {
            bytes[8 + place.index(header)] = byte;
        }
        if let Some(length) = length {
            bytes[..8].copy_from_slice(&length.to_le_bytes());
        }
        std::fs::write(&path, bytes).unwrap();
        try_open(folder.path());
    }

    #[test]
    fn mutated_entries_of_a_safetensors_header_do_no_harm(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::sample::select(vec!["dtype", "shape", "data_offsets"]), value()),
            1..4,
        ),
    ) {
        let content = Content::of("causal/llama");
        let folder = tempfile::tempdir().unwrap();
        content.write(folder.path());
        let path = folder.path().join("model.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        let names: Vec<String> = header.as_object().unwrap().keys().cloned().collect();
        for (place, key, value) in changes {
            let value = if key == "dtype" { value } else { json!([value.clone(), value]) };
            header[place.get(&names)][key] = value;
        }
        let header = header.to_string();
        let mut changed = (header.len() as u64).to_le_bytes().to_vec();
        changed.extend(header.as_bytes());
        changed.extend(&bytes[8 + length..]);
        std::fs::write(&path, changed).unwrap();
        try_open(folder.path());
    }
}

/// Hand-written files that used to need much memory or time.
#[test]
fn hostile_folders_are_errors_at_once() {
    for (model, key) in [
        ("bert/hub", "num_hidden_layers"),
        ("causal/gpt2", "n_layer"),
        ("causal/llama", "num_hidden_layers"),
    ] {
        for layers in [50_000_i64, 1_000_000_000, i64::MAX] {
            let mut content = Content::of(model);
            content.set(key, layers);
            let folder = tempfile::tempdir().unwrap();
            content.write(folder.path());
            assert!(open(folder.path(), &LoadOptions::new(Device::Cpu)).is_err());
        }
    }
    // A header with 300,000 metadata keys is parsed once, and not for each tensor.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let tensors = BTreeMap::from([("a".to_owned(), Tensor::from_slice(&[1_f32]))]);
    let metadata: Vec<String> = (0..300_000).map(|i| i.to_string()).collect();
    let metadata: Vec<(&str, String)> =
        metadata.iter().map(|key| (&**key, "x".to_owned())).collect();
    write_tensors(&path, &tensors, &metadata).unwrap();
    let weights = Weights::open(&path).unwrap();
    let start = std::time::Instant::now();
    for _ in 0..1000 {
        assert_eq!(weights.shape("a").unwrap(), [1]);
    }
    assert!(start.elapsed().as_secs() < 5);
}
