//! The example programs do what they say.

#![allow(clippy::disallowed_methods)] // Tests write their inputs in place.

#[allow(dead_code, reason = "its `main` is for the command line")]
#[path = "../../examples/corpus_to_batches.rs"]
mod corpus_to_batches;

#[cfg(feature = "pictures")]
#[allow(dead_code, reason = "its `main` is for the command line")]
#[path = "../../examples/pictures_to_batches.rs"]
mod pictures_to_batches;

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

#[cfg(feature = "pictures")]
#[test]
fn pictures_to_batches_reads_the_pictures_again_and_again() {
    use sst_data::pictures::Picture;
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    std::fs::create_dir(&files).unwrap();
    for (name, colour) in [("black", 0), ("white", 255)] {
        let png = Picture::new(8, 8, vec![colour; 3 * 8 * 8]).unwrap().to_png().unwrap();
        std::fs::write(files.join(name).with_extension("png"), png).unwrap();
    }
    let (files, cache) = (files.display().to_string(), folder.path().join("cache"));
    let reading = |filter| {
        let (folder, cache) = (files.as_str(), cache.as_path());
        pictures_to_batches::Reading { folder, cache, threads: 2, steps: 1, filter }
    };
    let read = pictures_to_batches::run(&reading("bilinear")).unwrap();
    assert_eq!((read["stored"].as_u64(), read["pictures"].as_u64()), (Some(2), Some(64)));
    // Half of the values are those of black and half are those of white, as `normalize` makes them by default.
    let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let expected = (0..3).map(|at| (0.5 - mean[at]) / std[at]).sum::<f64>() / 3.0;
    assert!((read["mean"].as_f64().unwrap() - expected).abs() < 1e-2, "{read}");
    assert!(pictures_to_batches::run(&reading("no filter")).is_err());
}
