//! Texts that are read in windows: every token is in a row, and is scored in one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use sst_data::read::{Format, OnError};
use sst_data::records::{
    Column, ColumnKind, Records, RecordsError, RowLimits, TextWindow, WindowSpec,
};
use sst_data::rows::{Dataset, Subset};
use sst_data::tokenize::Tokenizer;
use sst_data::transform::{Context, Transforms};
use sst_data::{Example, Field, Ledger};

use super::entities::{byte_level, columns as with_entities, entities};
use super::{Place, text};

fn limits(max_length: usize, text: &str, stride: usize) -> RowLimits {
    let window = Some(WindowSpec { text: text.to_owned(), stride });
    RowLimits { max_length, window, on_error: OnError::Fail }
}

fn windows(place: &Place, limits: RowLimits, ledger: &Ledger) -> Result<Records, RecordsError> {
    Records::new(place.store(), &place.tokenizer, Transforms::none(), Subset::All, limits, ledger)
}

fn examples(rows: &Records) -> Vec<Example> {
    (0..rows.len()).map(|index| rows.get(index, 0).unwrap()).collect()
}

/// A question with a context and answers, as SQuAD has them.
fn question() -> Vec<Column> {
    vec![
        text("question"),
        Column::new("context", ColumnKind::SecondText { first: "question".into() }),
        Column::new("answers", ColumnKind::Spans { text: "context".into() }),
    ]
}

#[test]
fn a_long_text_gives_several_rows() {
    let content = "{\"text\": \"a b\", \"entities\": [[0, 3, \"X\"]]}\n\
                   {\"text\": \"a b c 刘备 a b\", \"entities\": [[2, 8, \"X\"], [11, 12, \"Y\"]]}\n";
    let place = Place::new("a.jsonl", content, with_entities());
    let ledger = Ledger::new();
    let rows = windows(&place, limits(6, "text", 1), &ledger).unwrap();
    let found = examples(&rows);
    let ids: Vec<&[u32]> =
        found.iter().map(|example| example.tokens("input_ids").unwrap()).collect();
    assert_eq!(ids, [&[2, 5, 6, 3][..], &[2, 5, 6, 7, 11, 3], &[2, 11, 12, 5, 6, 3]]);
    let keys: Vec<u64> = found.iter().map(|example| example.key.record).collect();
    assert_eq!((keys, rows.len()), (vec![1, 2, 2], 3));
    let window = |at: usize| TextWindow::of(&found[at]).unwrap();
    let place_of = |at: usize| {
        let window = window(at);
        (
            window.record,
            window.number,
            window.count,
            window.first_token,
            window.position,
            window.scored,
        )
    };
    assert_eq!(place_of(0), (0, 0, 1, 0, 1, 1..3));
    assert_eq!(place_of(1), (1, 0, 2, 0, 1, 1..5));
    assert_eq!(
        place_of(2),
        (1, 1, 2, 3, 1, 2..5),
        "刘 is scored in the first of two equal windows"
    );
    let offsets: Vec<_> = window(2).offsets.iter().map(|span| (span.start, span.end)).collect();
    assert_eq!(offsets, [(6, 7), (7, 8), (9, 10), (11, 12)]);
    // `b c 刘备` goes on in the second window.
    assert_eq!(entities(&found[0]), [(1, 3, 0, 0)]);
    assert_eq!(entities(&found[1]), [(2, 5, 0, 2)]);
    assert_eq!(entities(&found[2]), [(1, 3, 0, 1), (4, 5, 1, 0)]);
    for (index, example) in (0..).zip(&found) {
        assert_eq!(rows.row_length(index), example.tokens("input_ids").unwrap().len());
        assert_eq!((rows.key(index), example.index), (example.key.clone(), index));
    }
    assert_eq!((rows.row_length(3), rows.key(3).record), (0, 0));
    assert!(rows.get(3, 0).is_err());
    let counted = |name: &str| {
        ledger.entries().get(name).map(|entry| (entry.count, entry.first.clone().unwrap()))
    };
    let (count, first) = counted("rows.windows").unwrap();
    assert!(count == 2 && first.ends_with("a.jsonl:2"), "{first}");
    assert_eq!(ledger.count("rows.windowed_documents"), 1);
    assert_eq!(ledger.count("rows.spans_in_no_window"), 1);
    assert!(counted("rows.truncated_tokens").is_none());
    // Without windows the same records have one row each, and say nothing of windows.
    let whole = place.rows(16);
    assert_eq!((whole.len(), TextWindow::of(&whole.get(1, 0).unwrap())), (2, None));
}

