//! A store returns what was written, is built once, and is never used if it is incomplete.

#![allow(clippy::disallowed_methods)] // Tests write their inputs in place.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use sst_data::clean::CleanConfig;
use sst_data::read::Source;
use sst_data::store::{Preparation, PrepareError, Store, StoreBuilder, StoreError};
use sst_data::tokenize::Tokenizer;
use sst_data::{Key, Ledger};

fn build(cache: &Path, vocab_size: usize, documents: &[(Key, Vec<u32>)]) -> Store {
    let mut builder = StoreBuilder::create(cache, "test", vocab_size).unwrap();
    for (key, ids) in documents {
        builder.push(key, ids).unwrap();
    }
    builder.finish(Ledger::new().entries()).unwrap()
}

fn sample(cache: &Path) -> Store {
    build(cache, 1000, &[(Key::new("a.txt", 3), vec![1, 2, 3]), (Key::new("b.txt", 9), vec![4])])
}

fn folders(cache: &Path) -> Vec<String> {
    let entries = fs::read_dir(cache).unwrap();
    let mut names: Vec<_> =
        entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_store_returns_what_was_written(
        documents in prop::collection::vec((0_u64..9, any::<u64>(), prop::collection::vec(any::<u32>(), 0..40)), 0..20),
        wide: bool,
    ) {
        let vocab_size = if wide { (1 << 16) + 1 } else { 1 << 16 };
        let documents: Vec<_> = documents
            .into_iter()
            .map(|(source, record, ids)| {
                let ids = ids.into_iter().map(|id| id % vocab_size as u32).collect::<Vec<_>>();
                let name = format!("数据/{source}.txt");
                let is_question = record % 3 == 0;
                (if is_question { Key::question(name, record) } else { Key::new(name, record) }, ids)
            })
            .collect();
        let cache = tempfile::tempdir().unwrap();
        build(cache.path(), vocab_size, &documents);
        let store = Store::open(&cache.path().join("test")).unwrap();
        prop_assert_eq!(store.num_documents(), documents.len() as u64);
        prop_assert_eq!(store.num_tokens(), documents.iter().map(|d| d.1.len() as u64).sum::<u64>());
        for (i, (key, ids)) in (0..).zip(&documents) {
            prop_assert_eq!(&store.key(i), key);
            prop_assert_eq!(&store.tokens(i).unwrap(), ids);
            prop_assert_eq!(store.len_of(i), ids.len());
            let mut piece = Vec::new();
            store.append_to(&mut piece, i, 1, 3).unwrap();
            prop_assert_eq!(piece, ids.iter().copied().skip(1).take(3).collect::<Vec<_>>());
        }
        let bytes = fs::metadata(cache.path().join("test/tokens.bin")).unwrap().len();
        prop_assert_eq!(bytes, store.num_tokens() * if wide { 4 } else { 2 });
        prop_assert!(store.tokens(documents.len() as u64).unwrap().is_empty());
        prop_assert_eq!(store.key(documents.len() as u64), Key::new("?", 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_store_manifests_are_damaged(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 1..8),
    ) {
        let cache = tempfile::tempdir().unwrap();
        sample(cache.path());
        let (folder, path) = (cache.path().join("test"), cache.path().join("test/manifest.json"));
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        for (place, byte, kind) in changes {
            let at = place.index(bytes.len().max(1)).min(bytes.len());
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => bytes.truncate(at),
                // One number replaces another.
                _ => {
                    let digit = |b: &u8| b.is_ascii_digit();
                    let first = bytes[at..].iter().position(digit).map_or(bytes.len(), |p| at + p);
                    let end = bytes[first..].iter().position(|b| !digit(b)).map_or(bytes.len(), |p| first + p);
                    bytes.splice(first..end, [0, 1, u64::from(byte) << 56, u64::MAX][usize::from(byte % 4)].to_string().bytes());
                }
            }
        }
        fs::write(&path, &bytes).unwrap();
        prop_assert_eq!(Store::open(&folder).is_ok(), bytes == whole);
    }
}

#[test]
fn an_id_outside_the_vocabulary_is_refused() {
    let cache = tempfile::tempdir().unwrap();
    let mut builder = StoreBuilder::create(cache.path(), "test", 10).unwrap();
    let error = builder.push(&Key::new("a", 1), &[9, 10]).unwrap_err();
    assert!(matches!(error, StoreError::IdTooLarge { id: 10, vocab_size: 10 }), "{error}");
}

fn scored(cache: &Path) -> Result<Store, StoreError> {
    let mut builder = StoreBuilder::create(cache, "test", 10)?;
    builder.push_scored(&Key::new("a", 1), &[1], 0.5)?;
    builder.push_scored(&Key::new("a", 2), &[2, 3], -3.0)?;
    builder.finish(Ledger::new().entries())
}

#[test]
fn scores_are_kept_and_checked() {
    let cache = tempfile::tempdir().unwrap();
    let store = scored(cache.path()).unwrap();
    assert_eq!((0..3).map(|i| store.score(i)).collect::<Vec<_>>(), [Some(0.5), Some(-3.0), None]);
    let file = cache.path().join("test/scores.bin");
    assert_eq!(fs::metadata(&file).unwrap().len(), 8);
    for (change, expected) in [
        (flip as fn(&Path), "SHA-256"),
        (cut, "bytes and should have 8"),
        (|path| fs::remove_file(path).unwrap(), "cannot open"),
    ] {
        change(&file);
        let error = Store::open(&cache.path().join("test")).unwrap_err().to_string();
        assert!(error.contains("scores.bin") && error.contains(expected), "{error}");
        scored(cache.path()).unwrap();
    }
}

#[test]
fn all_documents_have_a_score_or_none_has() {
    let cache = tempfile::tempdir().unwrap();
    assert_eq!(sample(cache.path()).score(0), None);
    assert!(!cache.path().join("test/scores.bin").exists());
    let (key, other) = (Key::new("a", 1), Key::new("a", 2));
    let mut builder = StoreBuilder::create(cache.path(), "test", 10).unwrap();
    builder.push(&key, &[1]).unwrap();
    let error = builder.push_scored(&other, &[1], 1.0).unwrap_err().to_string();
    assert!(error.contains("a:2 has no score where others have one"), "{error}");
    let mut builder = StoreBuilder::create(cache.path(), "test", 10).unwrap();
    builder.push_scored(&key, &[1], 1.0).unwrap();
    assert!(matches!(builder.push(&other, &[1]), Err(StoreError::Score(_))));
}

#[test]
fn a_build_that_is_dropped_leaves_nothing() {
    let cache = tempfile::tempdir().unwrap();
    let mut builder = StoreBuilder::create(cache.path(), "test", 10).unwrap();
    builder.push(&Key::new("a", 1), &[1]).unwrap();
    assert_eq!(folders(cache.path()).len(), 1);
    drop(builder);
    assert_eq!(folders(cache.path()), Vec::<String>::new());
}

/// Changes one file, and checks that the error contains `expected`.
fn damage(file: &str, change: impl FnOnce(&Path), expected: &str) {
    let cache = tempfile::tempdir().unwrap();
    sample(cache.path());
    let folder = cache.path().join("test");
    change(&folder.join(file));
    let error = Store::open(&folder).expect_err(file).to_string();
    assert!(error.contains(file) && error.contains(expected), "{error}");
    // A new build replaces it.
    sample(cache.path());
    assert_eq!(Store::open(&folder).unwrap().tokens(0).unwrap(), [1, 2, 3]);
    assert_eq!(folders(cache.path()), ["test"]);
}

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes[0] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_store_is_noticed_and_replaced() {
    for file in ["tokens.bin", "ends.bin", "keys.bin"] {
        damage(file, cut, "bytes and should have");
        damage(file, flip, "SHA-256");
        damage(file, |path| fs::remove_file(path).unwrap(), "cannot open");
        damage(file, |path| fs::write(path, "").unwrap(), "bytes and should have");
    }
    damage("manifest.json", cut, "damaged");
    damage("manifest.json", |path| fs::remove_file(path).unwrap(), "cannot read");
    let older = |path: &Path| {
        let text = fs::read_to_string(path).unwrap().replace("\"version\": 2", "\"version\": 0");
        fs::write(path, text).unwrap();
    };
    damage("manifest.json", older, "format is 0");
}

#[test]
fn every_changed_byte_of_a_manifest_is_noticed() {
    let cache = tempfile::tempdir().unwrap();
    scored(cache.path()).unwrap();
    let (folder, path) = (cache.path().join("test"), cache.path().join("test/manifest.json"));
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        for changed in [whole[at] ^ 1, b' ', b'0', b'a'] {
            let mut bytes = whole.clone();
            bytes[at] = changed;
            fs::write(&path, &bytes).unwrap();
            let opened = Store::open(&folder);
            assert_eq!(opened.is_ok(), bytes == whole, "byte {at} as {changed}");
        }
    }
}

