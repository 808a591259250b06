//! Hard negatives against sentence-transformers, and against a slow reading of what the options mean.

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
fn negatives_are_those_of_sentence_transformers() {
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
        let found = mine(&queries, corpus, &positives, &options).unwrap();
        let of_case = &case["options"];
        for (query, want) in case["negatives"].as_array().unwrap().iter().enumerate() {
            let want = want.as_array().unwrap();
            let found = &found.queries[query].negatives;
            assert_eq!(found.len(), want.len(), "{of_case}, query {query}");
            for (found, want) in found.iter().zip(want) {
                assert_eq!(found.index as u64, want[0], "{of_case}, query {query}");
                let off = (f64::from(found.score) - want[1].as_f64().unwrap()).abs();
                assert!(off < 1e-6, "{of_case}, query {query}: a score is off by {off}");
            }
        }
        let skipped = |rule: &str| case["skipped"][rule].as_u64().unwrap_or(0);
        assert_eq!(found.counts.absolute_margin, skipped("absolute_margin"), "{of_case}");
        assert_eq!(found.counts.relative_margin, skipped("relative_margin"), "{of_case}");
        assert_eq!(found.counts.max_score, skipped("max_score"), "{of_case}");
        assert_eq!(found.counts.duplicates, 5);
    }
}

/// Vectors, groups and positives, all by chance.
#[derive(Debug)]
struct Case {
    queries: Vec<Vec<f32>>,
    corpus: Vec<Vec<f32>>,
    groups: Vec<usize>,
    positives: Vec<Vec<usize>>,
}

impl Case {
    /// Numbers are eighths, so that sums of products are exact in any order, and many are equal.
    fn new(seed: u64, queries: usize, corpus: usize, width: usize) -> Self {
        let mut rng = SeqRng::new(seed, "test", 0, 0);
        let mut below = |bound: usize| rng.below(bound as u64) as usize;
        let mut vectors = |count: usize| -> Vec<Vec<f32>> {
            let mut vector = || (0..width).map(|_| below(17) as f32 / 8.0 - 1.0).collect();
            (0..count).map(|_| vector()).collect()
        };
        let (queries, corpus) = (vectors(queries), vectors(corpus));
        let group = |entry: usize, below: &mut dyn FnMut(usize) -> usize| match below(10) {
            0 => below(corpus.len()),
            _ => corpus.len() + entry,
        };
        let groups = (0..corpus.len()).map(|entry| group(entry, &mut below)).collect();
        let mut of_query = || (0..=below(3)).map(|_| below(corpus.len())).collect();
        let positives = queries.iter().map(|_| of_query()).collect();
        Self { queries, corpus, groups, positives }
    }

    fn mine(&self, options: &MineOptions) -> Result<Mined, MineError> {
        let (queries, corpus) = (tensor(&self.queries), tensor(&self.corpus));
        let corpus = Corpus { vectors_cd: &corpus, groups: Some(&self.groups) };
        mine(&queries, corpus, &self.positives, options)
    }

    /// What may be taken for a query, by comparing and sorting everything; and how many positives any query has.
    fn candidates(&self, query: usize, options: &MineOptions) -> Vec<Neighbour> {
        let dot = |entry: &Vec<f32>| -> f32 {
            self.queries[query].iter().zip(entry).map(|(a, b)| a * b).sum()
        };
        let texts = |entries: &Vec<usize>| -> HashSet<usize> {
            entries.iter().map(|entry| self.groups[*entry]).collect()
        };
        let own = texts(&self.positives[query]);
        let most = self.positives.iter().map(|entries| texts(entries).len()).max().unwrap();
        let least = self.positives[query].iter().map(|entry| dot(&self.corpus[*entry]));
        let least = least.fold(f32::INFINITY, f32::min);
        let filters = [options.max_score, options.absolute_margin, options.relative_margin]
            .map(|x| x.is_some());
        let ten = if filters.contains(&true) { 10 } else { 1 };
        let range_max =
            options.range_max.unwrap_or(options.range_min + ten * options.num_negatives + most);
        let mut seen = HashSet::new();
        let mut all: Vec<Neighbour> = Vec::new();
        for (index, entry) in self.corpus.iter().enumerate() {
            if seen.insert(self.groups[index]) {
                all.push(Neighbour { index, score: dot(entry) });
            }
        }
        // Stable: of equal scores the lower index stays first.
        all.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap());
        all.truncate(range_max + most);
        all.retain(|found| !own.contains(&self.groups[found.index]));
        let fp32 = |option: Option<f64>| option.map(|x| x as f32);
        if let Some(margin) = fp32(options.absolute_margin) {
            all.retain(|found| found.score + margin <= least);
        }
        if let Some(margin) = fp32(options.relative_margin) {
            all.retain(|found| found.score <= least - margin * least.abs());
        }
        all.retain(|found| fp32(options.max_score).is_none_or(|max| found.score <= max));
        all.retain(|found| fp32(options.min_score).is_none_or(|min| found.score >= min));
        all.truncate(range_max);
        all.drain(..options.range_min.min(all.len()));
        all
    }

    fn check(&self, options: &MineOptions) {
        let found = self.mine(options).unwrap();
        let counts = found.counts;
        assert_eq!(found.queries.len(), self.queries.len());
        let (mut taken, mut short) = (0, Vec::new());
        for (query, found) in found.queries.iter().enumerate() {
            let candidates = self.candidates(query, options);
            let wanted = options.num_negatives.min(candidates.len());
            assert_eq!(found.negatives.len(), wanted, "query {query}");
            match options.strategy {
                Strategy::Top => assert_eq!(found.negatives, candidates[..wanted], "query {query}"),
                Strategy::Random { .. } => {
                    let mut left = candidates.iter();
                    // Candidates, each once, and in their order.
                    assert!(found.negatives.iter().all(|one| left.any(|other| one == other)));
                }
            }
            assert_eq!(found.positive_scores.len(), self.positives[query].len());
            taken += wanted as u64;
            short.extend((wanted < options.num_negatives).then_some(query));
        }
        assert_eq!(counts.negatives, taken);
        assert_eq!((counts.short as usize, &found.short), (short.len(), &short));
        let parts = counts.to_counts();
        let whole = ["queries", "short_queries", "corpus", "duplicates", "looked_at"];
        let sum: u64 =
            parts.iter().filter(|(name, _)| !whole.contains(&name.as_str())).map(|(_, n)| n).sum();
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
    fn negatives_are_those_that_sorting_finds(
        seed: u64, q in 1_usize..12, c in 1_usize..90, d in 1_usize..5, options in options()
    ) {
        Case::new(seed, q, c, d).check(&options);
    }
}

