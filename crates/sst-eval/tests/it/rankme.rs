//! Compares RankMe with numpy.

use std::path::Path;

use serde_json::{Value, json};
use sst_core::Model;
use sst_eval::{EmbeddedTexts, EvalError, Input, Report, TextRole, TextVectors, build};
use tch::{Kind, Tensor};

use crate::toy::{Fixed, eval_error};

/// Returns the rows of this matrix as the vectors of the texts.
struct Matrix(Tensor);

impl TextVectors for Matrix {
    fn vectors(
        &mut self,
        _: &dyn Model,
        texts: &[String],
        _: TextRole,
    ) -> Result<Tensor, EvalError> {
        assert_eq!(texts.len() as i64, self.0.size()[0]);
        Ok(self.0.shallow_clone())
    }
}

fn rankme(matrix: Tensor, config: &Value) -> Result<Report, EvalError> {
    let texts = vec![String::new(); matrix.size()[0] as usize];
    let input = Input::EmbeddedTexts(EmbeddedTexts { vectors: Box::new(Matrix(matrix)), texts });
    build("rankme", config, input)?.evaluate(&Fixed::uniform(10), None).map_err(eval_error)
}

#[test]
fn rankme_equals_numpy() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/rankme/case.json");
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let number = |x: &Value| x.as_f64().unwrap() as f32;
        let rows = case["rows"].as_array().unwrap();
        let numbers: Vec<f32> =
            rows.iter().flat_map(|row| row.as_array().unwrap().iter().map(number)).collect();
        let matrix = Tensor::from_slice(&numbers).reshape([rows.len() as i64, -1]);
        let report = rankme(matrix, &json!({})).unwrap();
        let (got, want) = (report.metrics["rankme"], case["rankme"].as_f64().unwrap());
        assert!((got - want).abs() <= 1e-6 * want, "{}: {got} is not {want}", case["name"]);
    }
}

#[test]
fn orthogonal_vectors_have_full_rank_and_equal_vectors_have_rank_one() {
    let exact = json!({ "epsilon": 0.0 });
    let report = rankme(Tensor::eye(4, (Kind::Float, tch::Device::Cpu)), &exact).unwrap();
    assert!((report.metrics["rankme"] - 4.0).abs() < 1e-12, "{report:?}");
    assert!((report.metrics["rankme_fraction"] - 1.0).abs() < 1e-12);
    assert_eq!((report.counts["texts"], report.counts["width"]), (4, 4));
    let line = Tensor::from_slice(&[1_f32, 2.0]).repeat([5, 1]);
    assert!((rankme(line, &exact).unwrap().metrics["rankme"] - 1.0).abs() < 1e-6);
    let zeros = Tensor::zeros([3, 2], (Kind::Float, tch::Device::Cpu));
    assert_eq!(rankme(zeros, &exact).unwrap().metrics["rankme"], 1.0);
}

#[test]
fn an_invalid_epsilon_and_an_empty_data_set_are_errors() {
    let square = || Tensor::eye(2, (Kind::Float, tch::Device::Cpu));
    let negative = rankme(square(), &json!({ "epsilon": -1.0 }));
    assert!(matches!(negative, Err(EvalError::Config { .. })), "{negative:?}");
    let none = rankme(Tensor::zeros([0, 2], (Kind::Float, tch::Device::Cpu)), &json!({}));
    assert!(matches!(none, Err(EvalError::Nothing(_))), "{none:?}");
}
