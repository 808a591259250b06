//! Windows are those of transformers, and what holds for windows of any text.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};
use sst_data::Ledger;
use sst_data::records::{Column, ColumnKind, RowLimits, TextWindow};
use sst_data::rows::Dataset;
use sst_data::tokenize::Tokenizer;

use super::Place;
use super::entities::{byte_level, columns as with_entities, entities};
use super::windows::{examples, limits, question, windows};

/// Numbers with spaces between.
fn numbers(value: &Value) -> Vec<usize> {
    value.as_str().unwrap().split_whitespace().map(|number| number.parse().unwrap()).collect()
}

/// The windows, offsets and spans are those of transformers. See tests/goldens/windows/gen.py.
#[test]
fn windows_are_those_of_transformers() {
    let goldens = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens");
    let golden: Value =
        serde_json::from_slice(&std::fs::read(goldens.join("windows/case.json")).unwrap()).unwrap();
    let load = |path: &str| Tokenizer::load(&goldens.join(path)).unwrap();
    let tokenizers =
        [("bert", load("tokenizer/vocab.txt")), ("byte_level", load("windows/tokenizer.json"))];
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() > 50);
    let mut several = 0;
    for case in cases {
        let number = |name: &str| case[name].as_u64().map(|number| number as usize);
        let text = golden["texts"][number("text").unwrap()].as_str().unwrap();
        let mut record = json!({"context": text});
        let kind = match number("question") {
            Some(question) => {
                record["question"] = golden["questions"][question].clone();
                ColumnKind::SecondText { first: "question".into() }
            }
            None => ColumnKind::Text,
        };
        let mut columns = vec![Column::new("context", kind)];
        columns.extend(number("question").map(|_| super::text("question")));
        columns.push(Column::new("spans", ColumnKind::Spans { text: "context".into() }));
        let spans = numbers(&case["spans"]);
        record["spans"] = spans.chunks(4).map(|span| json!([span[0], span[1]])).collect();
        let mut place = Place::new("a.jsonl", &record.to_string(), columns);
        place.tokenizer =
            tokenizers.iter().find(|(name, _)| case["tokenizer"] == *name).unwrap().1.clone();
        let limits = limits(number("max_length").unwrap(), "context", number("stride").unwrap());
        let rows = windows(&place, limits, &Ledger::new()).unwrap();
        let expected = case["windows"].as_array().unwrap();
        assert_eq!(rows.len(), expected.len() as u64, "{case}");
        several += usize::from(expected.len() > 1);
        let characters: Vec<char> = text.chars().collect();
        for (example, expected) in examples(&rows).iter().zip(expected) {
            let ids: Vec<usize> =
                example.tokens("input_ids").unwrap().iter().map(|id| *id as usize).collect();
            assert_eq!(ids, numbers(&expected["input_ids"]), "{text}");
            let window = TextWindow::of(example).unwrap();
            assert_eq!(Some(window.position as u64), expected["at"].as_u64());
            let offsets: Vec<usize> =
                window.offsets.iter().flat_map(|span| [span.start, span.end]).collect();
            // transformers leaves the space in front of a word where it is.
            let trimmed = numbers(&expected["offsets"])
                .chunks(2)
                .flat_map(|bounds| {
                    let is_space = |at: usize| characters[at].is_whitespace();
                    let all = (bounds[0]..bounds[1]).all(is_space);
                    let start = (bounds[0]..bounds[1])
                        .find(|at| all || !is_space(*at))
                        .unwrap_or(bounds[0]);
                    let end = (start..bounds[1])
                        .rfind(|at| all || !is_space(*at))
                        .map_or(bounds[1], |at| at + 1);
                    [start, end]
                })
                .collect::<Vec<_>>();
            assert_eq!(offsets, trimmed, "{text}");
            let (from, to) = (window.first_token, window.first_token + window.offsets.len());
            let inside: Vec<(usize, usize)> = spans
                .chunks(4)
                .map(|span| (span[2], span[3]))
                .filter(|(start, end)| from <= *start && *end <= to)
                .collect();
            let found: Vec<(usize, usize)> = example
                .spans("spans")
                .unwrap()
                .iter()
                .map(|span| {
                    let token = |position: usize| position - window.position + from;
                    (token(span.start), token(span.end))
                })
                .collect();
            assert_eq!(found, inside, "{text}");
        }
    }
    assert!(several > 30, "{several} of {}", cases.len());
}

