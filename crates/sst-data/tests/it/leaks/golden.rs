//! The leaks that Python finds in chapters of the bundled books.

use std::path::Path;

use serde_json::Value;
use sst_data::leaks::{LeakConfig, LeakKind};

use super::{counts, search};

#[test]
fn leaks_are_those_of_python() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/leaks/case.json");
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let texts = |name: &str| -> Vec<&str> {
            case[name].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
        };
        let number = |name: &str| case[name].as_u64().unwrap() as usize;
        let config = LeakConfig {
            ngram: number("ngram"),
            shingle: number("shingle"),
            similarity: case["similarity"].as_f64().unwrap(),
            examples: usize::MAX,
        };
        let (tests, results) = (texts("tests"), case["results"].as_array().unwrap());
        let leaks = search(&config, &tests, &texts("references"));
        let found = counts(&leaks);
        for (name, count) in case["counts"].as_object().unwrap() {
            assert_eq!(&found[name], count, "{name}");
        }
        assert_eq!(results.len(), tests.len());
        for (line, (test, expected)) in (1..).zip(tests.iter().zip(results)) {
            let mut examples = leaks.examples.iter();
            let is_own = |kind| kind != LeakKind::Repeated;
            let example =
                examples.find(|example| example.text.record == line && is_own(example.kind));
            let kind = example.map(|example| serde_json::to_value(example.kind).unwrap());
            assert_eq!(kind.unwrap_or_default(), expected[0], "{test:?}");
            let place = example.map(|example| example.reference.record - 1);
            assert_eq!(place, expected[1].as_u64(), "{test:?}");
            let similarity = example.and_then(|example| example.similarity);
            assert_eq!(similarity, expected[2].as_f64(), "{test:?}");
        }
    }
}
