//! A store of records is built once for each set of inputs, and never taken for whole when it is not.

use std::fs;

use sst_data::Ledger;
use sst_data::records::{Column, ColumnKind, RecordStore};
use sst_data::rows::Dataset;

use super::{Place, classified, text};

const CONTENT: &str =
    "{\"text\": \"ab\", \"label\": \"x\"}\n{\"text\": \"c a b\", \"label\": \"y\"}\n";

#[test]
fn the_second_time_it_comes_from_the_cache_with_the_same_ledger() {
    let content = format!("{CONTENT}{{\"text\": \"\", \"label\": \"x\"}}\n");
    let place = Place::new("a.jsonl", &content, classified()).skipping();
    let (first, second) = (Ledger::new(), Ledger::new());
    let store = place.prepare(&first).unwrap();
    let manifest = place.cache().join(store.fingerprint()).join("manifest.json");
    let made = fs::metadata(&manifest).unwrap().modified().unwrap();
    place.prepare(&second).unwrap();
    assert_eq!(fs::metadata(&manifest).unwrap().modified().unwrap(), made);
    assert_eq!(first.entries(), second.entries());
    assert_eq!(first.count("records.empty_text"), 1);
}

#[test]
fn other_columns_labels_options_or_files_make_another_store() {
    let place = Place::new("a.jsonl", CONTENT, classified());
    let mut seen = vec![place.store().fingerprint().to_owned()];
    let mut differs = |store: std::sync::Arc<RecordStore>| {
        let fingerprint = store.fingerprint().to_owned();
        assert!(!seen.contains(&fingerprint));
        seen.push(fingerprint);
    };
    let mut other = place.given("label", &["y", "x"]);
    differs(other.store());
    other.columns = vec![text("text")];
    other.labels.clear();
    differs(other.store());
    let mut other = other.skipping();
    differs(other.store());
    other.columns = vec![text("text").from_field("label")];
    differs(other.store());
    fs::write(other.file(), CONTENT.replace("c a b", "c b a")).unwrap();
    differs(other.store());
}

#[test]
fn every_changed_byte_is_noticed_and_the_store_built_again() {
    let place = Place::new("a.jsonl", CONTENT, classified());
    let store = place.store();
    let (folder, expected) =
        (place.cache().join(store.fingerprint()), place.rows(8).get(1, 0).unwrap());
    for name in ["records.bin", "ends.bin", "lengths.bin", "keys.bin", "manifest.json"] {
        let path = folder.join(name);
        let bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).unwrap();
            assert!(RecordStore::open(&folder).is_err(), "byte {at} of {name}");
        }
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let error = RecordStore::open(&folder).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("is damaged"), "{error}");
        // The next run finds out, and prepares the data again.
        assert_eq!(place.rows(8).get(1, 0).unwrap(), expected);
    }
}

#[test]
fn two_that_prepare_at_once_get_the_same_store() {
    let place = Place::new("a.jsonl", CONTENT, classified());
    let place = &place;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(move || place.store())).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap().num_records(), 2);
        }
    });
    let names: Vec<_> = fs::read_dir(place.cache()).unwrap().flatten().collect();
    assert!(names.iter().all(|name| !name.file_name().to_string_lossy().ends_with(".tmp")));
}

#[test]
fn a_field_may_serve_two_columns() {
    let columns = vec![
        text("text"),
        Column::new("class", ColumnKind::Label).from_field("label"),
        Column::new("again", ColumnKind::Labels).from_field("labels"),
        Column::new("other", ColumnKind::Label).from_field("label"),
    ];
    let content = "{\"text\": \"a\", \"label\": \"x\", \"labels\": [\"y\"]}\n";
    let place = Place::new("a.jsonl", content, columns);
    let example = place.rows(8).get(0, 0).unwrap();
    assert_eq!((example.int("class"), example.int("other")), (Some(0), Some(0)));
}
