//! Difficulty by closed forms, the paper's pacing, and draws from what is open.

use std::sync::Arc;

use sst_data::batching::{Batching, FixedBatches, PackConfig, Packed, Pool, Position, StepPlan};
use sst_data::curriculum::{Curriculum, CurriculumError, Difficulty, Pacing, rank};
use sst_data::rows::{Dataset, DatasetError};
use sst_data::setting::PACING_START;
use sst_data::{Example, Field, Key};

use crate::batching::{Rows, samples, take};

/// Rows with these tokens and scores.
struct Tokens(&'static [&'static [u32]], &'static [f32]);

impl Dataset for Tokens {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn row_length(&self, index: u64) -> usize {
        self.0[index as usize].len()
    }

    fn get(&self, index: u64, _epoch: u64) -> Result<Example, DatasetError> {
        let ids = Field::Tokens(self.0[index as usize].to_vec());
        Ok(Example::new(self.key(index), index, "input_ids", ids))
    }

    fn score(&self, index: u64) -> Option<f32> {
        self.1.get(index as usize).copied()
    }

    fn key(&self, index: u64) -> Key {
        Key::new("a.txt", index + 1)
    }
}

fn check(difficulty: Difficulty, expected: &[f32], order: &[u32]) {
    // Token 99 is special. Of the eight other tokens four are 1 and two are 2.
    let rows = Tokens(&[&[99, 1, 1, 1], &[99, 2], &[99], &[99, 1, 2, 3, 4]], &[4.0, 1.0, 1.0, 0.0]);
    let found = difficulty.of(&rows, &[99]).unwrap();
    let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-6;
    assert!(found.iter().zip(expected).all(close), "{difficulty:?}: {found:?}");
    assert_eq!(rank(&found).unwrap(), order, "{difficulty:?}");
}

#[test]
fn difficulties_are_those_of_the_formula() {
    check(Difficulty::Length, &[3.0, 1.0, 0.0, 4.0], &[2, 1, 0, 3]);
    check(Difficulty::Diversity, &[4.0, 2.0, 0.0, 8.0], &[2, 1, 0, 3]);
    let (one, two, rest) = (2_f32.ln(), 4_f32.ln(), 8_f32.ln());
    let last = (one + two + 2.0 * rest) / 4.0;
    check(Difficulty::Rarity, &[one, two, 0.0, last], &[2, 0, 1, 3]);
    check(Difficulty::Score, &[4.0, 1.0, 1.0, 0.0], &[3, 1, 2, 0]);
}

#[test]
fn a_row_without_a_score_is_named() {
    let error = Difficulty::Score.of(&Tokens(&[&[1], &[2]], &[1.0]), &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the row that begins at a.txt:2 has no score: set `score_field` to the field that holds it"
    );
}

fn check_pacing(pacing: &Pacing, expected: &[(u64, f64)]) {
    pacing.check().unwrap();
    for (step, competence) in expected {
        let found = pacing.competence(*step);
        assert!((found - competence).abs() < 1e-12, "{pacing:?} in step {step}: {found}");
    }
}

#[test]
fn pacing_is_that_of_the_paper() {
    let linear = Pacing::Linear { start: 0.2, duration: 8 };
    check_pacing(&linear, &[(0, 0.2), (1, 0.3), (7, 0.9), (8, 1.0), (u64::MAX, 1.0)]);
    let root = Pacing::Root { start: 0.6, duration: 4 };
    check_pacing(&root, &[(0, 0.6), (1, 0.52_f64.sqrt()), (4, 1.0)]);
    let steps = Pacing::Steps(vec![(0, 0.1), (10, 0.5), (20, 1.0)]);
    check_pacing(&steps, &[(0, 0.1), (9, 0.1), (10, 0.5), (19, 0.5), (20, 1.0)]);
    assert_eq!([&linear, &root, &steps].map(Pacing::duration), [8, 4, 20]);
    check_pacing(&Pacing::Linear { start: 1.0, duration: 8 }, &[(0, 1.0)]);
    check_pacing(&Pacing::Root { start: 0.1, duration: 0 }, &[(0, 1.0)]);
}