#[test]
fn the_question_stands_in_every_window_of_its_context() {
    let line = json!({"question": "a b", "context": "c 关 羽 c a b c", "answers": {"text": ["关 羽", "b", "羽 c a"], "answer_start": [2, 10, 4]}});
    let place = Place::new("a.jsonl", &line.to_string(), question());
    let ledger = Ledger::new();
    // [CLS] a b [SEP] of four tokens of the context [SEP]
    let rows = windows(&place, limits(9, "context", 2), &ledger).unwrap();
    let found = examples(&rows);
    let ids: Vec<&[u32]> =
        found.iter().map(|example| example.tokens("input_ids").unwrap()).collect();
    assert_eq!(
        ids,
        [
            &[2, 5, 6, 3, 7, 13, 14, 7, 3][..],
            &[2, 5, 6, 3, 14, 7, 5, 6, 3],
            &[2, 5, 6, 3, 5, 6, 7, 3]
        ]
    );
    assert_eq!(found[2].tokens("token_type_ids"), Some(&[0, 0, 0, 0, 1, 1, 1, 1][..]));
    // An answer that is not wholly in a window is missing there.
    let answers = |at: usize| -> Vec<&[u32]> {
        let spans = found[at].spans("answers").unwrap().iter();
        spans.map(|span| &ids[at][span.start..span.end]).collect()
    };
    assert_eq!(answers(0), [&[13, 14][..]]);
    assert_eq!(answers(1), [&[6][..], &[14, 7, 5]]);
    assert_eq!(answers(2), [&[6][..]]);
    let scored: Vec<_> =
        found.iter().map(|example| TextWindow::of(example).unwrap().scored).collect();
    assert_eq!(scored, [4..7, 5..7, 5..7]);
    assert_eq!(TextWindow::of(&found[1]).unwrap().position, 4);
    assert_eq!(ledger.count("rows.spans_in_no_window"), 0);
    assert!((0..3).all(|row| rows.row_length(row) == ids[row as usize].len()));
}

#[test]
fn a_question_that_leaves_no_room_is_an_error_or_counted() {
    let line = |question: &str, context: &str| {
        json!({"question": question, "context": context, "answers": {"text": [], "answer_start": []}}).to_string() + "\n"
    };
    let content = line("a", "a b c a b c")
        + &line("a b c a", "a b c")
        + &line("a b c a", "a b")
        + &line("a b c a b c a", "a");
    let place = Place::new("a.jsonl", &content, question());
    let nine = |on_error| RowLimits { on_error, ..limits(9, "context", 2) };
    let error = windows(&place, nine(OnError::Fail), &Ledger::new()).unwrap_err().to_string();
    let expected = "a.jsonl:2: the text in column `question` has 4 tokens, which leaves 2 of 9 for a window of column `context`, \
                    and windows share 2 tokens: raise the longest length to 10 or more, lower the stride, or shorten the text";
    assert!(error.ends_with(expected), "{error}");
    let ledger = Ledger::new();
    let rows = windows(&place, nine(OnError::Skip), &ledger).unwrap();
    let keys: Vec<u64> = (0..rows.len()).map(|row| rows.key(row).record).collect();
    assert_eq!(keys, [1, 1, 3], "a short context needs no second window");
    let entry = &ledger.entries()["rows.no_room_for_window"];
    assert_eq!((entry.count, entry.first.as_deref().unwrap().ends_with("a.jsonl:2")), (2, true));
    // With the length that the message names, there is room.
    assert!(
        windows(&place, limits(10, "context", 2), &ledger)
            .unwrap_err()
            .to_string()
            .contains("a.jsonl:4")
    );
    assert!(windows(&place, limits(11, "context", 2), &ledger).is_ok());
}