/// What is checked for any text, entities and lengths.
fn check_windows(
    place: &Place,
    limits: RowLimits,
    expected: &[(usize, usize)],
) -> Result<(), TestCaseError> {
    let stride = limits.window.as_ref().unwrap().stride.tokens(limits.max_length);
    let ledger = Ledger::new();
    let rows = windows(place, limits, &ledger).unwrap();
    let found = examples(&rows);
    let text = found[0].text("text").unwrap();
    let encoding = place.tokenizer.encoding(text).unwrap();
    let (mut scored, mut offsets) = (Vec::new(), Vec::new());
    // The tokens of each entity over all windows, and the entities that a window has whole.
    let mut tokens: BTreeMap<u32, BTreeSet<usize>> = BTreeMap::new();
    let mut whole: BTreeSet<u32> = BTreeSet::new();
    for (number, example) in found.iter().enumerate() {
        let window = TextWindow::of(example).unwrap();
        prop_assert_eq!((window.record, window.number, window.count), (0, number, found.len()));
        let ids = example.tokens("input_ids").unwrap();
        prop_assert_eq!(rows.row_length(number as u64), ids.len());
        let token = |position: usize| position - window.position + window.first_token;
        prop_assert_eq!(
            scored.len(),
            token(window.scored.start),
            "no token twice and none left out"
        );
        scored.extend_from_slice(&ids[window.scored.clone()]);
        let part = window.scored.start - window.position..window.scored.end - window.position;
        offsets.extend_from_slice(&window.offsets[part]);
        for (start, end, label, cut) in entities(example) {
            tokens.entry(label).or_default().extend(token(start)..token(end));
            if cut == 0 {
                whole.insert(label);
            }
            prop_assert_eq!(cut & 1 == 1, token(start) > expected[label as usize].0);
            prop_assert_eq!(cut & 2 == 2, token(end) < expected[label as usize].1);
        }
    }
    prop_assert_eq!(&scored, &encoding.ids);
    prop_assert_eq!(offsets.len(), encoding.ids.len());
    let characters: Vec<char> = text.chars().collect();
    for (span, (start, end)) in offsets.iter().zip(&encoding.offsets) {
        let own: String = characters[span.start..span.end].iter().collect();
        let bytes = String::from_utf8_lossy(&text.as_bytes()[*start..*end]).trim().to_owned();
        prop_assert!(
            own == bytes || bytes.contains('\u{fffd}') || bytes.is_empty(),
            "{own:?} is {bytes:?}"
        );
    }
    for (label, (start, end)) in (0..).zip(expected) {
        prop_assert_eq!(
            &tokens[&label],
            &(*start..*end).collect::<BTreeSet<_>>(),
            "every token of an entity is labelled"
        );
        prop_assert!(
            whole.contains(&label) || end - start > stride + 1,
            "an entity that fits is whole"
        );
    }
    prop_assert_eq!(ledger.count("rows.spans_in_no_window"), (expected.len() - whole.len()) as u64);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn every_token_is_scored_once_and_no_entity_is_lost(
        words in prop::collection::vec("[abc]{1,3}|[刘备关羽.]|Paris|[😀é龘]", 1..40),
        picks in prop::collection::vec((0_usize..40, 1_usize..9), 0..5),
        max_length in 4_usize..24,
        stride in 0_usize..20,
        bytes: bool,
    ) {
        let text = words.join(" ");
        // Entities of whole words that do not overlap, in the order of the text, each with a label of its own.
        let mut entities: Vec<(usize, usize)> = Vec::new();
        let mut picks = picks;
        picks.sort_unstable();
        for (start, length) in picks {
            let end = (start + length).min(words.len());
            if start < end && entities.last().is_none_or(|last| last.1 <= start) {
                entities.push((start, end));
            }
        }
        let character = |word: usize| words[..word].iter().map(|word| word.chars().count() + 1).sum::<usize>();
        let spans: Vec<Value> = entities.iter().enumerate().map(|(number, (start, end))| {
            json!([character(*start), character(*end) - 1, number])
        }).collect();
        let line = json!({"text": text, "entities": spans}).to_string();
        let place = Place::new("a.jsonl", &line, with_entities());
        let place = if bytes { byte_level(place) } else { place };
        // The tokens of each entity in the whole text, where [CLS] stands before the first one.
        let whole = place.rows(4096).get(0, 0).unwrap();
        let expected: Vec<(usize, usize)> = super::entities::entities(&whole).iter().map(|(start, end, ..)| (start - 1, end - 1)).collect();
        prop_assert_eq!(expected.len(), entities.len());
        let stride = stride.min(max_length - 3);
        check_windows(&place, limits(max_length, "text", stride), &expected)?;
    }

    #[test]
    fn contexts_of_any_length_keep_their_questions(
        question_words in 1_usize..6,
        context_words in 1_usize..50,
        max_length in 12_usize..24,
        stride in 0_usize..3,
    ) {
        let text = |count: usize| (0..count).map(|at| ["a", "b", "c"][at * at % 3]).collect::<Vec<_>>().join(" ");
        let line = json!({"question": text(question_words), "context": text(context_words), "answers": []});
        let place = Place::new("a.jsonl", &line.to_string(), question());
        let rows = windows(&place, limits(max_length, "context", stride), &Ledger::new()).unwrap();
        let mut scored = Vec::new();
        for example in examples(&rows) {
            let ids = example.tokens("input_ids").unwrap();
            prop_assert!(ids.len() <= max_length);
            let expected = place.tokenizer.encode_with_special(&text(question_words)).unwrap();
            prop_assert_eq!(&ids[..question_words + 2], expected);
            let window = TextWindow::of(&example).unwrap();
            prop_assert_eq!(window.position, question_words + 2);
            scored.extend_from_slice(&ids[window.scored]);
        }
        prop_assert_eq!(scored, place.tokenizer.encode(&text(context_words)).unwrap());
    }
}
