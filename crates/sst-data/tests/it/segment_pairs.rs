//! Rows of two segments: their contents, the rates of the labels, and that a pair crosses documents only where it
//! should.

#![allow(clippy::disallowed_methods)] // Tests write their inputs in place.

use std::collections::HashSet;
use std::sync::Arc;

use proptest::prelude::*;
use sst_data::rows::{Dataset, DatasetError, PAIR_LABEL, SegmentPairRows, SegmentPairs, Subset};
use sst_data::store::{Store, StoreBuilder};
use sst_data::tokenize::{PairTemplate, Tokenizer};
use sst_data::{Example, Key, Ledger};

/// Smaller ids are special tokens. Larger ones encode the position of the token.
const FIRST: u32 = 10;
/// The most tokens of a document.
const STRIDE: u32 = 1000;

/// A store of documents with sentences of these lengths; token `t` of document `d` is `FIRST + d * STRIDE + t`.
fn store(documents: &[Vec<u32>]) -> Arc<Store> {
    let folder = tempfile::tempdir().unwrap();
    let vocab = FIRST + documents.len() as u32 * STRIDE;
    let builder = StoreBuilder::create(folder.path(), "test", vocab as usize).unwrap();
    let mut builder = builder.with_sentences().unwrap();
    for (number, sentences) in (0..).zip(documents) {
        let mut ends = Vec::new();
        let mut total = 0;
        for length in sentences {
            total += length;
            ends.push(total);
        }
        assert!(total <= STRIDE);
        let ids: Vec<u32> = (0..total).map(|token| FIRST + number * STRIDE + token).collect();
        builder.push_sentences(&Key::new("a.txt", u64::from(number) + 1), &ids, &ends).unwrap();
    }
    Arc::new(builder.finish(Ledger::new().entries()).unwrap())
}

