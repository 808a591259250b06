//! The views of each text in a batch.

use serde_json::json;

use super::objective;
use crate::toy;

#[test]
fn augmented_views_change_the_text_and_keep_its_special_tokens() {
    let tokenizer = toy::tokenizer();
    let config = json!({"delete": 0.3, "mask": 0.2, "swap": 0.2, "crop": 0.8});
    let nt_xent = objective("nt_xent", &config, true);
    let examples = toy::rows(&tokenizer, 20);
    let collate = |seed: u64| nt_xent.collate().collate(&examples, seed).unwrap();
    let host = collate(1);
    assert_eq!(host, collate(1));
    assert_ne!(host, collate(2));
    let Some(sst_data::ArrayData::I64(ids)) = host.get("input_ids").map(|array| array.data())
    else {
        panic!("ids are int64");
    };
    let special = tokenizer.special();
    let (cls, sep) = (i64::from(special.cls.unwrap()), i64::from(special.sep.unwrap()));
    let mut start = 0;
    let mut shorter = 0;
    let lengths = host.row_lengths.clone().unwrap();
    assert_eq!(lengths.len(), 40);
    for (row, length) in lengths.iter().enumerate() {
        let view = &ids[start..start + length];
        let text = examples[row % 20].tokens("input_ids").unwrap();
        assert!(view[0] == cls && view[length - 1] == sep && *length >= 3);
        let mask = i64::from(special.mask.unwrap());
        assert!(view.iter().all(|id| *id == mask || text.contains(&(*id as u32))));
        shorter += usize::from(*length < text.len());
        start += length;
    }
    assert!(shorter > 35, "{shorter}");
}

#[test]
fn an_error_about_an_empty_row_names_its_document() {
    let tokenizer = toy::tokenizer();
    let mut examples = toy::rows(&tokenizer, 2);
    examples[1].fields.insert("input_ids".into(), sst_data::Field::Tokens(vec![]));
    for name in ["simcse", "nt_xent", "moco"] {
        let error = objective(name, &json!({}), true).collate().collate(&examples, 1).unwrap_err();
        assert!(error.to_string().starts_with("toy.txt:2: the row has no token"), "{error}");
    }
}
