//! Texts in English and Chinese whose leaks are known.

#![allow(clippy::disallowed_methods)] // Tests write their inputs in place.

use sst_data::leaks::{LeakConfig, LeakError, LeakKind, LeakSearch};
use sst_data::read::Source;
use sst_data::{Key, Ledger};

use super::search;

/// The kinds of leak of one text in one reference text, and the shares of its n-grams that are found.
fn check(test: &str, reference: &str, expected: &[LeakKind], ngrams: (u64, u64)) {
    let leaks = search(&LeakConfig::default(), &[test], &[reference]);
    let kinds: Vec<LeakKind> = leaks.examples.iter().map(|example| example.kind).collect();
    assert_eq!(kinds, expected, "{test:?} in {reference:?}");
    assert_eq!((leaks.ngrams_found, leaks.ngrams), ngrams, "{test:?} in {reference:?}");
}

/// The words from `first` to `last`, all distinct.
fn numbers(first: usize, last: usize) -> String {
    (first..=last).map(|number| format!("w{number}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn exact_duplicates_are_runs_of_words_in_any_spelling() {
    use LeakKind::Exact;
    check("Let there be light.", "Let there be light.", &[Exact], (0, 0));
    check(
        "let there be light",
        "And God said:\n“LET THERE\u{3000}BE LIGHT”; and",
        &[Exact],
        (0, 0),
    );
    check("Ｌｅｔ there, be li\u{ad}ght", "let there be light", &[Exact], (0, 0));
    check("light", "let there be light", &[Exact], (0, 0));
    check("light", "let there be lights", &[], (0, 0));
    check("let there light", "let there be light", &[], (0, 0));
    check("there let be light", "let there be light", &[], (0, 0));
    check("合久必分", "话说天下大势，分久必合，合久必分。周末七国分争", &[Exact], (0, 0));
    check("大势分久", "话说天下大势，分久必合，合久必分。", &[Exact], (0, 0));
    check("大势久分", "话说天下大势，分久必合，合久必分。", &[], (0, 0));
    check("！……", "！……", &[], (0, 0));
    check("", "", &[], (0, 0));
}

#[test]
fn near_duplicates_are_passages_of_the_same_length() {
    use LeakKind::{Exact, Near, Ngram};
    // The last of thirteen words differs: eight of ten shingles are in both.
    let test = numbers(1, 13);
    check(&test, &format!("{} x", numbers(1, 12)), &[Near], (0, 1));
    check(&numbers(1, 12), &format!("{} x", numbers(1, 11)), &[], (0, 0));
    // The same in the middle of a long text.
    let long = format!("{} {} x {}", numbers(100, 300), numbers(1, 12), numbers(400, 600));
    check(&test, &long, &[Near], (0, 1));
    // A word in the middle changes five shingles: 40 of 50 are in both for 49 words, 39 of 49 for 48.
    let changed = |last| format!("{} x {}", numbers(1, 20), numbers(22, last));
    check(&numbers(1, 49), &changed(49), &[Near], (24, 37));
    check(&numbers(1, 48), &changed(48), &[Ngram], (23, 36));
    // A reference text that lacks the last words is compared as a whole: four of five shingles.
    check(&numbers(1, 9), &numbers(1, 8), &[Near], (0, 0));
    check(&numbers(1, 9), &numbers(2, 8), &[], (0, 0));
    // Two halves in two texts are no passage.
    check(&numbers(1, 9), &numbers(1, 9), &[Exact], (0, 0));
    let halves = [numbers(1, 7), numbers(5, 9)];
    assert_eq!(search(&LeakConfig::default(), &[numbers(1, 9)], &halves).near, 0);
}

#[test]
fn chinese_is_compared_by_characters() {
    use LeakKind::{Near, Ngram};
    let test = "滚滚长江东逝水浪花淘尽英雄";
    check(test, "诗曰：滚滚长江东逝水，浪花淘尽英豪。是非成败", &[Near], (0, 1));
    check("滚滚长江东逝水，浪花淘尽英雄，今朝", "滚滚长江东逝水，浪花淘尽英雄。", &[Near], (1, 3));
    check("是非成败滚滚长江东逝水浪花淘尽英雄", "滚滚长江东逝水浪花淘尽英雄", &[Ngram], (1, 5));
}

#[test]
fn the_most_similar_passage_is_an_example() {
    let test = numbers(1, 20);
    // Nineteen of the twenty words in a row, with `y` before or `z` after them, are the most similar.
    let first = format!("{} x Y. {} z, {}", numbers(1, 18), numbers(1, 19), numbers(7, 9));
    let leaks = search(&LeakConfig::default(), &[&test], &["none", &first, &test[..50]]);
    assert_eq!((leaks.exact, leaks.near, leaks.any_ngram), (0, 1, 1));
    let [example] = &leaks.examples[..] else { panic!("{leaks:?}") };
    assert_eq!((example.kind, example.reference.record), (LeakKind::Near, 2));
    assert_eq!(example.words, format!("y {}", numbers(1, 19)));
    assert_eq!(example.similarity, Some(15.0 / 17.0));
    let json = serde_json::to_value(&leaks).unwrap();
    assert_eq!(json["examples"][0]["reference"], "reference:2");
    assert_eq!(json["examples"][0]["kind"], "near");
    assert_eq!(json["config"]["ngram"], 13);
}

#[test]
fn everything_is_counted() {
    let long = numbers(1, 15);
    let tests = [
        long.as_str(),                                      // exact
        "w3 w4",                                            // exact and too short
        "W3, w4!",                                          // the same again
        "w3 w5",                                            // clean and too short
        "?!",                                               // empty, and so too short
        &numbers(2, 16),                                    // near, with two of three n-grams
        &numbers(40, 55),                                   // clean
        &format!("{} {}", numbers(3, 15), numbers(30, 50)), // an n-gram
    ];
    let config = LeakConfig { examples: 1, ..LeakConfig::default() };
    let leaks = search(&config, &tests, &["", long.as_str(), "w3 w4"]);
    assert_eq!((leaks.references, leaks.reference_words), (3, 17));
    assert_eq!((leaks.texts, leaks.empty, leaks.repeated), (8, 1, 1));
    assert_eq!((leaks.exact, leaks.exact_short, leaks.near), (3, 2, 1));
    assert_eq!((leaks.too_short, leaks.too_short_near, leaks.any_ngram), (4, 4, 3));
    assert_eq!((leaks.ngrams_found, leaks.ngrams), (3 + 2 + 1, 3 + 3 + 4 + 22));
    assert_eq!(leaks.any_ngram_share(), Some(0.75));
    assert_eq!(leaks.ngrams_found_share(), Some(6.0 / 32.0));
    let examples: Vec<(LeakKind, u64, String)> = leaks
        .examples
        .iter()
        .map(|example| (example.kind, example.text.record, example.reference.to_string()))
        .collect();
    let expected = [
        (LeakKind::Exact, 1, "reference:2"),
        (LeakKind::Near, 6, "reference:2"),
        (LeakKind::Ngram, 8, "reference:2"),
        (LeakKind::Repeated, 3, "test:2"),
    ];
    assert_eq!(examples, expected.map(|(kind, text, place)| (kind, text, place.to_owned())));
    assert_eq!(leaks.examples[2].words, numbers(3, 15));
}

#[test]
fn repeated_texts_name_the_first_one() {
    let leaks = search(&LeakConfig::default(), &["a b", "c", "A, b", "a b.", "b a"], &["c"]);
    let repeated = leaks.examples.iter().filter(|example| example.kind == LeakKind::Repeated);
    let lines: Vec<(u64, u64)> =
        repeated.map(|example| (example.text.record, example.reference.record)).collect();
    assert_eq!((leaks.repeated, lines), (2, vec![(3, 1), (4, 1)]));
}

#[test]
fn nothing_is_found_in_nothing() {
    let leaks = search::<&str, &str>(&LeakConfig::default(), &[], &["a b c"]);
    assert_eq!((leaks.texts, leaks.any_ngram_share(), leaks.ngrams_found_share()), (0, None, None));
    let leaks = search::<&str, &str>(&LeakConfig::default(), &["a b c"], &[]);
    assert_eq!((leaks.texts, leaks.exact, leaks.too_short), (1, 0, 1));
}

#[test]
fn the_settings_are_checked() {
    let error = |config| LeakSearch::new(config, [(Key::new("a", 1), "a")]).unwrap_err();
    let usual = LeakConfig::default;
    assert_eq!(error(LeakConfig { ngram: 0, ..usual() }), LeakError::NoWords("ngram"));
    assert_eq!(error(LeakConfig { shingle: 0, ..usual() }), LeakError::NoWords("shingle"));
    for similarity in [0.0, -1.0, 1.1, f64::NAN] {
        let message = error(LeakConfig { similarity, ..usual() }).to_string();
        assert!(message.starts_with("`similarity` is "), "{message}");
    }
    let huge = LeakConfig { ngram: usize::MAX, shingle: usize::MAX, ..usual() };
    let leaks = search(&huge, &["a b"], &["a b"]);
    assert_eq!((leaks.exact, leaks.too_short, leaks.too_short_near), (1, 1, 1));
}

#[test]
fn files_are_references_with_all_their_texts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.jsonl");
    let records = "{\"text\": \"it rained\", \"other\": \"he left\"}\n{\"text\": \"it is late\", \"other\": \"no\"}\n";
    std::fs::write(&path, records).unwrap();
    let source =
        Source { pair_fields: vec!["other".into()], ..Source::new([path.display().to_string()]) };
    let tests = ["He left.", "It is late!", "rained he"];
    let mut search = LeakSearch::new(LeakConfig::default(), super::at("test", &tests)).unwrap();
    search.read(&source, &Ledger::new()).unwrap();
    let leaks = search.finish();
    assert_eq!((leaks.references, leaks.exact), (4, 2));
    let lines: Vec<u64> = leaks.examples.iter().map(|example| example.reference.record).collect();
    assert_eq!(lines, [1, 2]);

    let mut search = LeakSearch::new(LeakConfig::default(), super::at("test", &tests)).unwrap();
    std::fs::write(&path, "{\"text\": \"a\", \"other\": \"b\"}\n{\"text\": 3}\n").unwrap();
    let message = search.read(&source, &Ledger::new()).unwrap_err().to_string();
    assert!(message.contains("pairs.jsonl:2"), "{message}");
}
