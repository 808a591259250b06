//! Entities: spans with labels that do not overlap, in the tokens of every kind of tokenizer.

use proptest::prelude::*;
use serde_json::json;
use sst_data::read::Format;
use sst_data::records::{Column, ColumnKind};
use sst_data::rows::Dataset;
use sst_data::tokenize::{Algorithm, TrainConfig, train};
use sst_data::{Example, Field, Ledger, Span};

use super::{Place, text};

pub(super) fn columns() -> Vec<Column> {
    vec![text("text"), Column::new("entities", ColumnKind::Entities { text: "text".into() })]
}

/// The entities of an example: first position, position after the last one, label, cut.
pub(super) fn entities(example: &Example) -> Vec<(usize, usize, u32, i64)> {
    let spans = example.spans("entities").unwrap().iter();
    let Some(Field::Ints(cuts)) = example.fields.get("entities.cut") else { panic!("no cuts") };
    assert_eq!(spans.len(), cuts.len());
    spans.zip(cuts).map(|(span, cut)| (span.start, span.end, span.label.unwrap(), *cut)).collect()
}

#[test]
fn sentences_of_conll_become_tokens_with_entities() {
    let content = "刘 B-PER\n备 I-PER\na O\n\nb B-LOC\nabc I-LOC\n关 B-PER\n";
    let mut place = Place::new("a.txt", content, columns());
    place.source.format = Some(Format::Conll);
    let rows = place.rows(16);
    assert_eq!(place.store().labels("entities").unwrap().names, ["LOC", "PER"]);
    assert_eq!(place.store().labels("entities").unwrap().counts, [1, 2]);
    let first = rows.get(0, 0).unwrap();
    assert_eq!(
        (first.text("text"), first.tokens("input_ids").unwrap()),
        (Some("刘备 a"), &[2, 11, 12, 5, 3][..])
    );
    assert_eq!(entities(&first), [(1, 3, 1, 0)]);
    assert_eq!(first.key.record, 1);
    let second = rows.get(1, 0).unwrap();
    // [CLS] b a ##b ##c 关 [SEP]
    assert_eq!(
        (second.text("text"), entities(&second)),
        (Some("b abc 关"), vec![(1, 5, 0, 0), (5, 6, 1, 0)])
    );
    assert_eq!(second.key.record, 5);
}

#[test]
fn overlapping_entities_and_those_without_a_label_are_errors() {
    let good = json!({"text": "a b", "entities": [[2, 3, "X"], [0, 1, "Y"]]});
    for (entities, expected, entry) in [
        (
            json!([[0, 3, "X"], [2, 3, "Y"]]),
            "two entities that overlap, X (characters 0 to 3) and Y (characters 2 to 3)",
            "records.overlapping_entities",
        ),
        (
            json!([[0, 1, "X"], [0, 1, "X"]]),
            "two entities that overlap",
            "records.overlapping_entities",
        ),
        (json!([[0, 1]]), "without a label", "records.bad_value"),
        (json!([[0, 9, "X"]]), "its text has 3", "records.bad_value"),
        (json!([[1, 1, "X"]]), "which is empty", "records.bad_value"),
        (
            json!([{"start": 0, "end": 1, "label": "X", "text": "b"}]),
            "says that `b` stands at character 0, where `a` stands",
            "records.misplaced_spans",
        ),
        (json!({"text": ["a"], "answer_start": [0]}), "without a label", "records.bad_value"),
    ] {
        let content = format!("{good}\n{}\n", json!({"text": "a b", "entities": entities}));
        let place = Place::new("a.jsonl", &content, columns());
        let error = place.prepare(&Ledger::new()).unwrap_err().to_string();
        assert!(
            error.contains("a.jsonl:2: field `entities` ") && error.contains(expected),
            "{error}"
        );
        let (place, ledger) = (place.skipping(), Ledger::new());
        assert_eq!(place.prepare(&ledger).unwrap().num_records(), 1);
        let counted = &ledger.entries()[entry];
        assert_eq!((counted.count, counted.first.as_deref().unwrap().ends_with(":2")), (1, true));
    }
    let place = Place::new("a.jsonl", &format!("{good}\n"), columns());
    assert_eq!(entities(&place.rows(8).get(0, 0).unwrap()), [(1, 2, 1, 0), (2, 3, 0, 0)], "sorted");
    let given = place.given("entities", &["X"]);
    let error = given.prepare(&Ledger::new()).unwrap_err().to_string();
    assert!(
        error.contains("a.jsonl:1: the label `Y` in field `entities` is none of `X`"),
        "{error}"
    );
}

#[test]
fn entities_that_share_a_token_are_counted() {
    // `zz` is one unknown token.
    let content =
        "{\"text\": \"zz a\", \"entities\": [[0, 1, \"X\"], [1, 2, \"Y\"], [3, 4, \"X\"]]}\n";
    let place = Place::new("a.jsonl", content, columns());
    let ledger = Ledger::new();
    place.prepare(&ledger).unwrap();
    assert_eq!(ledger.count("records.entities_sharing_tokens"), 1);
    assert_eq!(ledger.count("records.spans_within_tokens"), 2);
    let example = place.rows(8).get(0, 0).unwrap();
    assert_eq!(entities(&example), [(1, 2, 0, 0), (1, 2, 1, 0), (2, 3, 0, 0)]);
}

