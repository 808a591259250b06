//! Which tokens are selected, how often, and what replaces them. Rates are tested with 99.9 % intervals of the binomial
//! distribution (z = 3.29).

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use sst_data::tokenize::{Algorithm, Tokenizer, TrainConfig, train};
use sst_data::{ArrayData, Collate, Example, Field, HostBatch, Key, Normalizer};
use sst_objectives::mlm::{MlmCollate, MlmConfig, Unit};

use crate::toy;

fn ints(batch: &HostBatch, name: &str) -> Vec<i64> {
    match batch.get(name).map(|array| array.data()) {
        Some(ArrayData::I64(values)) => values.clone(),
        other => panic!("{name}: {other:?}"),
    }
}

fn collate(config: MlmConfig, tokenizer: &Tokenizer) -> MlmCollate {
    MlmCollate::new(config, tokenizer, false).unwrap()
}

/// Checks that `hits` of `draws` are within the 99.9 % interval around the probability `p`.
fn check_rate(name: &str, hits: usize, draws: usize, p: f64) {
    let rate = hits as f64 / draws as f64;
    let tolerance = 3.29 * (p * (1.0 - p) / draws as f64).sqrt();
    assert!(
        (rate - p).abs() <= tolerance,
        "{name}: {rate} of {draws} is not within {tolerance} of {p}"
    );
}

/// 1,000 rows of 105 ordinary tokens each, drawn uniformly from the vocabulary.
fn many_rows(tokenizer: &Tokenizer) -> Vec<Example> {
    let special = tokenizer.special();
    let ordinary: Vec<u32> = (0..tokenizer.vocab_size() as u32)
        .filter(|id| special.all.binary_search(id).is_err())
        .collect();
    let mut rng = sst_data::SeqRng::new(11, "test", 0, 0);
    (0..1_000)
        .map(|i| {
            let mut ids = vec![special.cls.unwrap()];
            ids.extend((0..105).map(|_| ordinary[rng.below(ordinary.len() as u64) as usize]));
            ids.push(special.sep.unwrap());
            Example::new(Key::new("rows", i + 1), i, "input_ids", Field::Tokens(ids))
        })
        .collect()
}

struct Counts {
    ordinary: usize,
    selected: usize,
    masked: usize,
    kept: usize,
    random: usize,
}

/// Masks a batch of many rows, checks every position, and counts the outcomes.
fn count(tokenizer: &Tokenizer, config: MlmConfig) -> Counts {
    let rows = many_rows(tokenizer);
    let batch = collate(config, tokenizer).collate(&rows, 17).unwrap();
    let (input, at, labels) = (
        ints(&batch, "input_ids"),
        ints(&batch, "masked_positions"),
        ints(&batch, "masked_labels"),
    );
    assert_eq!(batch.normalizer, Normalizer::Count(at.len() as u64));
    let original: Vec<u32> =
        rows.iter().flat_map(|r| r.tokens("input_ids").unwrap().to_vec()).collect();
    let special = tokenizer.special();
    let is_special = |id: i64| special.all.binary_search(&(id as u32)).is_ok();
    let mask = i64::from(special.mask.unwrap());
    let (mut masked, mut kept, mut random) = (0, 0, 0);
    let mut is_selected = vec![false; original.len()];
    for (position, label) in at.iter().zip(&labels) {
        let position = *position as usize;
        let was_selected = std::mem::replace(&mut is_selected[position], true);
        assert!(!was_selected, "a position was selected twice");
        assert_eq!(i64::from(original[position]), *label);
        assert!(!is_special(*label), "a special token was masked");
        match input[position] {
            id if id == mask => masked += 1,
            id if id == *label => kept += 1,
            id => {
                assert!(!is_special(id), "a special token was inserted");
                random += 1;
            }
        }
    }
    for (position, id) in original.iter().enumerate() {
        if !is_selected[position] {
            assert_eq!(input[position], i64::from(*id), "a token changed that was not selected");
        }
    }
    let ordinary = original.iter().filter(|id| !is_special(i64::from(**id))).count();
    Counts { ordinary, selected: at.len(), masked, kept, random }
}

#[test]
fn rates_of_token_masking() {
    let tokenizer = toy::tokenizer();
    let counts = count(&tokenizer, MlmConfig::default());
    assert!(counts.ordinary >= 100_000);
    check_rate("selected", counts.selected, counts.ordinary, 0.15);
    check_rate("masked", counts.masked, counts.selected, 0.8);
    // A random replacement is the token itself with probability 1 / (number of ordinary tokens), and then counts as kept.
    let choices = (tokenizer.vocab_size() - tokenizer.special().all.len()) as f64;
    check_rate("random", counts.random, counts.selected, 0.1 * (1.0 - 1.0 / choices));
    check_rate("kept", counts.kept, counts.selected, 0.1 + 0.1 / choices);
}

