//! Compares mined negatives with sentence-transformers, and with a simple implementation that sorts all scores.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::strategy::Strategy as _;
use serde_json::Value;
use sst_core::checkpoint::Weights;
use sst_data::SeqRng;
use sst_eval::mine::{Corpus, MineError, MineOptions, Mined, Strategy, mine};
use sst_eval::nearest::Neighbour;
use tch::{Kind, Tensor};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/mining").join(name)
}

fn numbers(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as usize).collect()
}

#[test]
fn negatives_equal_those_of_sentence_transformers() {
    let weights = Weights::open(&golden("case.safetensors")).unwrap();
    let (queries, corpus) = (weights.tensor("queries").unwrap(), weights.tensor("corpus").unwrap());
    let text = std::fs::read_to_string(golden("cases.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    let groups = numbers(&golden["groups"]);
    let positives: Vec<_> = golden["positives"].as_array().unwrap().iter().map(numbers).collect();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() > 9);
    for case in cases {
        let count = |key: &str| case["options"][key].as_u64().map(|x| x as usize);
        let score = |key: &str| case["options"][key].as_f64();
        let options = MineOptions {
            range_min: count("range_min").unwrap_or(0),
            range_max: count("range_max"),
            max_score: score("max_score"),
            min_score: score("min_score"),
            absolute_margin: score("absolute_margin"),
            relative_margin: score("relative_margin"),
            num_negatives: count("num_negatives").unwrap_or(3),
            strategy: Strategy::Top,
        };
        let corpus = Corpus { vectors_cd: &corpus, groups: Some(&groups) };
        let mined = mine(&queries, corpus, &positives, &options).unwrap();
        let options = &case["options"];
        for (query, want) in case["negatives"].as_array().unwrap().iter().enumerate() {
            let want = want.as_array().unwrap();
            let got = &mined.queries[query].negatives;
            assert_eq!(got.len(), want.len(), "{options}, query {query}");
            for (got, want) in got.iter().zip(want) {
                assert_eq!(got.index as u64, want[0], "{options}, query {query}");
                let difference = (f64::from(got.score) - want[1].as_f64().unwrap()).abs();
                assert!(difference < 1e-6, "{options}, query {query}: {difference}");
            }
        }
        let skipped = |rule: &str| case["skipped"][rule].as_u64().unwrap_or(0);
        assert_eq!(mined.counts.absolute_margin, skipped("absolute_margin"), "{options}");
        assert_eq!(mined.counts.relative_margin, skipped("relative_margin"), "{options}");
        assert_eq!(mined.counts.max_score, skipped("max_score"), "{options}");
        assert_eq!(mined.counts.duplicates, 5);
    }
}

/// Random vectors, groups and positives.
#[derive(Debug)]
struct Case {
    queries: Vec<Vec<f32>>,
    corpus: Vec<Vec<f32>>,
    groups: Vec<usize>,
    positives: Vec<Vec<usize>>,
}

impl Case {
    /// Numbers are multiples of 1/8, so that dot products are exact in any order of summation and many are equal.
    fn new(seed: u64, queries: usize, corpus: usize, width: usize) -> Self {
        let mut rng = SeqRng::new(seed, "test", 0, 0);
        let mut below = |bound: usize| rng.below(bound as u64) as usize;
        let mut vectors = |count: usize| -> Vec<Vec<f32>> {
            let mut vector = || (0..width).map(|_| below(17) as f32 / 8.0 - 1.0).collect();
            (0..count).map(|_| vector()).collect()
        };
        let (queries, corpus) = (vectors(queries), vectors(corpus));
        // One of ten entries shares a group with others.
        let group = |entry: usize, below: &mut dyn FnMut(usize) -> usize| match below(10) {
            0 => below(corpus.len()),
            _ => corpus.len() + entry,
        };
        let groups = (0..corpus.len()).map(|entry| group(entry, &mut below)).collect();
        let mut query_positives = || (0..=below(3)).map(|_| below(corpus.len())).collect();
        let positives = queries.iter().map(|_| query_positives()).collect();
        Self { queries, corpus, groups, positives }
    }

    fn mine(&self, options: &MineOptions) -> Result<Mined, MineError> {
        let (queries, corpus) = (tensor(&self.queries), tensor(&self.corpus));
        let corpus = Corpus { vectors_cd: &corpus, groups: Some(&self.groups) };
        mine(&queries, corpus, &self.positives, options)
    }

    /// The candidates of a query, by sorting the scores of all entries.
    fn candidates(&self, query: usize, options: &MineOptions) -> Vec<Neighbour> {
        let dot = |entry: &Vec<f32>| -> f32 {
            self.queries[query].iter().zip(entry).map(|(a, b)| a * b).sum()
        };
        let texts = |entries: &Vec<usize>| -> HashSet<usize> {
            entries.iter().map(|entry| self.groups[*entry]).collect()
        };
        let positive_texts = texts(&self.positives[query]);
        let max_positives =
            self.positives.iter().map(|entries| texts(entries).len()).max().unwrap();
        let min_positive = self.positives[query]
            .iter()
            .map(|entry| dot(&self.corpus[*entry]))
            .fold(f32::INFINITY, f32::min);
        let filters = [options.max_score, options.absolute_margin, options.relative_margin]
            .map(|x| x.is_some());
        let factor = if filters.contains(&true) { 10 } else { 1 };
        let range_max = options
            .range_max
            .unwrap_or(options.range_min + factor * options.num_negatives + max_positives);
        let mut seen = HashSet::new();
        let mut all: Vec<Neighbour> = Vec::new();
        for (index, entry) in self.corpus.iter().enumerate() {
            if seen.insert(self.groups[index]) {
                all.push(Neighbour { index, score: dot(entry) });
            }
        }
        // The sort is stable, so that equal scores stay in ascending order of their index.
        all.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap());
        all.truncate(range_max + max_positives);
        all.retain(|entry| !positive_texts.contains(&self.groups[entry.index]));
        let fp32 = |option: Option<f64>| option.map(|x| x as f32);
        if let Some(margin) = fp32(options.absolute_margin) {
            all.retain(|entry| entry.score + margin <= min_positive);
        }
        if let Some(margin) = fp32(options.relative_margin) {
            all.retain(|entry| entry.score <= min_positive - margin * min_positive.abs());
        }
        all.retain(|entry| fp32(options.max_score).is_none_or(|max| entry.score <= max));
        all.retain(|entry| fp32(options.min_score).is_none_or(|min| entry.score >= min));
        all.truncate(range_max);
        all.drain(..options.range_min.min(all.len()));
        all
    }

    fn check(&self, options: &MineOptions) {
        let mined = self.mine(options).unwrap();
        let counts = mined.counts;
        assert_eq!(mined.queries.len(), self.queries.len());
        let (mut num_negatives, mut short) = (0, Vec::new());
        for (query, mined) in mined.queries.iter().enumerate() {
            let candidates = self.candidates(query, options);
            let expected = options.num_negatives.min(candidates.len());
            assert_eq!(mined.negatives.len(), expected, "query {query}");
            match options.strategy {
                Strategy::Top => {
                    assert_eq!(mined.negatives, candidates[..expected], "query {query}");
                }
                Strategy::Random { .. } => {
                    // The negatives must be different candidates, in the same order.
                    let mut remaining = candidates.iter();
                    let is_next =
                        |negative: &Neighbour| remaining.any(|candidate| negative == candidate);
                    assert!(mined.negatives.iter().all(is_next));
                }
            }
            assert_eq!(mined.positive_scores.len(), self.positives[query].len());
            num_negatives += expected as u64;
            short.extend((expected < options.num_negatives).then_some(query));
        }
        assert_eq!(counts.negatives, num_negatives);
        assert_eq!((counts.short as usize, &mined.short), (short.len(), &short));
        let totals = ["queries", "short_queries", "corpus", "duplicates", "looked_at"];
        let sum: u64 = counts
            .to_counts()
            .iter()
            .filter(|(name, _)| !totals.contains(&name.as_str()))
            .map(|(_, count)| count)
            .sum();
        assert_eq!(sum, counts.looked_at, "{counts:?}");
        let texts: HashSet<_> = self.groups.iter().collect();
        assert_eq!(counts.corpus - counts.duplicates, texts.len() as u64);
    }
}