#[test]
fn the_part_of_an_entity_that_is_not_cut_off_is_kept() {
    let content = "{\"text\": \"a b c a b c\", \"entities\": [[0, 1, \"X\"], [4, 7, \"X\"], [8, 9, \"X\"]]}\n";
    let place = Place::new("a.jsonl", content, columns());
    let ledger = Ledger::new();
    // Room for a b c.
    let rows = place.rows_with(Default::default(), 5, &ledger).unwrap();
    assert_eq!(entities(&rows.get(0, 0).unwrap()), [(1, 2, 0, 0), (3, 4, 0, 2)]);
    assert_eq!(ledger.count("rows.truncated_spans"), 2);
}

const TEXTS: [&str; 4] = [
    "Peter lives in Paris and London.",
    "刘备 lives in 巴黎, Paris 😀😀!",
    "in Paris in Paris in Paris Peter Peter",
    "the café of naïve Zoë — 👨‍👩‍👧",
];

/// A tokenizer of byte-level BPE, for which most words with the space before them are one token.
pub(super) fn byte_level(mut place: Place) -> Place {
    let config = TrainConfig {
        algorithm: Algorithm::Bpe,
        vocab_size: 330,
        min_frequency: 1,
        lowercase: false,
        ..TrainConfig::default()
    };
    let texts = TEXTS.iter().cycle().take(40).map(|text| (*text).to_owned());
    place.tokenizer = train(&config, texts).unwrap();
    place
}

/// The tokens of an entity at characters `start` to `end`, each as the vocabulary spells it.
fn tokens_of(text: &str, start: usize, end: usize) -> (Vec<String>, Ledger) {
    let line = json!({"text": text, "entities": [[start, end, "X"]]}).to_string();
    let (place, ledger) = (byte_level(Place::new("a.jsonl", &line, columns())), Ledger::new());
    place.prepare(&ledger).unwrap();
    let example = place.rows(256).get(0, 0).unwrap();
    let (from, to, ..) = entities(&example)[0];
    let ids = &example.tokens("input_ids").unwrap()[from..to];
    (ids.iter().map(|id| place.tokenizer.token(*id).unwrap()).collect(), ledger)
}

#[test]
fn tokens_of_bytes_belong_to_the_entity_that_their_characters_are_in() {
    let (tokens, ledger) = tokens_of(TEXTS[0], 15, 20);
    assert_eq!(tokens, ["ĠParis"], "the space before a word belongs to its token");
    assert_eq!(ledger.count("records.spans_within_tokens"), 0);
    assert_eq!(
        tokens_of("in Paris", 0, 3).0,
        ["in"],
        "the space of the next word is no reason to have its token"
    );
    // A character of several bytes is spelled by several tokens, and all of them belong to it.
    let bytes = |tokens: Vec<String>| tokens.concat().chars().count();
    assert_eq!(
        bytes(tokens_of("a 龘 b", 2, 3).0),
        3,
        "a space that is a token of its own is outside"
    );
    assert_eq!(bytes(tokens_of("a 🦜🦜 b", 3, 4).0), 4);
    assert_eq!(bytes(tokens_of("Zoë", 2, 3).0), 2);
    assert!(tokens_of("巴黎和", 0, 2).0.len() >= 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Of any text, an entity has the tokens whose own characters it shares, and their bytes cover it.
    #[test]
    fn an_entity_has_every_token_that_overlaps_it(
        words in prop::collection::vec("[a-zA-Z]{1,6}|[刘备巴黎]{1,3}|[😀👍🏽é龘]{1,3}|Paris", 1..8),
        bounds in (0_usize..40, 1_usize..12),
    ) {
        let text = words.join(" ");
        let characters: Vec<char> = text.chars().collect();
        let start = bounds.0 % characters.len();
        let end = (start + bounds.1).min(characters.len());
        prop_assume!(!characters[start].is_whitespace() && !characters[end - 1].is_whitespace());
        let line = json!({"text": text, "entities": [[start, end, "X"]]}).to_string();
        let place = byte_level(Place::new("a.jsonl", &line, columns()));
        let example = place.rows(512).get(0, 0).unwrap();
        let (from, to, _, cut) = entities(&example)[0];
        prop_assert_eq!(cut, 0);
        let encoding = place.tokenizer.encoding(&text).unwrap();
        // The bytes of each token, without the spaces before it.
        let own = |(start, end): &(usize, usize)| {
            let spaces = text.as_bytes()[*start..*end].iter().take_while(|byte| **byte == b' ').count();
            (start + spaces, *end)
        };
        let byte = |at: usize| characters[..at].iter().map(|c| c.len_utf8()).sum::<usize>();
        let overlaps = |offsets: &(usize, usize)| own(offsets).0 < byte(end) && own(offsets).1 > byte(start);
        let expected: Vec<usize> = (0..encoding.ids.len()).filter(|at| overlaps(&encoding.offsets[*at])).collect();
        // [CLS] stands before the first token.
        prop_assert_eq!((from - 1..to - 1).collect::<Vec<_>>(), expected);
        let decoded = place.tokenizer.decode(&example.tokens("input_ids").unwrap()[from..to], false).unwrap();
        let entity: String = characters[start..end].iter().collect();
        prop_assert!(decoded.contains(&entity), "{decoded:?} without {entity:?}");
    }
}

#[test]
fn a_span_may_begin_where_another_ends() {
    let content = "{\"text\": \"ab\", \"entities\": [[0, 1, \"X\"], [1, 2, \"Y\"]]}\n";
    let example = Place::new("a.jsonl", content, columns()).rows(8).get(0, 0).unwrap();
    assert_eq!(
        example.spans("entities"),
        Some(
            &[Span { start: 1, end: 2, label: Some(0) }, Span { start: 2, end: 3, label: Some(1) }]
                [..]
        )
    );
}
