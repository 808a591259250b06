//! Texts that are read in windows: every token is in a row, and is scored in one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use sst_data::read::{Format, OnError};
use sst_data::records::{
    Column, ColumnKind, Records, RecordsError, RowLimits, Stride, TextWindow, WindowSpec,
};
use sst_data::rows::{Dataset, Subset};
use sst_data::transform::{Context, Transforms};
use sst_data::{Example, Field, Ledger};

use super::entities::{columns as with_entities, entities};
use super::{Place, text};

pub(super) fn limits(max_length: usize, text: &str, stride: usize) -> RowLimits {
    let window = Some(WindowSpec { text: text.to_owned(), stride: Stride::Tokens(stride) });
    RowLimits { max_length, window, on_error: OnError::Fail }
}

pub(super) fn windows(
    place: &Place,
    limits: RowLimits,
    ledger: &Ledger,
) -> Result<Records, RecordsError> {
    Records::new(place.store(), &place.tokenizer, Transforms::none(), Subset::All, limits, ledger)
}

pub(super) fn examples(rows: &Records) -> Vec<Example> {
    (0..rows.len()).map(|index| rows.get(index, 0).unwrap()).collect()
}

/// A question with a context and answers, as SQuAD has them.
pub(super) fn question() -> Vec<Column> {
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
            "a.json (question 2): field `answers` says that `关` stands at character 3, where ` ` stands"
        ),
        "{error}"
    );
    assert!(error.ends_with("(the id of the question is \"q2\")"), "{error}");
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
    // A prepared record is named as one that was just read.
    assert!(found[2].key.to_string().ends_with("a.json (question 3)"), "{}", found[2].key);
    // The list form of CMRC 2018 says -1 where the text has no answer.
    let cmrc = json!([{"context_text": "关羽", "qas": [{"query_id": "q", "query_text": "a", "answers": ["备"]}]}]);
    let mut place = Place::new("a.json", &cmrc.to_string(), question());
    place.source.format = Some(Format::Squad);
    let error = place.prepare(&Ledger::new()).unwrap_err().to_string();
    assert!(
        error
            .contains("a.json (question 1): field `answers` says that `备` stands at character -1"),
        "{error}"
    );
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
