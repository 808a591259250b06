//! Sentence ends in a store are kept on request and checked, and a store without them is unchanged.

#![allow(clippy::disallowed_methods)] // Tests write their inputs in place.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use sst_data::clean::CleanConfig;
use sst_data::read::Source;
use sst_data::sentence::split_sentences;
use sst_data::store::{Preparation, Store, StoreBuilder};
use sst_data::tokenize::{Algorithm, Tokenizer, TrainConfig, train};
use sst_data::{Key, Ledger};
use unicode_normalization::UnicodeNormalization;

use crate::tokenize::book;

/// The documents of a file in a folder, prepared with or without the ends of sentences.
fn prepared(folder: &Path, tokenizer: &Tokenizer, sentence_ends: bool) -> Arc<Store> {
    let paths = vec![folder.join("a.txt").display().to_string()];
    let preparation = Preparation {
        source: &Source { paths, ..Source::default() },
        clean: &CleanConfig::default(),
        tokenizer,
        sentence_ends,
        ledger: &Ledger::new(),
        cache: &folder.join("cache"),
    };
    preparation.prepare(&mut |_, _| ()).unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn lines() -> Vec<String> {
    let mut lines = book("kjv.txt.gz", 60);
    lines.extend(book("sanguo.txt.gz", 60));
    // There are documents of several sentences in both languages, of one sentence, and of no whole sentence.
    lines.push("It rained. He left! 天黑了。他走了。".to_owned());
    lines.push("no end".to_owned());
    lines
}

#[test]
fn ends_are_those_of_the_splitter_and_tokens_are_the_same() {
    let lines = lines();
    for algorithm in [Algorithm::WordPiece, Algorithm::Bpe, Algorithm::Unigram] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.txt"), lines.join("\n")).unwrap();
        let config = TrainConfig { algorithm, vocab_size: 1000, ..TrainConfig::default() };
        let tokenizer = train(&config, lines.iter().cloned()).unwrap();
        let plain = prepared(folder.path(), &tokenizer, false);
        let store = prepared(folder.path(), &tokenizer, true);
        assert_ne!(plain.fingerprint(), store.fingerprint());
        assert!(store.has_sentences() && !plain.has_sentences());
        assert_eq!(plain.num_documents(), lines.len() as u64);
        let mut several = 0;
        for (document, line) in (0..).zip(&lines) {
            let tokens = store.tokens(document).unwrap();
            assert_eq!(tokens, plain.tokens(document).unwrap(), "{algorithm:?}: {line}");
            let ends = store.sentence_ends(document, 0, usize::MAX).unwrap();
            let sentences = split_sentences(line.trim());
            assert_eq!(ends.len(), sentences.len(), "{algorithm:?}: {line}");
            several += usize::from(ends.len() > 1);
            assert_eq!(ends.last().copied(), Some(tokens.len() as u32));
            // Each sentence decodes to its own text, apart from what the tokenizers drop: spaces, case, and full-width
            // forms.
            let letters = |text: &str| -> String {
                text.to_lowercase().nfkc().filter(|c| !c.is_whitespace()).collect()
            };
            let mut first = 0;
            for (end, sentence) in ends.iter().zip(sentences) {
                let ids = &tokens[first..*end as usize];
                let unknown = tokenizer.special().unk.is_some_and(|unk| ids.contains(&unk));
                let decoded = tokenizer.decode(ids, false).unwrap();
                let text = &line.trim()[sentence];
                assert!(unknown || letters(&decoded) == letters(text), "{decoded:?} for {text:?}");
                first = *end as usize;
            }
        }
        assert!(several > 20, "{several} documents of several sentences");
    }
}

#[test]
fn any_stretch_of_the_sentences_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut builder =
        StoreBuilder::create(folder.path(), "test", 10).unwrap().with_sentences().unwrap();
    builder.push_sentences(&Key::new("a", 1), &[1; 9], &[2, 3, 9]).unwrap();
    builder.push_sentences(&Key::new("a", 2), &[], &[]).unwrap();
    builder.push_sentences(&Key::new("a", 3), &[1; 4], &[4]).unwrap();
    let store = builder.finish(Ledger::new().entries()).unwrap();
    let check = |document, first, count, expected: &[u32]| {
        assert_eq!(store.sentence_ends(document, first, count).unwrap(), expected);
    };
    check(0, 0, 9, &[2, 3, 9]);
    check(0, 1, 1, &[3]);
    check(0, 3, 1, &[]);
    check(0, usize::MAX, usize::MAX, &[]);
    check(1, 0, 9, &[]);
    check(2, 0, 9, &[4]);
    check(3, 0, 9, &[]);
    let counts: Vec<usize> = (0..4).map(|at| store.num_sentences(at).unwrap()).collect();
    assert_eq!(counts, [3, 0, 1, 0]);
}

