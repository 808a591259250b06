//! What each kind of column gives, from every format.

use sst_data::records::{Column, ColumnKind};
use sst_data::rows::Dataset;
use sst_data::{Example, Field, Ledger, Span};

use super::{Place, classified, text};

fn get(place: &Place, index: u64) -> Example {
    place.rows(16).get(index, 0).unwrap()
}

#[test]
fn a_text_and_its_label_come_from_every_format() {
    let jsonl = "{\"text\": \"ab c\", \"label\": \"pos\", \"id\": 7}\n{\"text\": \"c\", \"label\": \"neg\"}\n";
    let csv = "id,text,label\n7,ab c,pos\n8,c, neg\n";
    for (name, content) in
        [("a.jsonl", jsonl), ("a.csv", csv), ("a.tsv", &csv.replace(',', "\t")[..])]
    {
        let place = Place::new(name, content, classified());
        let ledger = Ledger::new();
        let store = place.prepare(&ledger).unwrap();
        assert_eq!(ledger.entries()["unused.columns"].items, ["id"], "{name}");
        let labels = store.labels("label").unwrap();
        assert_eq!(
            (&labels.names[..], &labels.counts[..]),
            (&["neg".into(), "pos".into()][..], &[1, 1][..])
        );
        let rows = place.rows(16);
        assert_eq!(rows.len(), 2);
        let first = rows.get(0, 3).unwrap();
        // [CLS] a ##b c [SEP]
        assert_eq!(first.tokens("input_ids"), Some(&[2, 5, 9, 7, 3][..]), "{name}");
        assert_eq!((first.text("text"), first.int("label")), (Some("ab c"), Some(1)));
        assert_eq!((first.epoch, first.index), (3, 0));
        assert_eq!(
            first.key.to_string(),
            format!("{}:{}", place.file().display(), 1 + u8::from(name != "a.jsonl"))
        );
        assert_eq!(rows.get(1, 0).unwrap().int("label"), Some(0));
        assert_eq!((rows.row_length(0), rows.row_length(1), rows.row_length(2)), (5, 3, 0));
    }
}

#[test]
fn labels_are_texts_integers_or_booleans() {
    let labels = |values: &[&str]| {
        let lines = values.iter().map(|value| format!("{{\"text\": \"a\", \"label\": {value}}}\n"));
        let place = Place::new("a.jsonl", &lines.collect::<String>(), classified());
        place.store().labels("label").unwrap().names.clone()
    };
    assert_eq!(labels(&["2", "0", "10", "2"]), ["0", "2", "10"]);
    assert_eq!(labels(&["true", "false"]), ["false", "true"]);
    assert_eq!(labels(&["\"体育\"", "\"财经\"", "\" 体育 \""]), ["体育", "财经"]);
}

#[test]
fn several_labels_numbers_and_texts() {
    let columns = vec![
        Column::new("first", ColumnKind::Text).from_field("question"),
        Column::new("second", ColumnKind::Text).from_field("answer"),
        Column::new("topics", ColumnKind::Labels),
        Column::new("score", ColumnKind::Number),
    ];
    let jsonl = concat!(
        "{\"question\": \"a\", \"answer\": \"b c\", \"topics\": [\"x\", \"y\", \"x\"], \"score\": 0.5}\n",
        "{\"question\": \"b\", \"answer\": \"a\", \"topics\": [], \"score\": \" -3e2 \"}\n",
    );
    let csv = "question,answer,topics,score\na,b c,\"[\"\"x\"\", \"\"y\"\", \"\"x\"\"]\",0.5\nb,a,[],-3e2\n";
    for (name, content) in [("a.jsonl", jsonl), ("a.csv", csv)] {
        let place = Place::new(name, content, columns.clone());
        let example = get(&place, 0);
        assert_eq!(example.tokens("input_ids"), Some(&[2, 5, 3][..]));
        assert_eq!(example.tokens("input_ids.1"), Some(&[2, 6, 7, 3][..]));
        assert!(example.tokens("token_type_ids").is_none());
        assert_eq!(example.fields["topics"], Field::Ints(vec![0, 1]));
        assert_eq!(example.fields["score"], Field::Float(0.5));
        assert_eq!(place.rows(16).row_length(0), 7);
        let other = get(&place, 1);
        assert_eq!(other.fields["topics"], Field::Ints(vec![]));
        assert_eq!(other.fields["score"], Field::Float(-300.0));
        assert_eq!(place.store().labels("topics").unwrap().counts, [1, 1]);
    }
}

