//! Token budgets are never exceeded, nearly used up, and give steps that are not ordered by length.

use std::sync::Arc;

use proptest::prelude::*;
use sst_data::batching::{
    BatchingError, BudgetConfig, Cost, Position, SampleRef, StepPlan, TokenBudget,
};
use sst_data::setting;

use super::{Rows, epochs, rank_correlation, take};

fn rule(rows: &Arc<Rows>, config: BudgetConfig) -> TokenBudget {
    TokenBudget::new(9, rows.clone(), config).unwrap()
}

fn lengths(rows: &Rows, plan: &StepPlan) -> Vec<Vec<usize>> {
    let of = |micro: &Vec<SampleRef>| micro.iter().map(|s| (rows.length)(s.index)).collect();
    plan.micro.iter().map(of).collect()
}

/// The cost of a step and of each of its micro-batches.
fn costs(rows: &Rows, cost: Cost, plan: &StepPlan) -> (usize, Vec<usize>) {
    let micro: Vec<_> = lengths(rows, plan).into_iter().map(|micro| cost.of(micro)).collect();
    (micro.iter().sum(), micro)
}

fn mean_length(rows: &Rows, plan: &StepPlan) -> f64 {
    let lengths = lengths(rows, plan).concat();
    lengths.iter().sum::<usize>() as f64 / lengths.len() as f64
}

/// Statistics of one epoch under a budget: the mean fraction of the budget that is used, the fraction of that which is
/// tokens and not padding, the standard deviation of the mean lengths of steps over their mean, and the rank
/// correlation of step and length.
fn figures(max_tokens: usize, micro: usize, cost: Cost) -> [f64; 4] {
    let rows = Rows::lognormal(40_000, 60.0, 0.8, 512);
    let config = BudgetConfig { micro_max_tokens: micro, cost, ..BudgetConfig::new(max_tokens) };
    let plans = epochs(&rule(&rows, config), rows.len, 1);
    let steps = plans.len() as f64;
    let used: usize = plans.iter().map(|plan| costs(&rows, cost, plan).0).sum();
    let tokens: usize = plans.iter().map(|plan| costs(&rows, Cost::Real, plan).0).sum();
    let means: Vec<_> = plans.iter().map(|plan| mean_length(&rows, plan)).collect();
    let mean = means.iter().sum::<f64>() / steps;
    let spread = (means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / steps).sqrt() / mean;
    let used = used as f64;
    [used / steps / max_tokens as f64, tokens as f64 / used, spread, rank_correlation(&means)]
}

fn check(max_tokens: usize, micro: usize, cost: Cost, [least, useful, spread]: [f64; 3]) {
    let found = figures(max_tokens, micro, cost);
    assert!(found[0] >= least, "{max_tokens} in {micro}: {found:?}");
    assert!(found[1] >= useful, "{max_tokens} in {micro}: {} of it is no padding", found[1]);
    assert!(found[2] <= spread, "{max_tokens} in {micro}: mean lengths spread by {}", found[2]);
    // With 600 steps three standard deviations are 0.12. The largest budget gives 80 steps, for which they are 0.34.
    let limit = if max_tokens > 4096 { 0.34 } else { 0.12 };
    assert!(found[3].abs() < limit, "{max_tokens} in {micro}: correlation {}", found[3]);
}

#[test]
fn the_budget_is_used_and_lengths_are_mixed() {
    // A single micro-batch of similar lengths cannot mix them.
    check(4096, 4096, Cost::Padded, [0.98, 0.98, 1.0]);
    // Only two rows of 400 tokens fit in 1,024 tokens.
    check(4096, 1024, Cost::Padded, [0.93, 0.99, 0.25]);
    check(32768, 4096, Cost::Padded, [0.93, 0.98, 0.15]);
    check(4096, 4096, Cost::Real, [0.97, 1.0, 0.13]);
}

#[test]
fn rows_that_fit_exactly_are_cut_evenly() {
    // Ten rows of 2 tokens with 8 tokens a step give three steps of 4, 3 and 3 rows, in some order.
    let rows = Rows::of(vec![2; 10]);
    for cost in [Cost::Padded, Cost::Real] {
        let config = BudgetConfig { cost, ..BudgetConfig::new(8) };
        let plans = epochs(&rule(&rows, config), 10, 1);
        let mut sizes: Vec<_> = plans.iter().map(StepPlan::num_samples).collect();
        sizes.sort_unstable();
        assert!(sizes == [2, 4, 4] || sizes == [3, 3, 4], "{sizes:?}");
    }
    // A budget of 2.25 micro-batches is filled by three smaller ones.
    let rows = Rows::of(vec![2; 9]);
    let config = BudgetConfig { micro_max_tokens: 8, ..BudgetConfig::new(18) };
    let plan = take(&rule(&rows, config), Position::default(), 1).remove(0);
    assert_eq!(costs(&rows, Cost::Padded, &plan), (18, vec![6, 6, 6]));
}

fn refused(lengths: &[usize], config: BudgetConfig) -> String {
    TokenBudget::new(1, Rows::of(lengths.to_vec()), config).err().unwrap().to_string()
}

#[test]
fn budgets_that_cannot_work_are_refused_by_key() {
    let row = "the row that begins at rows.txt:2 has 9 tokens, more than the 8 of `max_tokens`: \
               raise that to 9, or lower the `max_length` of rows to 8";
    assert_eq!(refused(&[3, 9, 9], BudgetConfig::new(8)), row);
    let micro = BudgetConfig { micro_max_tokens: 8, ..BudgetConfig::new(100) };
    assert!(refused(&[3, 9], micro).contains("the 8 of `micro_max_tokens`"));
    let above = BudgetConfig { micro_max_tokens: 101, ..BudgetConfig::new(100) };
    assert!(refused(&[3], above).contains("`micro_max_tokens` (101) is larger than"));
    let window = BudgetConfig { window: Some(0), ..BudgetConfig::new(8) };
    assert_eq!(refused(&[3], window), BatchingError::Zero(setting::WINDOW).to_string());
    assert_eq!(
        refused(&[3], BudgetConfig::new(0)),
        BatchingError::Zero(setting::MAX_TOKENS).to_string()
    );
    assert_eq!(refused(&[], BudgetConfig::new(8)), BatchingError::Empty.to_string());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_budget_is_exceeded(
        lengths in prop::collection::vec(0_usize..40, 1..200),
        (micro, max) in (40_usize..100).prop_flat_map(|micro| (Just(micro), micro..400)),
        window in 1_usize..80,
        padded: bool,
    ) {
        let cost = if padded { Cost::Padded } else { Cost::Real };
        let rows = Rows::of(lengths);
        let config =
            BudgetConfig { max_tokens: max, micro_max_tokens: micro, cost, window: Some(window) };
        for plan in epochs(&rule(&rows, config), rows.len, 2) {
            let (step, each) = costs(&rows, cost, &plan);
            prop_assert!(step <= max && each.iter().all(|cost| *cost <= micro), "{step} {each:?}");
            prop_assert!(plan.micro.iter().all(|micro| !micro.is_empty()));
            prop_assert!(plan.num_samples() > 0);
        }
    }
}