#[test]
fn rates_of_span_masking() {
    let counts = count(&toy::tokenizer(), MlmConfig { unit: Unit::Span, ..MlmConfig::default() });
    check_rate("selected", counts.selected, counts.ordinary, 0.15);
}

/// The token ranges of words by WordPiece's `##` prefix, independent of the implementation.
fn word_piece_words(tokenizer: &Tokenizer, ids: &[u32]) -> Vec<std::ops::Range<usize>> {
    let mut words: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, id) in ids.iter().enumerate() {
        let token = tokenizer.token(*id).unwrap();
        match words.last_mut() {
            Some(word) if token.starts_with("##") => word.end = at + 1,
            _ => words.push(at..at + 1),
        }
    }
    words
}

/// Checks that words are masked as a whole. Returns the number of masked words and of all words.
fn check_whole_words(unit: Unit) -> (usize, usize) {
    let tokenizer = toy::tokenizer();
    let collate = collate(MlmConfig { unit, ..MlmConfig::default() }, &tokenizer);
    let (mut masked_words, mut all_words, mut longest) = (0, 0, 0);
    for example in toy::rows(&tokenizer, 3_000) {
        let ids = example.tokens("input_ids").unwrap().to_vec();
        let batch = collate.collate(&[example], 23).unwrap();
        let selected: Vec<usize> =
            ints(&batch, "masked_positions").iter().map(|p| *p as usize).collect();
        // The first and the last token are special tokens.
        let ordinary = 1..ids.len() - 1;
        for word in word_piece_words(&tokenizer, &ids) {
            if !ordinary.contains(&word.start) {
                continue;
            }
            let hits = word.clone().filter(|at| selected.contains(at)).count();
            assert!(
                hits == 0 || hits == word.len(),
                "only some tokens of {word:?} of {ids:?} are masked"
            );
            longest = longest.max(word.len());
            all_words += 1;
            masked_words += usize::from(hits > 0);
        }
    }
    assert!(longest > 2, "the corpus must have words of several tokens");
    (masked_words, all_words)
}

#[test]
fn word_masking_masks_whole_words_at_the_mask_rate() {
    let (masked, all) = check_whole_words(Unit::Word);
    check_rate("words", masked, all, 0.15);
}

#[test]
fn span_masking_masks_whole_words() {
    let (masked, all) = check_whole_words(Unit::Span);
    assert!(masked > 0 && masked < all);
}

#[test]
fn word_masking_masks_whole_chinese_words() {
    let text = "中华人民共和国今天天气很好适合出门散步北京大学生活动中心";
    let config = TrainConfig {
        algorithm: Algorithm::WordPiece,
        vocab_size: 200,
        min_frequency: 1,
        ..TrainConfig::default()
    };
    let tokenizer = train(&config, std::iter::repeat_n(text.to_owned(), 4)).unwrap();
    let ids = tokenizer.encode(text).unwrap();
    assert_eq!(ids.len(), text.chars().count(), "each character must be one token");
    let mut bounds = vec![0];
    for word in jieba_words(text) {
        bounds.push(bounds.last().unwrap() + word.chars().count());
    }
    assert!(bounds.windows(2).any(|pair| pair[1] - pair[0] > 1));
    let collate =
        collate(MlmConfig { unit: Unit::Word, mask_rate: 0.4, ..MlmConfig::default() }, &tokenizer);
    let mut num_masked = 0;
    for i in 0..200 {
        let example =
            Example::new(Key::new("zh", i + 1), i, "input_ids", Field::Tokens(ids.clone()));
        let batch = collate.collate(&[example], 5).unwrap();
        let selected: Vec<usize> =
            ints(&batch, "masked_positions").iter().map(|p| *p as usize).collect();
        for pair in bounds.windows(2) {
            let hits = (pair[0]..pair[1]).filter(|at| selected.contains(at)).count();
            assert!(hits == 0 || hits == pair[1] - pair[0], "{pair:?}");
            num_masked += hits;
        }
    }
    assert!(num_masked > 0);
}

fn jieba_words(text: &str) -> Vec<&str> {
    sst_data::words::ChineseWords::load().cut(text)
}

#[test]
fn masks_depend_on_the_epoch_and_the_seed_only() {
    let tokenizer = toy::tokenizer();
    let collate = collate(MlmConfig::default(), &tokenizer);
    let mut rows = toy::rows(&tokenizer, 8);
    let first = collate.collate(&rows, 1).unwrap();
    assert_eq!(first, collate.collate(&rows, 1).unwrap());
    assert_ne!(first, collate.collate(&rows, 2).unwrap());
    for row in &mut rows {
        row.epoch = 1;
    }
    assert_ne!(first, collate.collate(&rows, 1).unwrap());
}

