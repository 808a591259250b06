//! The example programs do what they say.

#![allow(clippy::disallowed_methods)] // Tests write their inputs in place.

#[allow(dead_code, reason = "its `main` is for the command line")]
#[path = "../../examples/corpus_to_batches.rs"]
mod corpus_to_batches;

use crate::tokenize::book;

#[test]
fn corpus_to_batches_makes_an_epoch_and_again_from_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = folder.path().join("corpus.txt");
    std::fs::write(&corpus, book("kjv.txt.gz", 200).join("\n")).unwrap();
    let cache = folder.path().join("cache");
    let corpus = corpus.display().to_string();
    let (steps, tokens) = corpus_to_batches::run(&corpus, &cache).unwrap();
    // 200 verses, of which long ones make several rows of at most 64 tokens.
    assert!((25..60).contains(&steps), "{steps}");
    assert!((steps - 1) * 8 * 3 < tokens && tokens <= steps * 8 * 64, "{tokens}");
    assert_eq!(corpus_to_batches::run(&corpus, &cache).unwrap(), (steps, tokens));
    let stores = std::fs::read_dir(&cache).unwrap().flatten();
    assert_eq!(stores.filter(|entry| entry.path().is_dir()).count(), 1);
}
