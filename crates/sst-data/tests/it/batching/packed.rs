//! Packs are nearly full, never too long, and cut as the plan says.

use proptest::prelude::*;
use sst_data::batching::{Batching, PackConfig, Packed, Position, StepPlan};

use super::{Rows, epochs, rank_correlation};

fn config(length: usize, packs_per_step: usize, micro_packs: usize) -> PackConfig {
    PackConfig { length, packs_per_step, micro_packs, window: None }
}

/// The lengths of the rows of each pack.
fn packs(rows: &Rows, plan: &StepPlan) -> Vec<Vec<usize>> {
    let mut packs = Vec::new();
    for (micro, sizes) in plan.micro.iter().zip(plan.packs.as_ref().unwrap()) {
        let mut left = micro.as_slice();
        for size in sizes {
            let (pack, rest) = left.split_at(*size);
            packs.push(pack.iter().map(|sample| (rows.length)(sample.index)).collect());
            left = rest;
        }
        assert!(left.is_empty(), "the packs are the micro-batch");
    }
    packs
}

#[test]
fn ordinary_corpora_fill_their_packs() {
    for sigma in [0.5, 0.8, 1.2] {
        let rows = Rows::lognormal(30_000, 128.0, sigma, 512);
        let rule = Packed::new(9, rows.clone(), config(512, 16, 4)).unwrap();
        let plans = epochs(&rule, rows.len, 1);
        let all: Vec<_> = plans.iter().flat_map(|plan| packs(&rows, plan)).collect();
        let tokens: usize = all.iter().flatten().sum();
        let fill = tokens as f64 / (512 * all.len()) as f64;
        // This holds also for a step with packs of leftovers.
        assert!(plans.iter().all(|plan| rule.fill_rate(plan) > 0.9), "spread {sigma}");
        assert!(fill > 0.99, "spread {sigma}: {fill} full");
        let means = plans.iter().map(|plan| {
            let lengths = packs(&rows, plan).concat();
            lengths.iter().sum::<usize>() as f64 / lengths.len() as f64
        });
        // About 470 steps: three standard deviations are 0.14.
        assert!(rank_correlation(&means.collect::<Vec<_>>()).abs() < 0.14);
        assert!(plans.iter().all(|plan| packs(&rows, plan).len().abs_diff(16) <= 1));
    }
}

#[test]
fn best_fit_decreasing() {
    // The packs are 6+4 and 5+3+2: 5 does not fit beside 4, nor 3 beside 6.
    let rows = Rows::of(vec![2, 3, 4, 5, 6]);
    let rule = Packed::new(9, rows.clone(), config(10, 2, 1)).unwrap();
    let plan = rule.steps(Position::default()).next().unwrap();
    let mut packs = packs(&rows, &plan);
    packs.sort();
    assert_eq!(packs, [vec![5, 3, 2], vec![6, 4]]);
    assert_eq!(plan.micro.len(), 2);
    assert_eq!(rule.fill_rate(&plan), 1.0);
}

#[test]
fn sizes_that_cannot_work_are_refused_by_key() {
    let check = |config, expected: &str| {
        let error = Packed::new(1, Rows::of(vec![3, 9]), config).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(config(8, 2, 1), "rows.txt:2 has 9 tokens, more than the 8 of `length`");
    check(config(0, 2, 1), "`length` must be at least 1");
    check(config(9, 0, 1), "`packs_per_step` must");
    check(config(9, 2, 0), "`micro_packs` must");
    check(config(9, 2, 3), "`micro_packs` (3) is larger than `packs_per_step` (2)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_pack_is_over_its_length(
        lengths in prop::collection::vec(1_usize..40, 1..200),
        (micro, step) in (1_usize..6).prop_flat_map(|micro| (Just(micro), micro..12)),
        window in 1_usize..80,
    ) {
        let rows = Rows::of(lengths);
        let config = PackConfig { window: Some(window), ..config(40, step, micro) };
        let rule = Packed::new(2, rows.clone(), config).unwrap();
        for plan in epochs(&rule, rows.len, 2) {
            let packs = packs(&rows, &plan);
            prop_assert!((1..=step).contains(&packs.len()));
            prop_assert!(packs.iter().all(|pack| (1..=40).contains(&pack.iter().sum::<usize>())));
            prop_assert!(plan.packs.iter().flatten().all(|sizes| sizes.len() <= micro));
        }
    }
}
