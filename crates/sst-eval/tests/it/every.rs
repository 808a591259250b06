//! Tests that every evaluator of the list must pass, and tests of `sts` and `retrieval` with known vectors.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};
use sst_core::Model;
use sst_data::Ledger;
use sst_data::pictures::CaptionTokens;
use sst_eval::{
    ComparedTexts, EmbeddedTexts, EvalError, Input, InputKind, LabelledRows, NamedPictures, Pairs,
    RecordRows, Report, ScoredPairs, Text, TextRole, TextVectors, TokenRows, build, entry, list,
};
use tch::Tensor;

use crate::toy::{Fixed, Rows, eval_error, every_third, terms_give_figures, tokenizer};

/// Each text is an angle in degrees; its vector is the point at that angle on a circle of radius 3.
struct Angles;

impl TextVectors for Angles {
    fn vectors(
        &mut self,
        _: &dyn Model,
        texts: &[String],
        _: TextRole,
    ) -> Result<Tensor, EvalError> {
        let angle = |text: &String| text.parse::<f32>().unwrap().to_radians();
        let points: Vec<f32> = texts
            .iter()
            .map(angle)
            .flat_map(|angle| [3.0 * angle.cos(), 3.0 * angle.sin()])
            .collect();
        Ok(Tensor::from_slice(&points).reshape([-1, 2]))
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

const KINDS: [InputKind; 10] = [
    InputKind::ObjectiveRows,
    InputKind::TokenRows,
    InputKind::Texts,
    InputKind::Pairs,
    InputKind::ScoredPairs,
    InputKind::EmbeddedTexts,
    InputKind::Records,
    InputKind::LabelledRows,
    InputKind::NamedPictures,
    InputKind::ComparedTexts,
];

fn input(kind: InputKind) -> Input<'static> {
    let rows = Arc::new(Rows(vec![vec![1, 7, 2, 2, 3]]));
    let vectors = Box::new(Angles);
    match kind {
        InputKind::ObjectiveRows => every_third(rows),
        InputKind::TokenRows => Input::TokenRows(TokenRows { rows, tokenizer: tokenizer() }),
        InputKind::Texts => Input::Texts(Box::new(Vec::<Text>::new())),
        InputKind::Pairs => Input::Pairs(Pairs {
            vectors,
            queries: strings(&["0", "90"]),
            corpus: strings(&["80", "10"]),
            relevant: vec![HashSet::from([1]), HashSet::from([0])],
        }),
        InputKind::ScoredPairs => Input::ScoredPairs(ScoredPairs {
            vectors,
            first: strings(&["0", "0", "0"]),
            second: strings(&["0", "60", "90"]),
            scores: vec![5.0, 3.0, 1.0],
        }),
        InputKind::LabelledRows => Input::LabelledRows(LabelledRows {
            train: rows.clone(),
            test: rows,
            labels: strings(&["a", "b"]),
            unlabelled: None,
            twin: None,
        }),
        InputKind::NamedPictures => Input::NamedPictures(NamedPictures {
            rows,
            labels: strings(&["a", "b"]),
            names: strings(&["a", "b"]),
            tokens: CaptionTokens::new(&tokenizer(), 8, &Ledger::new()).unwrap(),
            ledger: Ledger::new(),
        }),
        InputKind::ComparedTexts => Input::ComparedTexts(ComparedTexts { rows, other: None }),
        InputKind::Records => Input::Records(RecordRows {
            rows,
            labels: strings(&["a", "b"]),
            gold_answers: BTreeMap::new(),
        }),
        InputKind::EmbeddedTexts => {
            Input::EmbeddedTexts(EmbeddedTexts { vectors, texts: strings(&["0", "90", "180"]) })
        }
    }
}

#[test]
fn default_configs_round_trip_and_unknown_keys_are_refused() {
    for entry in list() {
        let config = (entry.default_config)();
        for config in [&config, &json!({})] {
            let built = build(entry.name, config, input(entry.input)).map(|_| ());
            assert!(built.is_ok(), "{}: {built:?}", entry.name);
        }
        assert_eq!(entry.config_with([("no_such_key", json!(1))]), config, "{}", entry.name);
        let mut unknown_key = config;
        unknown_key["no_such_key"] = json!(1);
        let error = build(entry.name, &unknown_key, input(entry.input)).map(|_| ()).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(entry.name) && message.contains("no_such_key"), "{message}");
    }
}