#[test]
fn windows_that_cannot_be_are_refused() {
    let content = "{\"text\": \"a\", \"context\": \"b\", \"question\": \"c\", \"window\": 1}\n";
    let refused = |columns: Vec<Column>, limits: RowLimits| {
        windows(&Place::new("a.jsonl", content, columns), limits, &Ledger::new())
            .unwrap_err()
            .to_string()
    };
    let pair = || question()[..2].to_vec();
    assert!(
        refused(pair(), limits(9, "answer", 1))
            .contains("`answer` cannot be read in windows: it is no column of texts")
    );
    assert!(refused(pair(), limits(9, "question", 1)).contains("it is the first text of a pair"));
    assert!(
        refused(pair(), limits(9, "context", 5))
            .contains("windows share 5 tokens and have room for 5 at most")
    );
    assert!(refused(vec![text("text")], limits(9, "text", 7)).contains("room for 7 at most"));
    let mut with_window = vec![text("text"), Column::new("window", ColumnKind::Number)];
    assert!(
        refused(with_window.clone(), limits(9, "text", 1))
            .contains("a field of windows has this name")
    );
    with_window.pop();
    let place = Place::new("a.jsonl", content, with_window);
    let lowercase = |columns: Value| {
        let configs = [json!({"name": "lowercase", "columns": columns})];
        Transforms::from_configs(0, &configs, &Context::default()).unwrap()
    };
    let rows = |place: &Place, transforms, limits| {
        let store = place.store();
        Records::new(store, &place.tokenizer, transforms, Subset::All, limits, &Ledger::new())
    };
    let error = rows(&place, lowercase(json!([])), limits(9, "text", 1)).unwrap_err().to_string();
    assert!(error.contains("transform `lowercase` changes the text of column `text`"), "{error}");
    let place = Place::new("a.jsonl", content, [pair(), vec![text("text")]].concat());
    for (columns, is_ok) in [(json!(["question"]), false), (json!(["text"]), true)] {
        assert_eq!(rows(&place, lowercase(columns), limits(9, "context", 1)).is_ok(), is_ok);
    }
}

#[test]
fn other_texts_of_a_record_are_truncated_as_ever() {
    let columns = vec![
        text("text"),
        text("other"),
        Column::new("names", ColumnKind::Spans { text: "other".into() }),
        Column::new("label", ColumnKind::Label),
    ];
    let line =
        json!({"text": "a b c a", "other": "c b a c", "names": [[0, 1], [6, 7]], "label": "x"});
    let place = Place::new("a.jsonl", &line.to_string(), columns);
    let ledger = Ledger::new();
    let rows = windows(&place, limits(5, "text", 0), &ledger).unwrap();
    let found = examples(&rows);
    assert_eq!(found.len(), 2);
    for example in &found {
        assert_eq!(example.tokens("input_ids.1"), Some(&[2, 7, 6, 5, 3][..]));
        assert_eq!(example.spans("names").unwrap().len(), 1);
        assert_eq!(example.int("label"), Some(0));
    }
    assert_eq!(
        (ledger.count("rows.truncated_tokens"), ledger.count("rows.truncated_spans")),
        (1, 1)
    );
    assert_eq!(ledger.count("rows.spans_in_no_window"), 0);
    assert!(TextWindow::of(&found[1]).is_some_and(|window| window.first_token == 3));
}

