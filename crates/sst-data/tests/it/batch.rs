//! Host batches are checked when built; examples and their keys.

use sst_data::{ArrayData, BatchError, Example, Field, HostBatch, Key, Normalizer};

fn empty() -> HostBatch {
    HostBatch::new(Normalizer::Count(3), vec![Key::new("a.txt", 1)])
}

#[test]
fn a_batch_keeps_its_arrays_by_name() {
    let batch = empty()
        .with("labels", &[3], ArrayData::I64(vec![1, 2, 3]))
        .and_then(|batch| batch.with("attention_mask", &[2, 2], ArrayData::Bool(vec![true; 4])))
        .and_then(|batch| batch.with("none", &[0, 5], ArrayData::F32(Vec::new())))
        .unwrap()
        .with_tokens(3, 4);
    let names: Vec<&str> = batch.arrays().map(|(name, _)| name).collect();
    assert_eq!(names, ["attention_mask", "labels", "none"]);
    let labels = batch.get("labels").unwrap();
    assert_eq!((labels.shape(), labels.data()), ([3].as_slice(), &ArrayData::I64(vec![1, 2, 3])));
    assert!(batch.get("input_ids").is_none() && batch.get("none").unwrap().data().is_empty());
    assert_eq!(
        (batch.useful_tokens, batch.padded_tokens, batch.normalizer),
        (3, 4, Normalizer::Count(3))
    );
}

#[test]
fn a_wrong_shape_is_refused() {
    fn check(shape: &[usize], len: usize, expected: &str) {
        let error = empty().with("input_ids", shape, ArrayData::I64(vec![0; len])).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    check(&[2, 3], 5, "array `input_ids` of shape [2, 3] needs 6 elements and has 5");
    check(&[], 0, "array `input_ids` of shape [] needs 1 elements and has 0");
    check(&[0, 3], 1, "array `input_ids` of shape [0, 3] needs 0 elements and has 1");
}

#[test]
fn a_second_array_of_one_name_is_refused() {
    let one = empty().with("x", &[1], ArrayData::F32(vec![0.0])).unwrap();
    let error = one.with("x", &[1], ArrayData::F32(vec![1.0])).unwrap_err();
    assert!(matches!(error, BatchError::Duplicate("x")));
}

#[test]
fn an_example_gives_fields_of_the_right_type() {
    let key = Key::new("corpus/a.txt", 131);
    assert_eq!(key.to_string(), "corpus/a.txt:131");
    let text = Example::new(key.clone(), 5, "text", Field::Text("hi".into()));
    assert_eq!(
        (text.text("text"), text.tokens("text"), text.text("other")),
        (Some("hi"), None, None)
    );
    let tokens = Example::new(key, 5, "input_ids", Field::Tokens(vec![1, 2]));
    assert_eq!(tokens.tokens("input_ids"), Some([1, 2].as_slice()));
    assert_eq!((tokens.text("input_ids"), tokens.index, tokens.epoch), (None, 5, 0));
}

#[test]
fn pictures_keep_their_bytes() {
    let pixels: Vec<u8> = (0..=255).collect();
    let batch = empty().with("pixels", &[1, 16, 16], ArrayData::U8(pixels.clone())).unwrap();
    let array = batch.get("pixels").unwrap();
    assert_eq!((array.shape(), array.data()), ([1, 16, 16].as_slice(), &ArrayData::U8(pixels)));
    let error = empty().with("pixels", &[3], ArrayData::U8(vec![0; 2])).unwrap_err().to_string();
    assert_eq!(error, "array `pixels` of shape [3] needs 3 elements and has 2");
}