#[test]
fn invalid_sentence_ends_are_refused() {
    let check = |ids: &[u32], ends: &[u32]| {
        let folder = tempfile::tempdir().unwrap();
        let builder = StoreBuilder::create(folder.path(), "test", 10).unwrap();
        let mut builder = builder.with_sentences().unwrap();
        let error = builder.push_sentences(&Key::new("a.txt", 4), ids, ends).unwrap_err();
        assert!(error.to_string().starts_with("a.txt:4: the ends of its sentences"), "{error}");
    };
    check(&[1, 2], &[1]);
    check(&[1, 2], &[]);
    check(&[1, 2], &[0, 2]);
    check(&[1, 2], &[2, 2]);
    check(&[1, 2], &[2, 1, 2]);
    check(&[], &[0]);
    let folder = tempfile::tempdir().unwrap();
    let mut builder = StoreBuilder::create(folder.path(), "test", 10).unwrap();
    let error = builder.push_sentences(&Key::new("a.txt", 4), &[1], &[1]).unwrap_err();
    assert!(error.to_string().contains("of all documents or of none"), "{error}");
    let mut builder = builder.with_sentences().unwrap();
    assert!(builder.push(&Key::new("a.txt", 4), &[1]).is_err());
}

fn small(folder: &Path) -> PathBuf {
    let builder = StoreBuilder::create(folder, "test", 10).unwrap();
    let mut builder = builder.with_sentences().unwrap();
    builder.push_sentences(&Key::new("a", 1), &[1; 9], &[2, 3, 9]).unwrap();
    builder.finish(Ledger::new().entries()).unwrap();
    folder.join("test")
}

#[test]
fn a_damaged_or_lost_file_of_sentences_is_noticed() {
    for name in ["sentences.bin", "sentence_counts.bin"] {
        let folder = tempfile::tempdir().unwrap();
        let store = small(folder.path());
        let bytes = fs::read(store.join(name)).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(store.join(name), changed).unwrap();
            let error = Store::open(&store).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("SHA-256"), "{error}");
        }
        fs::write(store.join(name), &bytes[..bytes.len() - 1]).unwrap();
        assert!(Store::open(&store).unwrap_err().to_string().contains(name));
        fs::remove_file(store.join(name)).unwrap();
        assert!(Store::open(&store).unwrap_err().to_string().contains(name));
        fs::write(store.join(name), &bytes).unwrap();
        Store::open(&store).unwrap();
    }
}

#[test]
fn a_store_without_sentences_has_the_bytes_it_always_had() {
    let folder = tempfile::tempdir().unwrap();
    let mut builder = StoreBuilder::create(folder.path(), "test", 10).unwrap();
    builder.push(&Key::new("a.txt", 7), &[1, 2, 3]).unwrap();
    builder.push(&Key::new("b.txt", 9), &[4, 5]).unwrap();
    let store = builder.finish(Ledger::new().entries()).unwrap();
    let error = store.sentence_ends(0, 0, 1).unwrap_err().to_string();
    assert!(error.contains("without the ends of sentences"), "{error}");
    let folder = folder.path().join("test");
    assert_eq!(files(&folder), ["ends.bin", "keys.bin", "manifest.json", "tokens.bin"]);
    // The bytes were made from the description of the format with Python's `hashlib`, `json` and `struct`.
    let expected = r#"{
  "version": 2,
  "fingerprint": "test",
  "vocab_size": 10,
  "token_bits": 16,
  "num_documents": 2,
  "num_tokens": 5,
  "sources": [
    "a.txt",
    "b.txt"
  ],
  "ledger": {},
  "files": {
    "ends.bin": {
      "size": 16,
      "sha256": "a9928084ac1eb58388ddd0cb77f713f1fe657aa31d596e0dc5d1a13baf987f71"
    },
    "keys.bin": {
      "size": 24,
      "sha256": "f03db8b1ce94da66ab978551a2ed72ca924b8af1afcd0f6396b1fc3d0baba646"
    },
    "tokens.bin": {
      "size": 10,
      "sha256": "6ca637cc10a303925c94bfc4d8cd3238c76c64df56b1bf0a06ce901da433f48a"
    }
  },
  "seal": "78e68070f014b8bce9f292d514d4fbd7c403112128761aed5cfc3da0c8c37bff"
}"#;
    assert_eq!(fs::read_to_string(folder.join("manifest.json")).unwrap(), expected);
}

proptest! {
    #[test]
    fn ends_come_back(lengths in prop::collection::vec(prop::collection::vec(1_u32..5, 0..6), 1..8)) {
        let folder = tempfile::tempdir().unwrap();
        let builder = StoreBuilder::create(folder.path(), "test", 10).unwrap();
        let mut builder = builder.with_sentences().unwrap();
        let documents: Vec<Vec<u32>> = lengths
            .iter()
            .map(|sentences| {
                let sum = |sum: &mut u32, length: &u32| {
                    *sum += length;
                    Some(*sum)
                };
                sentences.iter().scan(0, sum).collect()
            })
            .collect();
        for (line, ends) in (1..).zip(&documents) {
            let ids = vec![1; ends.last().copied().unwrap_or(0) as usize];
            builder.push_sentences(&Key::new("a", line), &ids, ends).unwrap();
        }
        builder.finish(Ledger::new().entries()).unwrap();
        let store = Store::open(&folder.path().join("test")).unwrap();
        for (document, ends) in (0..).zip(&documents) {
            prop_assert_eq!(&store.sentence_ends(document, 0, usize::MAX).unwrap(), ends);
        }
    }
}