fn tensor(rows: &[Vec<f32>]) -> Tensor {
    Tensor::from_slice(&rows.concat()).view([rows.len() as i64, -1])
}

fn strategies() -> impl proptest::strategy::Strategy<Value = Strategy> {
    prop_oneof![Just(Strategy::Top), any::<u64>().prop_map(|seed| Strategy::Random { seed })]
}

prop_compose! {
    fn options()(
        range_min in 0_usize..6,
        width in prop::option::of(0_usize..30),
        max_score in prop::option::of(-1.0..3.0),
        below in prop::option::of(0.0..3.0),
        absolute_margin in prop::option::of(-0.5..1.0),
        relative_margin in prop::option::of(-0.2..0.9),
        num_negatives in 1_usize..9,
        strategy in strategies(),
    ) -> MineOptions {
        MineOptions {
            range_min,
            range_max: width.map(|width| range_min + num_negatives + width),
            max_score,
            min_score: below.map(|below| max_score.unwrap_or(1.0) - below),
            absolute_margin,
            relative_margin,
            num_negatives,
            strategy,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn negatives_equal_those_found_by_sorting(
        seed: u64, q in 1_usize..12, c in 1_usize..90, d in 1_usize..5, options in options()
    ) {
        Case::new(seed, q, c, d).check(&options);
    }
}

#[test]
fn negatives_of_two_thousand_queries_and_entries_equal_those_found_by_sorting() {
    let case = Case::new(3, 2000, 2000, 24);
    case.check(&MineOptions::default());
    let options = MineOptions {
        range_min: 5,
        range_max: Some(400),
        absolute_margin: Some(0.5),
        relative_margin: Some(0.05),
        max_score: Some(4.0),
        num_negatives: 20,
        strategy: Strategy::Random { seed: 9 },
        ..MineOptions::default()
    };
    case.check(&options);
}

/// More queries and entries than fit into one block, and numbers whose dot products are rounded.
#[test]
fn several_blocks_of_random_vectors() {
    tch::manual_seed(5);
    let vectors = |count| {
        let rows_nd = Tensor::randn([count, 33], (Kind::Float, tch::Device::Cpu));
        let lengths_n1 = rows_nd.norm_scalaropt_dim(2.0, [1_i64].as_slice(), true);
        &rows_nd / lengths_n1
    };
    let (queries, corpus) = (vectors(2100), vectors(4500));
    let positives: Vec<_> = (0..2100).map(|query| vec![query]).collect();
    let options = MineOptions { num_negatives: 30, ..MineOptions::default() };
    let mined =
        mine(&queries, Corpus { vectors_cd: &corpus, groups: None }, &positives, &options).unwrap();
    let positive_q1 = Tensor::arange(2100, (Kind::Int64, tch::Device::Cpu)).unsqueeze(1);
    let scores_qc = queries
        .to_kind(Kind::Double)
        .matmul(&corpus.to_kind(Kind::Double).tr())
        .scatter_value(1, &positive_q1, f64::NEG_INFINITY);
    let (best_qk, _) = scores_qc.topk(30, 1, true, true);
    for (query, mined) in mined.queries.iter().enumerate() {
        let best = Vec::<f64>::try_from(best_qk.get(query as i64)).unwrap();
        let mut seen = HashSet::new();
        for (negative, best) in mined.negatives.iter().zip(best) {
            assert!(negative.index != query && seen.insert(negative.index));
            let exact = scores_qc.double_value(&[query as i64, negative.index as i64]);
            // The order may differ from the exact order only by rounding.
            assert!((exact - best).abs() < 1e-6);
            assert!((f64::from(negative.score) - exact).abs() < 1e-6);
        }
        assert_eq!(seen.len(), 30);
    }
}

#[test]
fn random_negatives_repeat_with_the_seed_and_reach_all_candidates() {
    let case = Case::new(1, 1, 50, 3);
    let mine = |seed| {
        let strategy = Strategy::Random { seed };
        let options = MineOptions { range_max: Some(10), strategy, ..MineOptions::default() };
        case.mine(&options).unwrap().queries.remove(0).negatives
    };
    assert!((0..20).all(|seed| mine(seed) == mine(seed)));
    let reached: HashSet<_> = (0..200).flat_map(mine).map(|negative| negative.index).collect();
    assert_eq!(reached.len(), 10);
}

#[test]
fn errors_name_the_query_or_the_option() {
    let case = Case::new(2, 2, 9, 3);
    let check = |positives: &[Vec<usize>], groups: Option<&[usize]>, part: &str| {
        let (queries, corpus) = (tensor(&case.queries), tensor(&case.corpus));
        let corpus = Corpus { vectors_cd: &corpus, groups };
        let error = mine(&queries, corpus, positives, &MineOptions::default()).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    };
    check(&[vec![0]], None, "1 lists of positives for 2 vectors");
    check(&[vec![0], vec![]], None, "query 1 has no positive");
    check(&[vec![0], vec![9]], None, "has entry 9");
    check(&[vec![0], vec![1]], Some(&[0; 8]), "8 groups for 9 vectors");
    let check_option = |options: MineOptions, key: &str| {
        let error = case.mine(&options).unwrap_err();
        assert!(error.to_string().starts_with(&format!("{key}: ")), "{error}");
    };
    let default = MineOptions::default();
    check_option(MineOptions { num_negatives: 0, ..default }, "num_negatives");
    check_option(MineOptions { range_min: 2, range_max: Some(4), ..default }, "num_negatives");
    check_option(MineOptions { range_min: 4, range_max: Some(4), ..default }, "range_min");
    let crossed = MineOptions { min_score: Some(0.5), max_score: Some(0.4), ..default };
    check_option(crossed, "min_score");
    check_option(MineOptions { absolute_margin: Some(f64::NAN), ..default }, "absolute_margin");
}

#[test]
fn without_queries_the_result_is_empty() {
    let mut case = Case::new(2, 1, 9, 3);
    (case.queries, case.positives) = (Vec::new(), Vec::new());
    let queries = Tensor::zeros([0, 3], (Kind::Float, tch::Device::Cpu));
    let corpus = Corpus { vectors_cd: &tensor(&case.corpus), groups: None };
    let mined = mine(&queries, corpus, &[], &MineOptions::default()).unwrap();
    assert!(mined.queries.is_empty() && mined.short.is_empty() && mined.counts.looked_at == 0);
}
