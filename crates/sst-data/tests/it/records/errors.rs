//! A wrong value is an error with file and line, or counted; columns and labels that do not go together are refused.

use sst_data::records::{Column, ColumnKind};
use sst_data::rows::{Dataset, Subset};
use sst_data::transform::{Context, Transforms};
use sst_data::{Ledger, records::Records};

use super::{Place, classified, text};

/// The error of a record on line 2, and the entry that counts it where errors are skipped.
fn check(columns: &[Column], line: &str, expected: &str, entry: &str) {
    let good = "{\"text\": \"a\", \"label\": \"x\", \"labels\": [\"x\"], \"number\": 1, \"spans\": [[0, 1, \"x\"]]}";
    let content = format!("{good}\n{line}\n{good}\n");
    let place = Place::new("a.jsonl", &content, columns.to_vec());
    let error = place.prepare(&Ledger::new()).unwrap_err().to_string();
    assert!(error.contains("a.jsonl:2") && error.contains(expected), "{error}");
    let (place, ledger) = (place.skipping(), Ledger::new());
    let store = place.prepare(&ledger).unwrap();
    assert_eq!(store.num_records(), 2, "{line}");
    let counted = &ledger.entries()[entry];
    assert_eq!(counted.count, 1, "{line}");
    assert!(counted.first.as_ref().is_some_and(|key| key.ends_with("a.jsonl:2")), "{counted:?}");
    assert_eq!(place.rows(8).key(1).record, 3);
}

#[test]
fn wrong_values_are_told_with_their_line() {
    let with = |kind: ColumnKind, name: &str| vec![text("text"), Column::new(name, kind)];
    let label = with(ColumnKind::Label, "label");
    check(
        &label,
        "{\"text\": \"a\"}",
        "has no field `label` (it has `text`): choose another field",
        "records.missing_field",
    );
    check(
        &label,
        "{\"text\": \"a\", \"label\": null}",
        "has no value in field `label`",
        "records.missing_field",
    );
    check(
        &label,
        "{\"text\": \" \", \"label\": \"x\"}",
        "the text in field `text` is empty",
        "records.empty_text",
    );
    check(&label, "{\"text\": \"a\", \"label\": \" \"}", "an empty label", "records.bad_value");
    check(
        &label,
        "{\"text\": \"a\", \"label\": 1.5}",
        "a real number, where a label",
        "records.bad_value",
    );
    check(
        &label,
        "{\"text\": \"a\", \"label\": [\"x\"]}",
        "is a list, not a label",
        "records.bad_value",
    );
    check(&label, "{\"label\": \"x\"}", "has no field `text`", "read.missing_field");
    check(&label, "{\"text\": 5, \"label\": \"x\"}", "`text` is a number", "read.not_text");
    let labels = with(ColumnKind::Labels, "labels");
    check(
        &labels,
        "{\"text\": \"a\", \"labels\": \"x\"}",
        "is a text, not a list of labels",
        "records.bad_value",
    );
    check(
        &labels,
        "{\"text\": \"a\", \"labels\": [[]]}",
        "is a list, not a label",
        "records.bad_value",
    );
    let number = with(ColumnKind::Number, "number");
    check(
        &number,
        "{\"text\": \"a\", \"number\": \"one\"}",
        "not a finite number",
        "records.bad_value",
    );
    check(
        &number,
        "{\"text\": \"a\", \"number\": \"inf\"}",
        "not a finite number",
        "records.bad_value",
    );
    check(&number, "{\"text\": \"a\", \"number\": NaN}", "cannot be read", "records.bad_value");
    let spans = with(ColumnKind::Spans { text: "text".into() }, "spans");
    check(&spans, "{\"text\": \"a\", \"spans\": [[0, 9]]}", "its text has 1", "records.bad_value");
    check(&spans, "{\"text\": \"a\", \"spans\": [[1, 0]]}", "is empty", "records.bad_value");
    check(
        &spans,
        "{\"text\": \"a\", \"spans\": 3}",
        "is a number, not a list of spans",
        "records.bad_value",
    );
    let second = with(ColumnKind::SecondText { first: "text".into() }, "label");
    check(
        &second,
        "{\"text\": \"a\", \"label\": 3}",
        "is a number, not a text",
        "records.bad_value",
    );
}