#[test]
fn names_are_unique_and_every_key_has_help() {
    let names: BTreeSet<_> = list().iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), list().len());
    for evaluator in list() {
        let name = evaluator.name;
        assert_eq!(entry(name).unwrap().name, name);
        assert!(!evaluator.summary.is_empty() && !evaluator.details.is_empty(), "{name}");
        let Value::Object(config) = (evaluator.default_config)() else {
            panic!("the default configuration of {name} is not an object")
        };
        let keys: BTreeSet<_> = config.keys().map(String::as_str).collect();
        let options: BTreeSet<_> = evaluator.options.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, options, "{name}");
    }
    let error = entry("perplexty").map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("no evaluator `perplexty`") && error.contains("perplexity"), "{error}");
}

#[test]
fn data_of_another_kind_is_refused() {
    for entry in list() {
        for kind in KINDS.into_iter().filter(|kind| *kind != entry.input) {
            let error = build(entry.name, &json!({}), input(kind)).map(|_| ()).unwrap_err();
            let EvalError::Input { evaluator, wanted, given } = error else { panic!("{error}") };
            assert_eq!((evaluator, wanted, given), (entry.name, entry.input, kind));
        }
    }
}

/// During training, the evaluators that an objective names get its rows: an evaluator of records reads those that the
/// objective learns from.
#[test]
fn every_objective_names_evaluators_that_read_its_rows() {
    for objective in sst_objectives::list() {
        assert!(!objective.held_out.is_empty(), "{}", objective.name);
        for name in objective.held_out {
            let evaluator = entry(name).unwrap();
            let Some(records) = evaluator.records else {
                assert_eq!(evaluator.input, InputKind::ObjectiveRows, "{}", objective.name);
                continue;
            };
            assert_eq!(evaluator.input, InputKind::Records, "{name}");
            assert_eq!(objective.head, Some(records.head), "{name}");
            let rows = (objective.rows)(&(objective.default_config)());
            let config = (evaluator.default_config)();
            assert_eq!((records.rows)(&json!({}), &config), rows, "{name}");
        }
    }
}

fn measure(name: &str, input: Input<'_>) -> Result<Report, EvalError> {
    build(name, &json!({}), input)?
        .evaluate(&Fixed::uniform(10), None)
        .map_err(eval_error)
        .inspect(terms_give_figures)
}

#[test]
fn sts_reports_the_correlation_of_cosines_and_scores() {
    let report = measure("sts", input(InputKind::ScoredPairs)).unwrap();
    assert!((report.metrics["spearman"] - 1.0).abs() < 1e-12);
    // The cosines are 1, 1/2 and 0.
    assert!((report.metrics["pearson"] - 1.0).abs() < 1e-6, "{report:?}");
    assert_eq!(report.counts["pairs"], 3);
    let equal_cosines = Input::ScoredPairs(ScoredPairs {
        vectors: Box::new(Angles),
        first: strings(&["0", "0"]),
        second: strings(&["30", "30"]),
        scores: vec![1.0, 2.0],
    });
    assert!(matches!(measure("sts", equal_cosines), Err(EvalError::NoCorrelation)));
}

#[test]
fn retrieval_finds_the_nearest_entries() {
    let report = measure("retrieval", input(InputKind::Pairs)).unwrap();
    assert_eq!((report.metrics["recall@1"], report.metrics["mrr@10"]), (1.0, 1.0));
    // The squared distance of two points on the unit circle, 10 degrees apart.
    let expected = 2.0 - 2.0 * 10_f64.to_radians().cos();
    assert!((report.metrics["alignment"] - expected).abs() < 1e-6, "{report:?}");
    assert_eq!((report.counts["queries"], report.counts["corpus"]), (2, 2));
}
