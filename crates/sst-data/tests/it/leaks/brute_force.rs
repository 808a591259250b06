//! Random texts, each compared with every passage of every reference text.

use std::collections::HashSet;

use proptest::prelude::*;
use sst_data::leaks::{LeakConfig, LeakKind, LeakSearch};

use super::{at, counts, search};

type Text = Vec<String>;

/// What is expected of one test text: the first kind of leak, the line of the reference text, and the similarity.
type Expected = Option<(LeakKind, u64, Option<f64>)>;

fn runs(text: &[String], length: usize) -> Vec<&[String]> {
    text.windows(length).collect()
}

/// The greatest similarity of `test` and a run of as many words of `reference`, or all of `reference`.
fn most_similar(test: &[String], reference: &[String], shingle: usize) -> f64 {
    let shingles = |text: &'_ [String]| -> HashSet<Text> {
        runs(text, shingle).into_iter().map(<[String]>::to_vec).collect()
    };
    let own = shingles(test);
    let similarity = |window: &[String]| {
        let other = shingles(window);
        match own.union(&other).count() {
            0 => 0.0,
            union => own.intersection(&other).count() as f64 / union as f64,
        }
    };
    let width = test.len().min(reference.len());
    if width == 0 {
        return 0.0;
    }
    runs(reference, width).into_iter().map(similarity).fold(0.0, f64::max)
}

/// The number of n-grams that are found, and what is expected of the examples.
fn expect(config: &LeakConfig, test: &Text, references: &[Text]) -> (u64, Expected) {
    let first = |found: &dyn Fn(&Text) -> bool| {
        references.iter().position(found).map(|index| index as u64 + 1)
    };
    let has = |text: &[String], run: &[String]| runs(text, run.len()).contains(&run);
    let ngrams: Vec<u64> = runs(test, config.ngram)
        .into_iter()
        .filter_map(|ngram| first(&|reference| has(reference, ngram)))
        .collect();
    let score = |reference: &Text| most_similar(test, reference, config.shingle);
    let exact = first(&|reference| !test.is_empty() && has(reference, test));
    let near = first(&|reference| score(reference) >= config.similarity);
    let expected = if let Some(line) = exact {
        Some((LeakKind::Exact, line, None))
    } else if let Some(line) = near {
        Some((LeakKind::Near, line, Some(score(&references[line as usize - 1]))))
    } else {
        ngrams.iter().min().map(|line| (LeakKind::Ngram, *line, None))
    };
    (ngrams.len() as u64, expected)
}

/// Few distinct words, so that texts have much in common and shingles repeat.
fn texts(words: &'static str, length: usize, count: usize) -> impl Strategy<Value = Vec<Text>> {
    let word = prop::sample::select(words.chars().map(String::from).collect::<Vec<_>>());
    prop::collection::vec(prop::collection::vec(word, 0..length), 0..count)
}

fn config() -> impl Strategy<Value = LeakConfig> {
    let similarity = prop::sample::select(vec![0.1, 0.4, 0.5, 0.8, 1.0]);
    (1..6_usize, 1..4_usize, similarity).prop_map(|(ngram, shingle, similarity)| LeakConfig {
        ngram,
        shingle,
        similarity,
        examples: 99,
    })
}

fn lines(texts: &[Text]) -> Vec<String> {
    texts.iter().map(|text| text.join(" ")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn leaks_are_those_of_comparing_everything(
        config in config(),
        tests in texts("abc", 12, 12),
        // The test texts have neither of the last two words.
        references in texts("abcxy", 40, 8),
        flush_at: usize,
    ) {
        let mut search = LeakSearch::new(config.clone(), at("test", &lines(&tests))).unwrap();
        for (index, (key, text)) in at("reference", &lines(&references)).into_iter().enumerate() {
            if index == flush_at % 9 {
                search.flush();
            }
            search.add(key, text);
        }
        let leaks = search.finish();
        let mut ngrams_found = 0;
        for (line, test) in (1..).zip(&tests) {
            let (found, expected) = expect(&config, test, &references);
            ngrams_found += found;
            let mut examples = leaks.examples.iter();
            let is_own = |kind| kind != LeakKind::Repeated;
            let example = examples.find(|example| example.text.record == line && is_own(example.kind));
            let example = example.map(|found| (found.kind, found.reference.record, found.similarity));
            prop_assert_eq!(example, expected, "{:?} in {:?}", test, references);
        }
        prop_assert_eq!(leaks.ngrams_found, ngrams_found);
        let count = |of: &dyn Fn(&Text) -> bool| tests.iter().filter(|test| of(test)).count() as u64;
        let kind = |test: &Text| expect(&config, test, &references).1.map(|found| found.0);
        let distinct: HashSet<&Text> = tests.iter().filter(|test| !test.is_empty()).collect();
        let empty = count(&|test| test.is_empty());
        prop_assert_eq!(leaks.empty, empty);
        prop_assert_eq!(leaks.repeated, tests.len() as u64 - empty - distinct.len() as u64);
        let is_exact = |test: &Text| kind(test) == Some(LeakKind::Exact);
        prop_assert_eq!(leaks.exact, count(&is_exact));
        prop_assert_eq!(leaks.exact_short, count(&|test| is_exact(test) && test.len() < config.ngram));
        prop_assert_eq!(leaks.near, count(&|test| kind(test) == Some(LeakKind::Near)));
        prop_assert_eq!(leaks.any_ngram, count(&|test| expect(&config, test, &references).0 > 0));
        prop_assert_eq!(leaks.too_short, count(&|test| test.len() < config.ngram));
        prop_assert_eq!(leaks.too_short_near, count(&|test| test.len() < config.shingle));
    }

    #[test]
    fn counts_do_not_depend_on_the_order_of_the_references(
        config in config(),
        tests in texts("abc", 12, 12),
        references in texts("abcxy", 40, 8),
        order in prop::collection::vec(any::<u32>(), 8),
    ) {
        let mut shuffled: Vec<(&u32, &Text)> = order.iter().zip(&references).collect();
        shuffled.sort();
        let shuffled: Vec<Text> = shuffled.into_iter().map(|(_, text)| text.clone()).collect();
        let leaks = search(&config, &lines(&tests), &lines(&references));
        let others = search(&config, &lines(&tests), &lines(&shuffled));
        prop_assert_eq!(counts(&leaks), counts(&others));
    }
}
