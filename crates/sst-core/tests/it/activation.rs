//! Activations against those of transformers.

use std::path::Path;

use sst_core::checkpoint::Weights;
use sst_core::nn::Activation;
use tch::Kind;

#[test]
fn every_name_of_transformers_gives_its_values() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/goldens/activations/case.safetensors");
    let case = Weights::open(&path).unwrap();
    let x = case.tensor("x").unwrap();
    let names: Vec<&str> = case.names().filter(|name| *name != "x").collect();
    assert_eq!(names.len(), 22);
    for name in names {
        let activation: Activation = serde_json::from_value(name.into()).unwrap();
        let got = activation.apply(&x).unwrap();
        let difference = (got - case.tensor(name).unwrap()).abs().max().to_kind(Kind::Double);
        let difference = difference.double_value(&[]);
        assert!(difference < 2e-6, "{name}: {difference:e}");
        assert_eq!(serde_json::to_value(activation).unwrap(), name);
    }
}