#[test]
fn two_thousand_by_two_thousand() {
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

/// More than a block of each, and numbers whose sums are rounded.
#[test]
fn many_real_vectors() {
    tch::manual_seed(5);
    let vectors = |count| {
        let rows_nd = Tensor::randn([count, 33], (Kind::Float, tch::Device::Cpu));
        let lengths_n1 = rows_nd.norm_scalaropt_dim(2.0, [1_i64].as_slice(), true);
        &rows_nd / lengths_n1
    };
    let (queries, corpus) = (vectors(2100), vectors(4500));
    let positives: Vec<_> = (0..2100).map(|query| vec![query]).collect();
    let options = MineOptions { num_negatives: 30, ..MineOptions::default() };
    let found =
        mine(&queries, Corpus { vectors_cd: &corpus, groups: None }, &positives, &options).unwrap();
    let scores_qc = queries.to_kind(Kind::Double).matmul(&corpus.to_kind(Kind::Double).tr());
    let own = Tensor::arange(2100, (Kind::Int64, tch::Device::Cpu)).unsqueeze(1);
    let scores_qc = scores_qc.scatter_value(1, &own, f64::NEG_INFINITY);
    let (best_qk, _) = scores_qc.topk(30, 1, true, true);
    for (query, found) in found.queries.iter().enumerate() {
        let best = Vec::<f64>::try_from(best_qk.get(query as i64)).unwrap();
        let mut seen = HashSet::new();
        for (found, best) in found.negatives.iter().zip(best) {
            assert!(found.index != query && seen.insert(found.index));
            let exact = scores_qc.double_value(&[query as i64, found.index as i64]);
            // As good as the best at its place, but for rounding.
            assert!((exact - best).abs() < 1e-6 && (f64::from(found.score) - exact).abs() < 1e-6);
        }
        assert_eq!(seen.len(), 30);
    }
}

#[test]
fn draws_repeat_with_the_seed_and_reach_all_candidates() {
    let case = Case::new(1, 1, 50, 3);
    let draw = |seed| {
        let strategy = Strategy::Random { seed };
        let options = MineOptions { range_max: Some(10), strategy, ..MineOptions::default() };
        case.mine(&options).unwrap().queries.remove(0).negatives
    };
    assert!((0..20).all(|seed| draw(seed) == draw(seed)));
    let reached: HashSet<_> = (0..200).flat_map(draw).map(|found| found.index).collect();
    assert_eq!(reached.len(), 10);
}

#[test]
fn what_cannot_be_mined_is_named() {
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
    let check = |options: MineOptions, key: &str| {
        let error = case.mine(&options).unwrap_err();
        assert!(error.to_string().starts_with(&format!("{key}: ")), "{error}");
    };
    let plain = MineOptions::default();
    check(MineOptions { num_negatives: 0, ..plain }, "num_negatives");
    check(MineOptions { range_min: 2, range_max: Some(4), ..plain }, "num_negatives");
    check(MineOptions { range_min: 4, range_max: Some(4), ..plain }, "range_min");
    check(MineOptions { min_score: Some(0.5), max_score: Some(0.4), ..plain }, "min_score");
    check(MineOptions { absolute_margin: Some(f64::NAN), ..plain }, "absolute_margin");
}

#[test]
fn no_queries_are_no_work() {
    let mut case = Case::new(2, 1, 9, 3);
    (case.queries, case.positives) = (Vec::new(), Vec::new());
    let queries = Tensor::zeros([0, 3], (Kind::Float, tch::Device::Cpu));
    let corpus = Corpus { vectors_cd: &tensor(&case.corpus), groups: None };
    let found = mine(&queries, corpus, &[], &MineOptions::default()).unwrap();
    assert!(found.queries.is_empty() && found.short.is_empty() && found.counts.looked_at == 0);
}
