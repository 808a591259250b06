//! Spans in tokens, in every form and within every limit.

use proptest::prelude::*;
use sst_data::records::{Column, ColumnKind};
use sst_data::rows::Dataset;
use sst_data::{Ledger, Span};

use super::{Place, text};

fn columns() -> Vec<Column> {
    vec![text("text"), Column::new("names", ColumnKind::Spans { text: "text".into() })]
}

#[test]
fn spans_count_characters_and_become_tokens_of_the_sequence() {
    // 刘备 a关羽: each Chinese character is a token of BERT's.
    let content = "{\"text\": \"刘备 a 关羽.\", \"names\": [[0, 2, \"PER\"], [5, 7, \"PER\"], [3, 4, \"LOC\"]]}\n";
    let place = Place::new("a.jsonl", content, columns());
    let example = place.rows(16).get(0, 0).unwrap();
    let tokens = example.tokens("input_ids").unwrap();
    assert_eq!(tokens, [2, 11, 12, 5, 13, 14, 15, 3]);
    let spans = example.spans("names").unwrap();
    let per = |start, end| Span { start, end, label: Some(1) };
    assert_eq!(spans, [per(1, 3), per(4, 6), Span { start: 3, end: 4, label: Some(0) }]);
    assert_eq!(place.store().labels("names").unwrap().names, ["LOC", "PER"]);
    assert_eq!(place.store().labels("names").unwrap().counts, [1, 2]);
}

#[test]
fn answers_of_squad_are_found_in_their_context() {
    let columns = vec![
        text("question"),
        Column::new("context", ColumnKind::SecondText { first: "question".into() }),
        Column::new("answers", ColumnKind::Spans { text: "context".into() }),
    ];
    let content = "{\"question\": \"a b\", \"context\": \"c 关羽 c\", \"answers\": {\"text\": [\"关羽\"], \"answer_start\": [2]}}\n";
    let place = Place::new("a.jsonl", content, columns);
    let example = place.rows(16).get(0, 0).unwrap();
    // [CLS] a b [SEP] c 关 羽 c [SEP]
    let span = example.spans("answers").unwrap()[0];
    assert_eq!(&example.tokens("input_ids").unwrap()[span.start..span.end], [13, 14]);
    let wrong = content.replace("[2]", "[1]");
    let place = Place::new("a.jsonl", &wrong, place.columns.clone());
    let error = place.prepare(&Ledger::new()).unwrap_err().to_string();
    assert!(
        error.contains("a.jsonl:1") && error.contains("says that `关羽` stands at character 1"),
        "{error}"
    );
}

#[test]
fn what_is_cut_off_is_counted_and_never_half_given() {
    let content = "{\"text\": \"a b c a b c\", \"names\": [[0, 1], [4, 7], [8, 9]]}\n";
    let place = Place::new("a.jsonl", content, columns());
    let ledger = Ledger::new();
    // Room for a b c.
    let rows = place.rows_with(Default::default(), 5, &ledger).unwrap();
    let example = rows.get(0, 0).unwrap();
    assert_eq!(example.spans("names"), Some(&[Span { start: 1, end: 2, label: None }][..]));
    assert_eq!(ledger.count("rows.truncated_spans"), 2);
    assert_eq!(ledger.count("rows.truncated_tokens"), 3);
}

#[test]
fn a_span_within_a_token_is_widened_and_counted() {
    let content = "{\"text\": \"ab c\", \"names\": [[1, 2], [3, 4]]}\n{\"text\": \"zzz c\", \"names\": [[1, 2]]}\n";
    let place = Place::new("a.jsonl", content, columns());
    let ledger = Ledger::new();
    place.prepare(&ledger).unwrap();
    // `ab` is the tokens a and ##b, so only `zzz`, one unknown token, is wider than its span.
    let entry = &ledger.entries()["records.spans_within_tokens"];
    assert_eq!(
        (entry.count, entry.first.as_deref().map(|key| key.ends_with(":2"))),
        (1, Some(true))
    );
    let example = place.rows(16).get(1, 0).unwrap();
    assert_eq!(example.spans("names"), Some(&[Span { start: 1, end: 2, label: None }][..]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Of words of one token each, the span of words i to j is the tokens i to j.
    #[test]
    fn any_span_of_words_is_those_tokens(
        words in prop::collection::vec("[abc刘备关羽]", 1..12),
        bounds in prop::collection::vec((0_usize..12, 0_usize..12), 0..4),
        max_length in 3_usize..16,
    ) {
        let bounds: Vec<(usize, usize)> = bounds
            .into_iter()
            .map(|(i, j)| (i.min(j).min(words.len() - 1), i.max(j).min(words.len() - 1)))
            .collect();
        let text = words.join(" ");
        // A word and a space are two characters.
        let spans: Vec<_> = bounds.iter().map(|(i, j)| serde_json::json!([2 * i, 2 * j + 1])).collect();
        let line = serde_json::json!({"text": text, "names": spans}).to_string();
        let place = Place::new("a.jsonl", &line, columns());
        let example = place.rows(max_length).get(0, 0).unwrap();
        let kept = words.len().min(max_length - 2);
        let expected: Vec<Span> = bounds
            .iter()
            .filter(|(_, j)| *j < kept)
            .map(|(i, j)| Span { start: i + 1, end: j + 2, label: None })
            .collect();
        prop_assert_eq!(example.spans("names").unwrap(), expected);
    }
}