/// `[CLS] A [SEP] B [SEP]`, as BERT has it.
fn bert() -> PairTemplate {
    let folder = tempfile::tempdir().unwrap();
    let vocab = folder.path().join("vocab.txt");
    std::fs::write(&vocab, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n").unwrap();
    Tokenizer::load(&vocab).unwrap().pair_template().unwrap()
}

fn rows(documents: &[Vec<u32>], kind: SegmentPairs, max_length: usize) -> SegmentPairRows {
    let ledger = Ledger::new();
    SegmentPairRows::new(store(documents), kind, Subset::All, max_length, bert(), 7, &ledger)
        .unwrap()
}

const NEXT: SegmentPairs = SegmentPairs::NextSentence { random: 0.5 };
const ORDER: SegmentPairs = SegmentPairs::SentenceOrder { swapped: 0.5 };

/// Splits a row into the two segments and the label, and checks the special tokens and token types.
fn segments(example: &Example) -> (Vec<u32>, Vec<u32>, i64) {
    let (ids, types) =
        (example.tokens("input_ids").unwrap(), example.tokens("token_type_ids").unwrap());
    let special: Vec<usize> = (0..ids.len()).filter(|at| ids[*at] < FIRST).collect();
    let &[cls, middle, end] = special.as_slice() else { panic!("{ids:?}") };
    assert_eq!((cls, end), (0, ids.len() - 1));
    assert_eq!([ids[cls], ids[middle], ids[end]], [2, 3, 3]);
    let expected: Vec<u32> = (0..ids.len()).map(|at| u32::from(at > middle)).collect();
    assert_eq!(types, expected);
    let (first, second) = (ids[1..middle].to_vec(), ids[middle + 1..end].to_vec());
    assert!(!first.is_empty() && !second.is_empty());
    for segment in [&first, &second] {
        assert!(segment.windows(2).all(|pair| pair[1] == pair[0] + 1), "one stretch: {segment:?}");
    }
    (first, second, example.int(PAIR_LABEL).unwrap())
}

fn document(token: u32) -> u32 {
    (token - FIRST) / STRIDE
}

#[test]
fn special_tokens_of_a_pair_are_those_of_transformers() {
    let template = bert();
    assert_eq!(template.num_special(), 3);
    let (ids, types) = template.join(&[5, 6], &[7]);
    // The expected values are those of `BertTokenizer.build_inputs_with_special_tokens` and
    // `create_token_type_ids_from_sequences`.
    assert_eq!(ids, [2, 5, 6, 3, 7, 3]);
    assert_eq!(types, [0, 0, 0, 0, 1, 1]);
}

#[test]
fn rows_take_as_many_sentences_as_fit_and_lose_none() {
    let documents = [vec![4, 4, 4, 4, 4], vec![3, 9, 2, 2, 2, 2], vec![5], vec![2, 2]];
    let ledger = Ledger::new();
    let rows = SegmentPairRows::new(store(&documents), ORDER, Subset::All, 15, bert(), 7, &ledger)
        .unwrap();
    // With a capacity of 12, the rows have sentences 0-2 and 3-4 of the first document, 0-1 (12 tokens) and 2-5 of the
    // second, none of the third, and 0-1 of the last.
    assert_eq!(rows.len(), 5);
    let lengths: Vec<usize> = (0..5).map(|row| rows.row_length(row)).collect();
    assert_eq!(lengths, [15, 11, 15, 11, 7]);
    assert_eq!(rows.row_length(5), 0);
    assert_eq!(ledger.count("rows.single_sentence_documents"), 1);
    let single = &ledger.entries()["rows.single_sentence_documents"];
    assert_eq!(single.first.as_deref(), Some("a.txt:3"));
    assert_eq!(ledger.count("rows.truncated_pairs"), 0);
    let keys: Vec<u64> = (0..5).map(|row| rows.key(row).record).collect();
    assert_eq!(keys, [1, 1, 2, 2, 4]);
    let mut tokens: Vec<u32> = (0..5)
        .flat_map(|row| {
            let (first, second, _) = segments(&rows.get(row, 0).unwrap());
            [first, second].concat()
        })
        .collect();
    tokens.sort_unstable();
    let all = [(0, 20), (1, 20), (3, 4)];
    let expected: Vec<u32> = all
        .into_iter()
        .flat_map(|(document, count)| (0..count).map(move |at| FIRST + document * STRIDE + at))
        .collect();
    assert_eq!(tokens, expected);
}

#[test]
fn a_sentence_left_over_joins_the_one_before_it() {
    // With a capacity of 10, the rows have sentences 0-1, and sentence 2 together with sentence 1.
    let rows = rows(&[vec![5, 5, 5]], ORDER, 13);
    assert_eq!(rows.len(), 2);
    let (mut first, second, label) = segments(&rows.get(1, 0).unwrap());
    let expected: Vec<u32> = (5..15).map(|token| FIRST + token).collect();
    if label == 0 {
        first.extend(second);
        assert_eq!(first, expected);
    } else {
        assert_eq!([second, first].concat(), expected);
    }
}

#[test]
fn what_does_not_fit_is_cut_from_the_longer_segment_and_counted() {
    let ledger = Ledger::new();
    let kind = SegmentPairs::SentenceOrder { swapped: 0.0 };
    let store = store(&[vec![20, 3]]);
    let rows = SegmentPairRows::new(store, kind, Subset::All, 13, bert(), 7, &ledger).unwrap();
    let (first, second, label) = segments(&rows.get(0, 0).unwrap());
    assert_eq!((first.len(), second.len(), label), (7, 3, 0));
    assert_eq!((first[0], second[0]), (FIRST, FIRST + 20));
    assert_eq!(rows.row_length(0), 13);
    assert_eq!(ledger.count("rows.truncated_pairs"), 1);
    assert_eq!(ledger.count("rows.truncated_tokens"), 13);
}

/// The fraction of rows with label 1 lies within four standard errors of the expected one.
fn check_rate(rows: &SegmentPairRows, expected: f64) {
    let (mut ones, mut count) = (0.0, 0.0);
    for epoch in 0..40 {
        for row in 0..rows.len() {
            ones += segments(&rows.get(row, epoch).unwrap()).2 as f64;
            count += 1.0;
        }
    }
    let error = (expected * (1.0 - expected) / count).sqrt();
    assert!((ones / count - expected).abs() <= 4.0 * error, "{} of {count}", ones / count);
}

fn documents() -> Vec<Vec<u32>> {
    (0..40)
        .map(|number| (0..3 + number % 7).map(|at| 2 + (at * 5 + number) % 9).collect())
        .collect()
}

#[test]
fn labels_are_drawn_at_their_rate() {
    for rate in [0.0, 0.15, 0.5, 1.0] {
        check_rate(&rows(&documents(), SegmentPairs::NextSentence { random: rate }, 32), rate);
        check_rate(&rows(&documents(), SegmentPairs::SentenceOrder { swapped: rate }, 32), rate);
    }
}

#[test]
fn the_label_says_whether_the_second_segment_follows_the_first() {
    for (kind, crosses) in [(NEXT, true), (ORDER, false)] {
        let rows = rows(&documents(), kind, 32);
        let mut seen = [0, 0];
        for (row, epoch) in (0..rows.len()).flat_map(|row| (0..5).map(move |epoch| (row, epoch))) {
            let (first, second, label) = segments(&rows.get(row, epoch).unwrap());
            seen[label as usize] += 1;
            let same = document(first[0]) == document(second[0]);
            match (label, crosses) {
                // The second segment follows the first in one document.
                (0, _) => assert_eq!(second[0], first[first.len() - 1] + 1),
                // The other segment is never of the same document, so it never follows the first segment.
                (_, true) => assert!(!same),
                // In swapped segments, the first follows the second.
                (_, false) => assert_eq!(first[0], second[second.len() - 1] + 1),
            }
            assert!(same || label == 1 && crosses);
            let length = rows.get(row, epoch).unwrap().tokens("input_ids").unwrap().len();
            assert!(length <= rows.row_length(row), "a partner makes no row longer");
        }
        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
    }
}

#[test]
fn partners_come_from_every_other_document_and_begin_at_every_sentence() {
    let documents = vec![vec![3, 3], vec![4], vec![2, 5, 2, 2]];
    let rows = rows(&documents, SegmentPairs::NextSentence { random: 1.0 }, 32);
    let mut begins = HashSet::new();
    let mut counts = [0; 3];
    for epoch in 0..600 {
        // Row 0 is of document 0.
        let (_, second, _) = segments(&rows.get(0, epoch).unwrap());
        counts[document(second[0]) as usize] += 1;
        begins.insert(second[0]);
    }
    assert_eq!(counts[0], 0);
    assert!(counts[1..].iter().all(|count| (240..360).contains(count)), "{counts:?}");
    let expected = [(1, 0), (2, 0), (2, 2), (2, 7), (2, 9)];
    assert_eq!(begins, expected.map(|(at, token)| FIRST + at * STRIDE + token).into());
}

#[test]
fn every_epoch_has_new_draws_and_every_sentence_boundary_may_be_the_cut() {
    let rows = rows(&[vec![2; 6], vec![2; 3]], ORDER, 32);
    let mut cuts = HashSet::new();
    for epoch in 0..200 {
        let again = rows.get(0, epoch).unwrap();
        assert_eq!(again, rows.get(0, epoch).unwrap());
        let (first, second, label) = segments(&again);
        cuts.insert(if label == 0 { first.len() } else { second.len() });
    }
    assert_eq!(cuts, [2, 4, 6, 8, 10].into());
}

#[test]
fn a_document_of_many_rows_is_found_from_any_of_them() {
    // 200 rows of two sentences each, between two short documents.
    let documents = vec![vec![1, 1], vec![2; 400], vec![1, 1]];
    let rows = rows(&documents, SegmentPairs::SentenceOrder { swapped: 0.0 }, 7);
    assert_eq!(rows.len(), 202);
    for row in (1..201).rev() {
        let (first, _, _) = segments(&rows.get(row, 0).unwrap());
        assert_eq!(first[0], FIRST + STRIDE + (row as u32 - 1) * 4);
        assert_eq!(rows.row_length(row), 7);
    }
    assert_eq!(segments(&rows.get(201, 0).unwrap()).0[0], FIRST + 2 * STRIDE);
}

#[test]
fn validation_and_training_share_no_document() {
    let store = store(&documents());
    let of = |subset| {
        let (ledger, template) = (Ledger::new(), bert());
        let rows = SegmentPairRows::new(Arc::clone(&store), NEXT, subset, 32, template, 7, &ledger)
            .unwrap();
        let mut found = HashSet::new();
        for (row, epoch) in (0..rows.len()).flat_map(|row| (0..9).map(move |epoch| (row, epoch))) {
            let (first, second, _) = segments(&rows.get(row, epoch).unwrap());
            found.extend([document(first[0]), document(second[0])]);
        }
        found
    };
    let (train, held_out) =
        (of(Subset::Train { fraction: 0.3 }), of(Subset::Validation { fraction: 0.3 }));
    assert!(train.is_disjoint(&held_out));
    assert_eq!(train.len() + held_out.len(), 40);
}

#[test]
fn invalid_settings_are_errors() {
    let new = |documents: &[Vec<u32>], kind, max_length| {
        let (store, ledger) = (store(documents), Ledger::new());
        SegmentPairRows::new(store, kind, Subset::All, max_length, bert(), 7, &ledger)
            .map(|rows| rows.len())
            .map_err(|error| error.to_string())
    };
    let two = [vec![2, 2], vec![2, 2]];
    assert_eq!(new(&two, NEXT, 5), Ok(2));
    assert!(new(&two, NEXT, 4).unwrap_err().contains("raise it to 5 or more"));
    let error = new(&two, SegmentPairs::NextSentence { random: 1.5 }, 9).unwrap_err();
    assert_eq!(error, "random is 1.5: it must be from 0 to 1");
    assert!(new(&two[..1], NEXT, 9).unwrap_err().contains("only one document"));
    assert_eq!(new(&two[..1], ORDER, 9), Ok(1));
    let rows = rows(&two, NEXT, 9);
    assert!(matches!(rows.get(2, 0), Err(DatasetError::OutOfRange { index: 2, len: 2 })));
    // A store without sentences.
    let folder = tempfile::tempdir().unwrap();
    let mut builder = StoreBuilder::create(folder.path(), "test", 20).unwrap();
    builder.push(&Key::new("a", 1), &[11, 12]).unwrap();
    let plain = Arc::new(builder.finish(Ledger::new().entries()).unwrap());
    let error =
        SegmentPairRows::new(plain, ORDER, Subset::All, 9, bert(), 7, &Ledger::new()).unwrap_err();
    assert!(error.to_string().contains("prepare the data with them"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_documents_make_rows_within_the_limit(
        documents in prop::collection::vec(prop::collection::vec(1_u32..30, 1..20), 2..6),
        max_length in 5_usize..60,
    ) {
        let rows = rows(&documents, NEXT, max_length);
        let mut seen = HashSet::new();
        for row in 0..rows.len() {
            let (first, second, label) = segments(&rows.get(row, 3).unwrap());
            let length = first.len() + second.len() + 3;
            prop_assert!(length <= rows.row_length(row) && rows.row_length(row) <= max_length);
            if label == 0 {
                prop_assert_eq!(length, rows.row_length(row));
            }
            prop_assert_eq!(u64::from(document(first[0])) + 1, rows.key(row).record);
            seen.insert(document(first[0]));
        }
        let several = documents.iter().filter(|sentences| sentences.len() > 1).count();
        prop_assert_eq!(seen.len(), several);
    }
}