#[test]
fn a_loader_gives_the_same_batches_with_one_and_with_eight_workers() {
    use sst_data::batching::{FixedBatches, Position};
    use sst_data::loader::{Loader, LoaderConfig};
    use sst_data::rows::{Dataset, DatasetError};

    struct Rows(Vec<Example>);
    impl Dataset for Rows {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }
        fn row_length(&self, index: u64) -> usize {
            self.0[index as usize].tokens("input_ids").map_or(0, <[u32]>::len)
        }
        fn get(&self, index: u64, epoch: u64) -> Result<Example, DatasetError> {
            Ok(Example { epoch, ..self.0[index as usize].clone() })
        }
        fn key(&self, index: u64) -> Key {
            self.0[index as usize].key.clone()
        }
    }
    let tokenizer = toy::tokenizer();
    let collate: Arc<dyn Collate> = Arc::new(collate(MlmConfig::default(), &tokenizer));
    let data = Arc::new(Rows(toy::rows(&tokenizer, 50)));
    let read = |workers| -> Vec<HostBatch> {
        let batching = Arc::new(FixedBatches::new(4, 50, 12, 5).unwrap());
        let config = LoaderConfig { seed: 4, workers, prefetch: 4, rank: 0, world: 1 };
        let loader =
            Loader::new(data.clone(), collate.clone(), batching, config, Position::default())
                .unwrap();
        loader.take(12).flat_map(|step| step.unwrap().micro).collect()
    };
    assert_eq!(read(1), read(8));
}

#[test]
fn a_tokenizer_without_a_mask_token_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path: &Path = dir.path();
    std::fs::write(path.join("vocab.txt"), "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n").unwrap();
    std::fs::write(path.join("tokenizer_config.json"), r#"{"mask_token": null}"#).unwrap();
    let tokenizer = Tokenizer::load(&path.join("vocab.txt")).unwrap();
    let error = MlmCollate::new(MlmConfig::default(), &tokenizer, false).unwrap_err().to_string();
    assert!(error.contains("needs a mask token"), "{error}");
}

#[test]
fn errors_about_invalid_values_name_the_key() {
    let tokenizer = toy::tokenizer();
    let valid = MlmConfig::default;
    for (config, key) in [
        (MlmConfig { mask_rate: 1.5, ..valid() }, "mask_rate"),
        (MlmConfig { mask_rate: 0.0, ..valid() }, "mask_rate"),
        (MlmConfig { mask_rate: f64::NAN, ..valid() }, "mask_rate"),
        (MlmConfig { replace_mask: 0.95, ..valid() }, "replace_random"),
        (MlmConfig { span_p: 0.0, ..valid() }, "span_p"),
        (MlmConfig { max_span: 0, ..valid() }, "max_span"),
    ] {
        let error = MlmCollate::new(config, &tokenizer, false).unwrap_err().to_string();
        assert!(error.starts_with(key), "{error}");
    }
}

proptest! {
    #[test]
    fn every_row_keeps_its_length_and_its_special_tokens(lengths in prop::collection::vec(0_usize..40, 1..6), seed: u64) {
        let tokenizer = toy::tokenizer();
        let special = tokenizer.special().clone();
        let (cls, sep) = (special.cls.unwrap(), special.sep.unwrap());
        let first = special.all.last().unwrap() + 1;
        let rows: Vec<Example> = lengths.iter().enumerate().map(|(i, length)| {
            let mut ids = vec![cls];
            ids.extend((0..*length as u32).map(|k| first + k % 9));
            ids.push(sep);
            Example::new(Key::new("p", i as u64 + 1), i as u64, "input_ids", Field::Tokens(ids))
        }).collect();
        for unit in [Unit::Token, Unit::Word, Unit::Span] {
            let batch = collate(MlmConfig { unit, ..MlmConfig::default() }, &tokenizer).collate(&rows, seed).unwrap();
            let width = lengths.iter().max().unwrap() + 2;
            let ids = ints(&batch, "input_ids");
            prop_assert_eq!(ids.len(), rows.len() * width);
            for (row, length) in lengths.iter().enumerate() {
                prop_assert_eq!(ids[row * width], i64::from(cls));
                prop_assert_eq!(ids[row * width + length + 1], i64::from(sep));
            }
            prop_assert_eq!(batch.useful_tokens as usize, lengths.iter().sum::<usize>() + 2 * rows.len());
        }
    }
}