#[test]
fn a_pair_is_one_sequence_and_its_longer_text_is_cut_first() {
    let columns = vec![
        text("premise"),
        Column::new("hypothesis", ColumnKind::SecondText { first: "premise".into() }),
    ];
    let jsonl = "{\"premise\": \"a b c a b\", \"hypothesis\": \"c c\"}\n";
    let place = Place::new("a.jsonl", jsonl, columns);
    let example = get(&place, 0);
    assert_eq!(example.tokens("input_ids"), Some(&[2, 5, 6, 7, 5, 6, 3, 7, 7, 3][..]));
    assert_eq!(example.tokens("token_type_ids"), Some(&[0, 0, 0, 0, 0, 0, 0, 1, 1, 1][..]));
    let ledger = Ledger::new();
    let rows = place.rows_with(Default::default(), 8, &ledger).unwrap();
    let cut = rows.get(0, 0).unwrap();
    assert_eq!(cut.tokens("input_ids"), Some(&[2, 5, 6, 7, 3, 7, 7, 3][..]));
    assert_eq!(rows.row_length(0), 8);
    assert_eq!(ledger.count("rows.truncated_documents"), 1);
    assert_eq!(ledger.count("rows.truncated_tokens"), 2);
}

#[test]
fn a_tokenizer_that_truncates_on_the_left_keeps_the_end() {
    let columns =
        vec![text("text"), Column::new("names", ColumnKind::Spans { text: "text".into() })];
    let jsonl = "{\"text\": \"a b c a\", \"names\": [[4, 5], [0, 1]]}\n";
    let mut place = Place::new("a.jsonl", jsonl, columns);
    let folder = place.file().parent().unwrap().join("model");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(place.file().with_file_name("vocab.txt"), folder.join("vocab.txt")).unwrap();
    std::fs::write(folder.join("tokenizer_config.json"), "{\"truncation_side\": \"left\"}")
        .unwrap();
    place.tokenizer = sst_data::tokenize::Tokenizer::load(&folder).unwrap();
    let example = place.rows(5).get(0, 0).unwrap();
    // b c a of a b c a
    assert_eq!(example.tokens("input_ids"), Some(&[2, 6, 7, 5, 3][..]));
    assert_eq!(example.spans("names"), Some(&[Span { start: 2, end: 3, label: None }][..]));
}

#[cfg(feature = "parquet")]
#[test]
fn columns_of_parquet_have_their_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/parquet/types.parquet");
    let columns = vec![
        text("text"),
        Column::new("class", ColumnKind::Label).from_field("dict"),
        Column::new("flag", ColumnKind::Label).from_field("bool"),
        Column::new("size", ColumnKind::Label).from_field("i64"),
        Column::new("score", ColumnKind::Number).from_field("f64"),
        Column::new("again", ColumnKind::Number).from_field("dec"),
    ];
    let mut place = Place::new("unused.txt", "", columns);
    place.source.paths = vec![path.to_owned()];
    // Row 3 is null in most columns.
    let error = place.prepare(&Ledger::new()).unwrap_err().to_string();
    assert!(error.contains("types.parquet:3 has no value in field `bool`"), "{error}");
    let place = place.skipping();
    let (store, ledger) = (place.store(), Ledger::new());
    place.prepare(&ledger).unwrap();
    assert_eq!((store.num_records(), ledger.count("records.missing_field")), (2, 1));
    assert_eq!(store.labels("class").unwrap().names, ["p", "q"]);
    assert_eq!(store.labels("flag").unwrap().names, ["false", "true"]);
    assert_eq!(store.labels("size").unwrap().names, ["-9223372036854775808", "0"]);
    let example = get(&place, 1);
    assert_eq!(example.text("text"), Some("two"));
    assert_eq!(
        (example.int("class"), example.int("flag"), example.int("size")),
        (Some(1), Some(0), Some(1))
    );
    assert_eq!(example.fields["score"], Field::Float(-2.5));
    assert_eq!(example.fields["again"], Field::Float(-0.001));
    // A list with a null, and lists of lists that are no spans.
    let wrong = |name: &str, kind: ColumnKind, expected: &str| {
        let columns = vec![text("text"), Column::new(name, kind)];
        let mut place = Place::new("unused.txt", "", columns);
        place.source.paths = vec![path.to_owned()];
        let error = place.prepare(&Ledger::new()).unwrap_err().to_string();
        assert!(error.contains("types.parquet:1") && error.contains(expected), "{error}");
    };
    wrong("list", ColumnKind::Labels, "is null, not a label");
    wrong("nested", ColumnKind::Spans { text: "text".into() }, "where a span is needed");
    wrong("date", ColumnKind::Number, "not a finite number");
}
