//! The entities that seqeval finds in sequences at random.

use std::path::Path;

use serde_json::Value;
use sst_data::entities::{Entity, EntityScheme, read_lenient, read_strict};

#[test]
fn entities_are_those_of_seqeval() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/entities/case.json");
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let schemes = golden["schemes"].as_array().unwrap();
    assert_eq!(schemes.len(), 6);
    for case in schemes {
        let scheme: EntityScheme = case["scheme"].as_str().unwrap().parse().unwrap();
        let table: Vec<&str> = case["labels"]
            .as_array()
            .unwrap()
            .iter()
            .map(|label| label.as_str().unwrap())
            .collect();
        let sequences = case["predicted"].as_array().unwrap();
        let (lenient, strict) = (&case["lenient"]["spans"], &case["strict"]["spans"]);
        let count = lenient.as_array().unwrap().len();
        assert_eq!(count, 60);
        for (at, sequence) in sequences.iter().take(count).enumerate() {
            let digits = sequence.as_str().unwrap().chars();
            let labels: Vec<&str> =
                digits.map(|digit| table[digit.to_digit(36).unwrap() as usize]).collect();
            let what = format!("{scheme} {labels:?}");
            assert_eq!(read_lenient(&labels).unwrap(), entities(&lenient[at]), "lenient {what}");
            assert_eq!(
                read_strict(&labels, scheme).unwrap(),
                entities(&strict[at]),
                "strict {what}"
            );
        }
    }
}

fn entities(spans: &Value) -> Vec<Entity<'_>> {
    let position = |value: &Value| value.as_u64().unwrap() as usize;
    let entity = |span: &Value| (position(&span[0]), position(&span[1]));
    let spans = spans.as_array().unwrap().iter();
    spans
        .map(|span| {
            let (start, end) = entity(span);
            Entity { start, end, label: span[2].as_str().unwrap() }
        })
        .collect()
}
