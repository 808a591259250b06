//! Verses of a book are found in the book.

use std::path::Path;

use sst_data::leaks::{LeakConfig, LeakSearch, Leaks};
use sst_data::read::{Format, Source};
use sst_data::{Key, Ledger};

use super::counts;

fn book(name: &str, format: Format) -> Source {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora").join(name);
    Source { format: Some(format), ..Source::new([path.display().to_string()]) }
}

/// Every 40th line of the book, with the word `more` after those whose number `is_changed`.
fn lines(source: &Source, more: &str, is_changed: impl Fn(u64) -> bool) -> Vec<(Key, String)> {
    let examples = source.read(&Ledger::new()).unwrap().map(Result::unwrap);
    examples
        .step_by(40)
        .map(|example| {
            let text = example.text("text").unwrap().to_uppercase();
            let more = if is_changed(example.key.record) { more } else { "" };
            (example.key, format!("{text} {more}"))
        })
        .collect()
}

fn search(tests: Vec<(Key, String)>, source: &Source) -> Leaks {
    let mut search = LeakSearch::new(LeakConfig::default(), tests).unwrap();
    search.read(source, &Ledger::new()).unwrap();
    search.finish()
}

#[test]
fn verses_are_found_in_their_chapters() {
    let (verses, chapters) =
        (book("kjv.txt.gz", Format::Text), book("kjv.txt.gz", Format::Paragraphs));
    let tests = lines(&verses, "zounds", |_| false);
    let leaks = search(tests.clone(), &chapters);
    assert_eq!(leaks.references, 1_189);
    assert!(leaks.texts > 750 && leaks.exact == leaks.texts, "{leaks:?}");
    assert_eq!((leaks.near, leaks.ngrams_found), (0, leaks.ngrams));
    assert!(leaks.any_ngram == leaks.texts - leaks.too_short && leaks.too_short > 0, "{leaks:?}");
    assert_eq!(leaks.examples.len(), 10 + leaks.repeated.min(10) as usize);

    // No verse of the book has the word that is added to every other verse.
    let is_changed = |line: u64| line % 2 == 1;
    let changed = tests.iter().filter(|(key, _)| is_changed(key.record)).count() as u64;
    assert!(changed > 300, "{changed}");
    let [one, three] = [1, 3].map(|threads| {
        let tests = lines(&verses, "zounds", is_changed);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| search(tests, &verses))
    });
    assert_eq!(one.exact, leaks.texts - changed);
    assert!(one.near > changed / 2, "{one:?}");
    assert_eq!((counts(&one), &one.examples), (counts(&three), &three.examples));
}

#[test]
fn sentences_of_a_chinese_book_are_found() {
    let source = book("sanguo.txt.gz", Format::Text);
    let leaks = search(lines(&source, "", |_| false), &source);
    assert!(leaks.texts > 35 && leaks.exact == leaks.texts, "{leaks:?}");
    let leaks = search(lines(&source, "zounds", |_| true), &source);
    assert_eq!(leaks.exact, 0);
    assert_eq!(leaks.any_ngram, leaks.texts - leaks.too_short);
}