#[test]
fn of_two_that_prepare_the_same_data_one_waits_for_the_other() {
    let place = Place::new(&"a b ad c\n".repeat(2000));
    let clean = CleanConfig::default();
    let stores: Vec<_> = std::thread::scope(|scope| {
        let prepare = || place.prepare(&clean, &Ledger::new()).unwrap();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(prepare)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for store in &stores {
        assert_eq!(texts(store), texts(&stores[0]));
    }
    assert_eq!(folders(&place.cache()), [stores[0].fingerprint()]);
}

#[test]
fn two_builders_at_once_do_not_spoil_each_other() {
    let cache = tempfile::tempdir().unwrap();
    let key = Key::new("a", 1);
    let mut builders: Vec<_> =
        (0..4).map(|_| StoreBuilder::create(cache.path(), "test", 10).unwrap()).collect();
    for i in 0..1000 {
        for builder in &mut builders {
            builder.push(&key, &[i % 10]).unwrap();
        }
    }
    let threads: Vec<_> = builders
        .into_iter()
        .map(|builder| std::thread::spawn(|| builder.finish(Ledger::new().entries()).unwrap()))
        .collect();
    for thread in threads {
        let store = thread.join().unwrap();
        assert_eq!(store.num_documents(), 1000);
        store.verify().unwrap();
        assert_eq!(store.tokens(7).unwrap(), [7]);
    }
    assert_eq!(folders(cache.path()), ["test"]);
    Store::open(&cache.path().join("test")).unwrap();
}

/// A corpus, a tokenizer and a cache in one folder.
struct Place {
    folder: tempfile::TempDir,
    tokenizer: Tokenizer,
    source: Source,
    sentence_ends: bool,
}

impl Place {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let corpus = folder.path().join("a.txt");
        fs::write(&corpus, text).unwrap();
        let vocab = folder.path().join("vocab.txt");
        fs::write(&vocab, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\n##d\n").unwrap();
        let tokenizer = Tokenizer::load(&vocab).unwrap();
        let source = Source { paths: vec![corpus.display().to_string()], ..Source::default() };
        Self { folder, tokenizer, source, sentence_ends: false }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn prepare(&self, clean: &CleanConfig, ledger: &Ledger) -> Result<Arc<Store>, PrepareError> {
        let (source, tokenizer, cache) = (&self.source, &self.tokenizer, self.cache());
        let sentence_ends = self.sentence_ends;
        let cache = &cache;
        let preparation = Preparation { source, clean, tokenizer, sentence_ends, ledger, cache };
        preparation.prepare(&mut |_, _| ())
    }
}

fn texts(store: &Store) -> Vec<Vec<u32>> {
    (0..store.num_documents()).map(|i| store.tokens(i).unwrap()).collect()
}

#[test]
fn preparing_reads_cleans_and_tokenises() {
    let place = Place::new("a b\n\nad\nc\n");
    let store = place.prepare(&CleanConfig::default(), &Ledger::new()).unwrap();
    assert_eq!(texts(&store), [vec![5, 6], vec![5, 8], vec![7]]);
    let lines: Vec<_> = (0..3).map(|i| store.key(i).record).collect();
    assert_eq!(lines, [1, 3, 4]);
    assert_eq!(store.vocab_size(), 9);
}

#[test]
fn the_second_time_it_comes_from_the_cache_with_the_same_ledger() {
    let place = Place::new("a b\na b\nc\nc\n");
    let clean = CleanConfig { dedup: true, ..CleanConfig::default() };
    let (first, second) = (Ledger::new(), Ledger::new());
    let store = place.prepare(&clean, &first).unwrap();
    let made = fs::metadata(place.cache().join(store.fingerprint())).unwrap().modified().unwrap();
    let again = place.prepare(&clean, &second).unwrap();
    let still = fs::metadata(place.cache().join(store.fingerprint())).unwrap().modified().unwrap();
    assert_eq!(made, still);
    assert_eq!(texts(&store), texts(&again));
    assert_eq!(first.count("clean.duplicate"), 2);
    assert_eq!(first.entries(), second.entries());
}

#[test]
fn another_corpus_tokenizer_or_option_makes_another_store() {
    let mut place = Place::new("a b\nc\n");
    let clean = CleanConfig::default();
    let mut seen = vec![place.prepare(&clean, &Ledger::new()).unwrap().fingerprint().to_owned()];
    let dedup = CleanConfig { dedup: true, ..CleanConfig::default() };
    seen.push(place.prepare(&dedup, &Ledger::new()).unwrap().fingerprint().to_owned());
    let corpus = PathBuf::from(&place.source.paths[0]);
    fs::write(&corpus, "a c\nc\n").unwrap();
    seen.push(place.prepare(&clean, &Ledger::new()).unwrap().fingerprint().to_owned());
    let vocab = place.folder.path().join("vocab.txt");
    fs::write(&vocab, "[PAD]\n[UNK]\n[CLS]\n[SEP]\nb\na\nc\n").unwrap();
    place.tokenizer = Tokenizer::load(&vocab).unwrap();
    seen.push(place.prepare(&clean, &Ledger::new()).unwrap().fingerprint().to_owned());
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4);
    assert_eq!(folders(&place.cache()).len(), 4);
}

#[test]
fn scores_come_from_their_field_and_make_another_store() {
    let mut place = Place::new("");
    let corpus = place.folder.path().join("a.csv");
    fs::write(&corpus, "text,d,score\na b,0.25,9\n\u{ad},3,9\nc,4,9\n").unwrap();
    place.source.paths = vec![corpus.display().to_string()];
    let clean = CleanConfig { control: false, ..CleanConfig::default() };
    let plain = place.prepare(&clean, &Ledger::new()).unwrap();
    assert_eq!(plain.score(0), None, "a field that nobody asked for is no score");
    place.source.score_field = Some("d".into());
    let scored = place.prepare(&clean, &Ledger::new()).unwrap();
    assert_eq!((0..2).map(|i| scored.score(i)).collect::<Vec<_>>(), [Some(0.25), Some(4.0)]);
    assert_eq!(scored.num_documents(), 2);
    assert_ne!(plain.fingerprint(), scored.fingerprint());
    place.source.score_field = None;
    assert_eq!(place.prepare(&clean, &Ledger::new()).unwrap().fingerprint(), plain.fingerprint());
}

#[test]
fn a_build_killed_half_way_does_no_harm() {
    let place = Place::new("a b\nc\n");
    let store = place.prepare(&CleanConfig::default(), &Ledger::new()).unwrap();
    let whole = place.cache().join(store.fingerprint());
    // Killed processes leave folders: one of long ago, one that may still be in use, and one with every file but the
    // manifest.
    let half = |name: &str| place.cache().join(format!("{}.{name}.tmp", store.fingerprint()));
    for name in ["999-0", "999-1"] {
        fs::create_dir(half(name)).unwrap();
        for file in ["tokens.bin", "ends.bin", "keys.bin"] {
            fs::copy(whole.join(file), half(name).join(file)).unwrap();
        }
    }
    let long_ago = SystemTime::now() - Duration::from_secs(7200);
    for file in ["tokens.bin", "ends.bin", "keys.bin", "."] {
        let file = fs::File::open(half("999-0").join(file)).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    fs::remove_dir_all(&whole).unwrap();
    assert!(Store::open(&half("999-1")).is_err());
    let again = place.prepare(&CleanConfig::default(), &Ledger::new()).unwrap();
    assert_eq!(texts(&again), texts(&store));
    let left: Vec<_> = folders(&place.cache());
    assert_eq!(left.len(), 2, "the store and the build that may be at work: {left:?}");
    assert!(half("999-1").exists());
}

#[test]
fn a_truncated_store_in_the_cache_is_built_again() {
    let place = Place::new("a b\nc\n");
    let store = place.prepare(&CleanConfig::default(), &Ledger::new()).unwrap();
    cut(&place.cache().join(store.fingerprint()).join("tokens.bin"));
    let again = place.prepare(&CleanConfig::default(), &Ledger::new()).unwrap();
    assert_eq!(texts(&again), [vec![5, 6], vec![7]]);
    assert_eq!(folders(&place.cache()).len(), 1);
}

#[test]
fn a_document_without_tokens_is_counted() {
    let place = Place::new("a\n\u{ad}\u{ad}\nb\n");
    let ledger = Ledger::new();
    let clean = CleanConfig { control: false, ..CleanConfig::default() };
    let store = place.prepare(&clean, &ledger).unwrap();
    assert_eq!(texts(&store), [vec![5], vec![6]]);
    assert_eq!(ledger.count("tokenize.no_tokens"), 1);
}

#[test]
fn a_corpus_without_documents_after_cleaning_is_an_error() {
    let place = Place::new("a\nb\n");
    let clean = CleanConfig { min_length: Some(100), ..CleanConfig::default() };
    let ledger = Ledger::new();
    let error = place.prepare(&clean, &ledger).unwrap_err();
    assert!(matches!(error, PrepareError::Empty(_)), "{error}");
    assert_eq!(ledger.count("clean.too_short"), 2);
    assert_eq!(folders(&place.cache()), Vec::<String>::new());
}