#[test]
fn all_windows_of_a_record_are_on_one_side_of_the_split() {
    let line = |number: usize| json!({"text": "a b c ".repeat(1 + number % 5)}).to_string() + "\n";
    let place = Place::new("a.jsonl", &(0..60).map(line).collect::<String>(), vec![text("text")]);
    let records = |subset| {
        let rows = Records::new(
            place.store(),
            &place.tokenizer,
            Transforms::none(),
            subset,
            limits(6, "text", 1),
            &Ledger::new(),
        );
        let rows = rows.unwrap();
        let found: BTreeMap<u64, usize> =
            examples(&rows).iter().fold(BTreeMap::new(), |mut counts, example| {
                let window = TextWindow::of(example).unwrap();
                *counts.entry(window.record).or_default() += 1;
                assert_eq!(example.key.record, window.record + 1);
                assert_eq!(counts[&window.record], window.number + 1, "windows are in order");
                counts
            });
        for (record, count) in &found {
            assert_eq!(*count, 1 + (3 * (1 + *record as usize % 5)).saturating_sub(4).div_ceil(3));
        }
        found.into_keys().collect::<BTreeSet<u64>>()
    };
    let (train, held_out) =
        (records(Subset::Train { fraction: 0.3 }), records(Subset::Validation { fraction: 0.3 }));
    assert!(train.is_disjoint(&held_out) && !held_out.is_empty());
    assert_eq!(train.len() + held_out.len(), 60);
    assert_eq!(records(Subset::All).len(), 60);
}

#[test]
fn questions_of_squad_come_from_file_to_windows() {
    let squad = json!({"data": [{"title": "t", "paragraphs": [{"context": "刘 备 a b c 关 羽", "qas": [
        {"id": "q1", "question": "b", "answers": [{"text": "关 羽", "answer_start": 10}]},
        {"id": "q2", "question": "b", "answers": [{"text": "关", "answer_start": 3}]},
        {"id": "q3", "question": "b", "is_impossible": true, "answers": []}]}]}]});
    let mut columns = question();
    columns.push(Column::new("id", ColumnKind::Label));
    let mut place = Place::new("a.json", &squad.to_string(), columns);
    place.source.format = Some(Format::Squad);
    let error = place.prepare(&Ledger::new()).unwrap_err().to_string();
    assert!(
        error.contains(
            "a.json:2: field `answers` says that `关` stands at character 3, where ` ` stands"
        ),
        "{error}"
    );
    let (place, ledger) = (place.skipping(), Ledger::new());
    let store = place.prepare(&ledger).unwrap();
    assert_eq!((ledger.count("records.misplaced_spans"), store.num_records()), (1, 2));
    let rows = windows(&place, limits(9, "context", 2), &ledger).unwrap();
    let found = examples(&rows);
    let shown: Vec<_> = found
        .iter()
        .map(|example| {
            let window = TextWindow::of(example).unwrap();
            (example.key.record, window.first_token, example.spans("answers").unwrap().len())
        })
        .collect();
    assert_eq!(shown, [(1, 0, 0), (1, 3, 1), (3, 0, 0), (3, 3, 0)]);
    // The list form of CMRC 2018 says -1 where the text has no answer.
    let cmrc = json!([{"context_text": "关羽", "qas": [{"query_id": "q", "query_text": "a", "answers": ["备"]}]}]);
    let mut place = Place::new("a.json", &cmrc.to_string(), question());
    place.source.format = Some(Format::Squad);
    let error = place.prepare(&Ledger::new()).unwrap_err().to_string();
    assert!(
        error.contains("a.json:1: field `answers` says that `备` stands at character -1"),
        "{error}"
    );
}

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
    let stride = limits.window.as_ref().unwrap().stride;
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

#[test]
fn windows_do_not_depend_on_the_order_in_which_they_are_drawn() {
    let line = |number: usize| json!({"text": "a b c 刘 ".repeat(3 + number)}).to_string() + "\n";
    let place = Place::new("a.jsonl", &(0..30).map(line).collect::<String>(), vec![text("text")]);
    let rows = || Arc::new(windows(&place, limits(7, "text", 2), &Ledger::new()).unwrap());
    let (forward, backward) = (rows(), rows());
    let whole = examples(&forward);
    let mut reversed: Vec<Example> =
        (0..backward.len()).rev().map(|index| backward.get(index, 0).unwrap()).collect();
    reversed.reverse();
    assert_eq!(whole, reversed);
    assert!(whole.len() > 300);
    let Some(Field::Ints(window)) = whole[40].fields.get("window") else { panic!("no window") };
    assert_eq!(window.len(), 3);
}