#[test]
fn records_of_a_text_file_have_no_fields() {
    let error = Place::new("a.txt", "one\ntwo\n", classified()).prepare(&Ledger::new());
    let error = error.unwrap_err().to_string();
    let expected =
        "a.txt:1 has no field `label`, because a text file has no fields: write the records to";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_given_table_numbers_labels_and_knows_no_other() {
    let content =
        "{\"text\": \"a\", \"label\": \"neg\"}\n{\"text\": \"b\", \"label\": \"neutral\"}\n";
    let place = Place::new("a.jsonl", content, classified()).given("label", &["pos", "neg"]);
    let error = place.prepare(&Ledger::new()).unwrap_err().to_string();
    assert!(
        error.contains("a.jsonl:2: the label `neutral` in field `label` is none of `pos`, `neg`"),
        "{error}"
    );
    let (place, ledger) = (place.skipping(), Ledger::new());
    let store = place.prepare(&ledger).unwrap();
    assert_eq!(ledger.count("records.unknown_label"), 1);
    let table = store.labels("label").unwrap();
    assert_eq!(
        (&table.names[..], &table.counts[..]),
        (&["pos".into(), "neg".into()][..], &[0, 1][..])
    );
    assert_eq!(place.rows(8).get(0, 0).unwrap().int("label"), Some(1));
}

#[test]
fn a_label_of_records_that_are_left_out_is_no_class() {
    let content = "{\"text\": \"a\", \"label\": \"z\"}\n{\"text\": \"\", \"label\": \"b\"}\n{\"text\": \"\u{200b}\", \"label\": \"y\"}\n{\"text\": \"b\", \"label\": \"c\"}\n";
    let place = Place::new("a.jsonl", content, classified()).skipping();
    let store = place.store();
    assert_eq!(store.labels("label").unwrap().names, ["c", "z"]);
    assert_eq!(store.num_records(), 2);
    let rows = place.rows(8);
    assert_eq!(
        [rows.get(0, 0).unwrap().int("label"), rows.get(1, 0).unwrap().int("label")],
        [Some(1), Some(0)]
    );
}

#[test]
fn columns_that_do_not_go_together_are_refused() {
    let refused = |columns: Vec<Column>| {
        let place = Place::new("a.jsonl", "{\"text\": \"a\", \"label\": \"x\"}\n", columns);
        place.prepare(&Ledger::new()).unwrap_err().to_string()
    };
    let label = || Column::new("label", ColumnKind::Label);
    assert!(refused(vec![label()]).contains("need a column of texts"));
    assert!(refused(vec![text("text"), label(), label()]).contains("occurs twice"));
    assert!(refused(vec![text("input_ids").from_field("text")]).contains("have this name"));
    let spans = Column::new("spans", ColumnKind::Spans { text: "label".into() });
    assert!(refused(vec![text("text"), label(), spans]).contains("no column of texts"));
    let second = |name: &str| Column::new(name, ColumnKind::SecondText { first: "text".into() });
    assert!(refused(vec![text("text"), second("b"), second("c")]).contains("two second texts"));
    assert!(refused(vec![second("b")]).contains("no column of texts"));
    let place = Place::new("a.jsonl", "", classified());
    let error = |place: Place| place.prepare(&Ledger::new()).unwrap_err().to_string();
    assert!(error(place.given("text", &["x"])).contains("it is no column with labels"));
    let mut place = Place::new("a.jsonl", "", classified());
    place.source.pair_fields = vec!["b".to_owned()];
    assert!(error(place).contains("name it as a column instead"));
    let empty =
        Place::new("a.jsonl", "{\"text\": \"\", \"label\": \"x\"}\n", classified()).skipping();
    assert!(error(empty).contains("no record is left"));
}

#[test]
fn rows_that_cannot_be_are_refused() {
    let place = Place::new("a.jsonl", "{\"text\": \"a\", \"label\": \"x\"}\n", classified());
    let (store, ledger) = (place.store(), Ledger::new());
    let new = |subset, max_length, transforms| {
        let rows =
            Records::new(store.clone(), &place.tokenizer, transforms, subset, max_length, &ledger);
        rows.map(|rows| rows.len()).map_err(|error| error.to_string())
    };
    assert_eq!(new(Subset::All, 3, Transforms::none()), Ok(1));
    assert!(new(Subset::All, 2, Transforms::none()).unwrap_err().contains("raise it to 3 or more"));
    let bad = Subset::Train { fraction: 1.0 };
    assert!(new(bad, 3, Transforms::none()).unwrap_err().contains("below 1"));
    let config = serde_json::json!({"name": "lowercase", "columns": ["label"]});
    let transforms = Transforms::from_configs(0, &[config], &Context::default()).unwrap();
    assert!(
        new(Subset::All, 3, transforms)
            .unwrap_err()
            .contains("which is not a text column: the text columns are `text`")
    );
    let other = Place::new("b.jsonl", "", classified());
    let words = other.file().with_file_name("vocab.txt");
    std::fs::write(&words, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n").unwrap();
    let tokenizer = sst_data::tokenize::Tokenizer::load(&words).unwrap();
    let error =
        Records::new(store.clone(), &tokenizer, Transforms::none(), Subset::All, 8, &ledger);
    assert!(error.unwrap_err().to_string().contains("another tokenizer"));
    let rows = place.rows(8);
    assert!(rows.get(1, 0).unwrap_err().to_string().contains("row 1 was asked for"));
}

#[test]
fn a_transform_of_a_text_with_spans_is_refused() {
    let columns = vec![
        text("text"),
        text("note"),
        Column::new("names", ColumnKind::Spans { text: "text".into() }),
    ];
    let content = "{\"text\": \"a\", \"note\": \"B\", \"names\": [[0, 1]]}\n";
    let place = Place::new("a.jsonl", content, columns);
    let with = |config: serde_json::Value| {
        let transforms = Transforms::from_configs(0, &[config], &Context::default()).unwrap();
        place.rows_with(transforms, 8, &Ledger::new())
    };
    for columns in [serde_json::json!([]), serde_json::json!(["note", "text"])] {
        let error = with(serde_json::json!({"name": "lowercase", "columns": columns})).unwrap_err();
        let expected = "transform `lowercase` would change the text of column `text`, and the spans of column `names`";
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    let rows = with(serde_json::json!({"name": "lowercase", "columns": ["note"]})).unwrap();
    assert_eq!(rows.get(0, 0).unwrap().text("note"), Some("b"));
}

#[test]
fn a_transform_that_leaves_no_token_is_told_with_its_record() {
    let content =
        "{\"text\": \"a\", \"label\": \"x\"}\n{\"text\": \"\u{200b} a\", \"label\": \"x\"}\n";
    let place = Place::new("a.jsonl", content, classified());
    let transforms = Transforms::none().then("emptied", Box::new(Emptied));
    let rows = place.rows_with(transforms, 8, &Ledger::new()).unwrap();
    let error = rows.get(1, 0).unwrap_err().to_string();
    assert!(
        error.contains("a.jsonl:2") && error.contains("left no token in column `text`"),
        "{error}"
    );
}

/// Leaves nothing of a text.
struct Emptied;

impl sst_data::transform::Transform for Emptied {
    fn apply(
        &self,
        mut example: sst_data::Example,
        _: &mut sst_data::SeqRng,
    ) -> Result<sst_data::Example, sst_data::transform::TransformError> {
        example.fields.insert("text".into(), sst_data::Field::Text(String::new()));
        Ok(example)
    }
}
