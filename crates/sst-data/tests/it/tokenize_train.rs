//! Training gives the same bytes twice, and tokenizers that spell what they were trained on.

use std::fs;

use sst_data::tokenize::{Algorithm, SpecialNames, Tokenizer, TrainConfig, train};

use crate::tokenize::book;

fn config(algorithm: Algorithm, vocab_size: usize) -> TrainConfig {
    TrainConfig { algorithm, vocab_size, ..TrainConfig::default() }
}

const ALGORITHMS: [Algorithm; 3] = [Algorithm::WordPiece, Algorithm::Bpe, Algorithm::Unigram];

fn mixed() -> Vec<String> {
    [book("kjv.txt.gz", 600), book("sanguo.txt.gz", 12)].concat()
}

fn saved(tokenizer: &Tokenizer) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    tokenizer.save(folder.path(), 128).unwrap();
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    (read("tokenizer.json"), read("tokenizer_config.json"))
}

#[test]
fn training_twice_gives_the_same_bytes() {
    let texts = mixed();
    for algorithm in ALGORITHMS {
        let one = train(&config(algorithm, 1500), texts.iter().cloned()).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let two = pool.install(|| train(&config(algorithm, 1500), texts.iter().cloned())).unwrap();
        assert_eq!(saved(&one), saved(&two), "{algorithm:?}");
        assert_eq!(one.fingerprint(), two.fingerprint());
        assert!(one.vocab_size() <= 1500 && one.vocab_size() > 1400, "{}", one.vocab_size());
    }
}

#[test]
fn a_saved_tokenizer_loads_and_encodes_the_same() {
    let texts = mixed();
    for algorithm in ALGORITHMS {
        let trained = train(&config(algorithm, 1500), texts.iter().cloned()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        trained.save(folder.path(), 128).unwrap();
        let loaded = Tokenizer::load(folder.path()).unwrap();
        assert_eq!(loaded.special(), trained.special());
        assert_eq!(loaded.special_token_template(), trained.special_token_template());
        assert_eq!(loaded.fingerprint(), trained.fingerprint());
        for text in texts.iter().step_by(7) {
            assert_eq!(loaded.encode(text).unwrap(), trained.encode(text).unwrap());
        }
    }
}

#[test]
fn trained_tokenizers_spell_their_corpus() {
    let texts = mixed();
    for algorithm in ALGORITHMS {
        let config = TrainConfig { min_frequency: 1, ..config(algorithm, 2500) };
        let tokenizer = train(&config, texts.iter().cloned()).unwrap();
        let special = tokenizer.special();
        assert_eq!(special.all, [0, 1, 2, 3, 4]);
        assert_eq!((special.cls, special.mask), (Some(2), Some(4)));
        let mut tokens = 0;
        for text in &texts {
            let ids = tokenizer.encode(text).unwrap();
            assert!(!ids.contains(&1), "{algorithm:?} cannot spell {text}");
            tokens += ids.len();
            let plain = |s: &str| s.to_lowercase().split_whitespace().collect::<String>();
            if algorithm == Algorithm::Bpe {
                assert_eq!(plain(&tokenizer.decode(&ids, true).unwrap()), plain(text));
            }
        }
        let characters: usize = texts.iter().map(|text| text.chars().count()).sum();
        let rate = characters as f64 / tokens as f64;
        assert!(rate > 2.0, "{algorithm:?}: {rate} characters a token");
    }
}

/// The merges were computed by hand: `ab` occurs 5 times, then `abc` 3 times; `bc` alone would tie with no other pair.
#[test]
fn the_most_frequent_pairs_are_merged_first() {
    let texts = || ["ab abc abc abc ab".to_owned()].into_iter();
    let tokenizer = train(&config(Algorithm::WordPiece, 11), texts()).unwrap();
    let tokens: Vec<_> = (0..11).map(|id| tokenizer.token(id).unwrap()).collect();
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    assert_eq!(tokens[..5], special);
    assert_eq!(tokens[5..], ["a", "b", "c", "##b", "##c", "ab"]);
    let tokenizer = train(&config(Algorithm::WordPiece, 50), texts()).unwrap();
    assert_eq!(tokenizer.vocab_size(), 12);
    assert_eq!(tokenizer.token(11).as_deref(), Some("abc"));
}

#[test]
fn rare_pairs_are_not_learned() {
    let texts = || ["ab ab cd".to_owned()].into_iter();
    let learned = |min_frequency| {
        let config = TrainConfig { min_frequency, ..config(Algorithm::WordPiece, 99) };
        let tokenizer = train(&config, texts()).unwrap();
        ["ab", "cd"].map(|token| tokenizer.id(token).is_some())
    };
    assert_eq!(learned(1), [true, true]);
    assert_eq!(learned(2), [true, false]);
    assert_eq!(learned(3), [false, false]);
}

#[test]
fn the_alphabet_can_be_limited() {
    let config = TrainConfig { limit_alphabet: Some(2), ..config(Algorithm::Unigram, 99) };
    let texts = ["aa aa ab ab az".to_owned()].into_iter();
    let tokenizer = train(&config, texts).unwrap();
    let unk = tokenizer.special().unk.unwrap();
    assert!(tokenizer.encode("az").unwrap().contains(&unk));
    assert!(!tokenizer.encode("aa").unwrap().contains(&unk));
}

#[test]
fn bpe_takes_any_special_tokens() {
    let end = Some("<|endoftext|>".to_owned());
    let special = SpecialNames { bos: end.clone(), eos: end, ..SpecialNames::default() };
    let config = TrainConfig {
        special,
        lowercase: false,
        extra_tokens: vec!["<|user|>".to_owned()],
        ..config(Algorithm::Bpe, 400)
    };
    let tokenizer = train(&config, book("kjv.txt.gz", 100).into_iter()).unwrap();
    let special = tokenizer.special();
    assert_eq!((special.bos, special.eos, special.mask), (Some(0), Some(0), None));
    assert_eq!(special.all, [0, 1]);
    assert!(tokenizer.special_token_template().prefix.is_empty());
    // Bytes can spell any text.
    let text = "In the  beginning 起初\n\t😀 <|user|>";
    let ids = tokenizer.encode(text).unwrap();
    assert_eq!(tokenizer.decode(&ids, false).unwrap(), text);
    assert!(ids.contains(&1));
    let continues = tokenizer.continuation();
    let flag = |token: &str| tokenizer.id(token).map(|id| continues[id as usize]);
    assert_eq!(flag("Ġthe"), Some(false));
    assert_eq!((flag("e"), flag(","), flag("<|user|>")), (Some(true), Some(false), Some(false)));
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let refused = |config: TrainConfig| {
        let texts = ["a b".to_owned()].into_iter();
        train(&config, texts).unwrap_err().to_string()
    };
    assert!(refused(config(Algorithm::Bpe, 260)).contains("vocab_size is 260"));
    assert!(refused(config(Algorithm::WordPiece, 5)).contains("vocab_size is 5"));
    assert!(refused(config(Algorithm::WordPiece, usize::MAX)).contains("vocab_size"));
    for algorithm in [Algorithm::WordPiece, Algorithm::Unigram] {
        let special = SpecialNames::default();
        assert!(refused(TrainConfig { special, ..config(algorithm, 99) }).contains("special.unk"));
    }
    let empty = train(&TrainConfig::default(), std::iter::empty()).unwrap_err().to_string();
    assert!(empty.contains("no word"), "{empty}");
}