#[test]
fn pacing_that_leads_nowhere_is_refused() {
    for start in [0.0, -0.1, 1.1, f64::NAN] {
        let error = Pacing::Root { start, duration: 9 }.check().unwrap_err();
        let is_start =
            matches!(error, CurriculumError::BadShare { setting, .. } if setting == PACING_START);
        assert!(is_start, "{error}");
    }
    for (stages, expected) in [
        (vec![], "is empty"),
        (vec![(1, 1.0)], "does not begin at step 0"),
        (vec![(0, 0.5)], "does not end with all rows"),
        (vec![(0, 0.5), (0, 1.0)], "does not grow"),
        (vec![(0, 0.5), (3, 0.4), (5, 1.0)], "does not grow"),
        (vec![(0, 0.0), (3, 1.0)], "above 0 and at most 1"),
    ] {
        let error = Pacing::Steps(stages).check().unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("`steps`"), "{error}");
    }
}

/// A curriculum over 1,000 rows, of which the last is the easiest, in 40 steps of 50 rows.
fn curriculum() -> Curriculum {
    let rule = Arc::new(FixedBatches::new(3, 1000, 50, 20).unwrap());
    let pacing = Pacing::Linear { start: 0.1, duration: 40 };
    Curriculum::new(3, rule, (0..1000).rev().collect(), pacing).unwrap()
}

#[test]
fn rows_are_drawn_from_what_is_open() {
    let plans = take(&curriculum(), Position::default(), 40);
    for (step, plan) in (0..).zip(&plans) {
        let open = ((0.1_f64 + 0.9 * f64::from(step) / 40.0) * 1000.0 - 1e-6).ceil() as u64;
        let drawn = plan.micro.concat();
        assert_eq!(drawn.len(), 50);
        assert!(drawn.iter().all(|sample| sample.index >= 1000 - open), "step {step}");
        let hardest = 1000 - drawn.iter().map(|sample| sample.index).min().unwrap();
        assert_eq!(plan.pool, Some(Pool { rows: 1000, open, hardest }), "step {step}");
        // The draws are uniform; the tolerance is four standard deviations of the mean of 50 draws.
        let mean = drawn.iter().map(|s| (999 - s.index) as f64).sum::<f64>() / 50.0;
        let (middle, deviation) = (open as f64 / 2.0, open as f64 / 12_f64.sqrt() / 50_f64.sqrt());
        assert!((mean - middle).abs() < 4.0 * deviation, "step {step}: {mean} of {open}");
        assert_eq!(plan.end, Position { step: step as u64 + 1, sample: 0 });
    }
}

#[test]
fn no_two_draws_share_their_keys() {
    let plans = take(&curriculum(), Position::default(), 80);
    let mut seen = samples(&plans);
    let drawn = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), drawn);
    // Some rows must be drawn several times, otherwise the test shows nothing.
    let mut rows: Vec<_> = seen.iter().map(|sample| sample.index).collect();
    rows.sort_unstable();
    rows.dedup();
    assert!(rows.len() < drawn * 2 / 3);
}

#[test]
fn afterwards_the_ordinary_epochs_begin() {
    let plans = take(&curriculum(), Position::default(), 60);
    let plain = take(&FixedBatches::new(3, 1000, 50, 20).unwrap(), Position::default(), 20);
    let rest: Vec<_> = plans[40..].iter().map(|plan| plan.micro.clone()).collect();
    assert_eq!(rest, plain.iter().map(|plan| plan.micro.clone()).collect::<Vec<_>>());
    assert!(plans[40..].iter().all(|plan| plan.pool.is_none()));
    assert_eq!(plans[59].end, Position { step: 60, sample: 1000 });
}

#[test]
fn packs_of_drawn_rows_are_full() {
    let rows = Rows::lognormal(5000, 128.0, 0.8, 512);
    let config = PackConfig { length: 512, packs_per_step: 16, micro_packs: 4, window: None };
    let packed = Arc::new(Packed::new(3, rows.clone(), config).unwrap());
    let pacing = Pacing::Root { start: 0.5, duration: 30 };
    let order = rank(&Difficulty::Length.of(&*rows, &[]).unwrap()).unwrap();
    let rule = Curriculum::new(3, packed.clone(), order, pacing).unwrap();
    assert!(rule.is_packed());
    let fill = |plan: &StepPlan| packed.fill_rate(plan);
    let plans = take(&rule, Position::default(), 30);
    let mean = plans.iter().map(fill).sum::<f64>() / 30.0;
    assert!(mean > 0.95, "{mean}");
    assert!(
        plans
            .iter()
            .all(|plan| plan.packs.iter().flatten().flatten().sum::<usize>() == plan.num_samples())
    );
}
