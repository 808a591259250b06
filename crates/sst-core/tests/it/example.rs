//! Runs the example of the crate.

#[allow(dead_code, reason = "its `main` is for the command line")]
#[path = "../../examples/own_encoder.rs"]
mod own_encoder;

use own_encoder::{BagOfTokens, save_and_load, vectors};
use tch::Tensor;

fn distance(x: &Tensor, y: &Tensor) -> f64 {
    (x - y).abs().max().double_value(&[])
}

#[test]
fn the_example_makes_vectors_and_keeps_its_weights() {
    let encoder = BagOfTokens::new(1).unwrap();
    let rows: [&[i64]; 3] = [&[7, 12, 41], &[41, 7, 12], &[99]];
    let got = vectors(&encoder, &rows).unwrap();
    assert_eq!(got.size(), [3, 8]);
    // The order of the tokens does not matter, and the tokens do.
    assert!(distance(&got.get(0), &got.get(1)) < 1e-6);
    assert!(distance(&got.get(0), &got.get(2)) > 0.1);
    // The vector of one token in closed form.
    let param = |name: &str| encoder.params.get(name).unwrap().detach();
    let (weight, bias) = (param("dense.weight"), param("dense.bias"));
    let expected = (weight.mv(&param("embeddings.weight").get(99)) + bias).tanh();
    assert!(distance(&got.get(2), &expected) < 1e-6);

    let folder = tempfile::tempdir().unwrap();
    let loaded = save_and_load(&encoder, &folder.path().join("weights.safetensors")).unwrap();
    assert_eq!(distance(&vectors(&loaded, &rows).unwrap(), &got), 0.0);
    let other = BagOfTokens::new(0).unwrap();
    assert!(distance(&vectors(&other, &rows).unwrap(), &got) > 0.1);
}
