//! Quantised tensors against the Python package gguf.

use sst_core::checkpoint::Weights;
use sst_models::gguf::Gguf;

use super::build::{self, Raw};
use crate::case::golden;

#[test]
fn every_quantisation_has_the_numbers_of_ggml() {
    let golden = Weights::open(&golden("gguf/quants.safetensors")).unwrap();
    let kinds = [
        (1, "F16"),
        (2, "Q4_0"),
        (3, "Q4_1"),
        (6, "Q5_0"),
        (7, "Q5_1"),
        (8, "Q8_0"),
        (10, "Q2_K"),
        (11, "Q3_K"),
        (12, "Q4_K"),
        (13, "Q5_K"),
        (14, "Q6_K"),
        (30, "BF16"),
    ];
    assert_eq!(golden.names().count(), 2 * kinds.len());
    let raw = |(kind, name): (u32, &str)| {
        let packed = golden.tensor(&format!("{name}.packed")).unwrap().flatten(0, -1);
        let shape = golden.tensor(&format!("{name}.numbers")).unwrap().size();
        Raw { name: name.to_owned(), shape, kind, bytes: Vec::<u8>::try_from(packed).unwrap() }
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    std::fs::write(&path, build::file(&[], &kinds.map(raw))).unwrap();
    let file = Gguf::open(&path).unwrap();
    for (_, name) in kinds {
        let want = golden.tensor(&format!("{name}.numbers")).unwrap();
        let (found, shape) = file.tensor(name).unwrap();
        assert_eq!(shape, want.size(), "{name}");
        let want = Vec::<f32>::try_from(want.flatten(0, -1)).unwrap();
        for (at, (found, want)) in found.iter().zip(&want).enumerate() {
            // Some products are rounded in another order.
            let off = (found - want).abs();
            assert!(off <= 2e-6 * want.abs().max(1e-2), "{name} at {at}: {found} {want}");
        }
    }
}
