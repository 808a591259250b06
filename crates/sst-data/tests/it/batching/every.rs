//! Properties of every batching rule: ranks, resuming, and epochs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use sst_data::batching::{
    Batching, BudgetConfig, Cost, Fill, FixedBatches, LengthRamp, LengthWarmUp, PackConfig, Packed,
    Position, SizeRamp, StepPlan, TokenBudget,
};
use sst_data::curriculum::{Curriculum, Pacing};
use sst_data::loader::{Loader, LoaderConfig, StepData};
use sst_data::{ArrayData, Collate, CollateError, Example, HostBatch, Normalizer, SeqRng};

use super::{Rows, samples, take};

/// Every rule over the same rows of at most 40 tokens, with the step at which its epochs begin.
fn rules(
    seed: u64,
    rows: &Arc<Rows>,
    window: Option<usize>,
) -> Vec<(&'static str, u64, Arc<dyn Batching>)> {
    let budget = |cost, micro_max_tokens| {
        let config = BudgetConfig { micro_max_tokens, cost, window, ..BudgetConfig::new(300) };
        Arc::new(TokenBudget::new(seed, rows.clone(), config).unwrap())
    };
    let packs = PackConfig { length: 64, packs_per_step: 5, micro_packs: 2, window };
    let packed = Arc::new(Packed::new(seed, rows.clone(), packs).unwrap());
    let fixed = FixedBatches::new(seed, rows.len, 17, 5).unwrap();
    let ramped = fixed.clone().with_ramp(SizeRamp { from: 2, steps: 20 }).unwrap();
    let length = LengthRamp { from: 8, steps: 20, multiple_of: 4 };
    let short = LengthWarmUp::new(Arc::new(fixed.clone()), length, 40).unwrap();
    let curriculum = |rule: Arc<dyn Fill>| {
        let pacing = Pacing::Root { start: 0.1, duration: 12 };
        Arc::new(Curriculum::new(seed, rule, (0..rows.len as u32).collect(), pacing).unwrap())
    };
    vec![
        ("fixed", 0, Arc::new(fixed)),
        ("size ramp", 0, Arc::new(ramped.clone())),
        ("length ramp", 0, Arc::new(short)),
        ("padded", 0, budget(Cost::Padded, 100)),
        ("padded, one micro-batch", 0, budget(Cost::Padded, 300)),
        ("real", 0, budget(Cost::Real, 70)),
        ("packed", 0, packed.clone()),
        ("curriculum, fixed", 12, curriculum(Arc::new(ramped))),
        ("curriculum, padded", 12, curriculum(budget(Cost::Padded, 100))),
        ("curriculum, packed", 12, curriculum(packed)),
    ]
}

/// The rows of each micro-batch over all ranks, in order, and likewise the packs. A rank that has no rows of a
/// micro-batch leaves it out, so if there are few rows only whole steps are compared.
fn union(parts: &[StepPlan]) -> StepPlan {
    let mut union = StepPlan { micro: vec![], packs: None, ..parts[0].clone() };
    for number in 0..parts[0].micro.len() {
        let micro =
            parts.iter().flat_map(|part| part.micro.get(number).cloned().unwrap_or_default());
        union.micro.push(micro.collect());
    }
    if parts[0].packs.is_some() {
        let packs = |number| {
            parts.iter().flat_map(move |part| {
                part.packs.as_ref().unwrap().get(number).cloned().unwrap_or_default()
            })
        };
        union.packs = Some((0..parts[0].micro.len()).map(|n| packs(n).collect()).collect());
    }
    union
}

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1_usize..40, 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_ranks_together_are_one_rank(lengths in lengths(), seed: u64, window in 1_usize..200) {
        for (name, _, rule) in rules(seed, &Rows::of(lengths), Some(window)) {
            for plan in take(&*rule, Position::default(), 30) {
                for world in [1, 2, 3, 8] {
                    let parts: Vec<_> = (0..world).map(|rank| plan.part(rank, world)).collect();
                    // A micro-batch with rows for every rank is in the plan of every rank.
                    let units = |i: usize| plan.packs.as_ref().map_or(plan.micro[i].len(), |p| p[i].len());
                    if (0..plan.micro.len()).all(|i| units(i) >= world) {
                        prop_assert_eq!(&union(&parts), &plan, "{}", name);
                    }
                    let mut all = samples(&parts);
                    let mut whole = plan.micro.concat();
                    all.sort_unstable();
                    whole.sort_unstable();
                    prop_assert_eq!(all, whole, "{}", name);
                    for part in &parts {
                        prop_assert_eq!((part.end, part.max_row_length), (plan.end, plan.max_row_length));
                        if let Some(packs) = &part.packs {
                            let sizes: Vec<_> = packs.iter().map(|p| p.iter().sum::<usize>()).collect();
                            let rows: Vec<_> = part.micro.iter().map(Vec::len).collect();
                            prop_assert_eq!(sizes, rows, "{}", name);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn any_position_resumes(lengths in lengths(), seed: u64, window in prop::option::of(1_usize..200)) {
        for (name, _, rule) in rules(seed, &Rows::of(lengths), window) {
            let whole = take(&*rule, Position::default(), 60);
            prop_assert!(whole.iter().zip(1..).all(|(plan, step)| plan.end.step == step));
            for at in 0..50 {
                let rest = take(&*rule, whole[at].end, 3);
                prop_assert_eq!(&rest, &whole[at + 1..at + 4], "{} after {}", name, at + 1);
            }
        }
    }

    #[test]
    fn each_epoch_holds_each_row_once(lengths in lengths(), seed: u64, window in prop::option::of(1_usize..200)) {
        let rows = Rows::of(lengths);
        for (name, begin, rule) in rules(seed, &rows, window) {
            let enough = rule.steps(Position::default()).skip(begin as usize);
            let plans: Vec<_> = enough.take_while(|plan| plan.end.sample < 2 * rows.len + 17).collect();
            let drawn = samples(&plans);
            for epoch in 0..2 {
                let own = drawn.iter().filter(|sample| sample.epoch == epoch);
                let mut seen: Vec<_> = own.map(|sample| sample.index).collect();
                seen.sort_unstable();
                prop_assert_eq!(seen, (0..rows.len).collect::<Vec<_>>(), "{}, epoch {}", name, epoch);
            }
            prop_assert!(drawn.is_sorted_by_key(|sample| sample.epoch), "{}", name);
        }
    }
}

/// The draws made for each example, packed or not.
struct Draws;

impl Collate for Draws {
    fn collate(&self, examples: &[Example], seed: u64) -> Result<HostBatch, CollateError> {
        let draw = |e: &Example| SeqRng::new(seed, "test", e.epoch, e.index).next_u64() as i64;
        let keys = examples.iter().map(|example| example.key.clone()).collect();
        let draws = ArrayData::I64(examples.iter().map(draw).collect());
        Ok(HostBatch::new(Normalizer::Count(0), keys).with("draws", &[examples.len()], draws)?)
    }

    fn collate_packs(
        &self,
        examples: &[Example],
        _packs: &[usize],
        seed: u64,
    ) -> Result<HostBatch, CollateError> {
        self.collate(examples, seed)
    }
}

#[test]
fn the_number_of_workers_changes_nothing() {
    let rows = Rows::lognormal(400, 15.0, 0.5, 40);
    for (name, _, rule) in rules(1, &rows, None) {
        if name == "length ramp" {
            // These rows cannot be split; those of the loader's own tests can.
            continue;
        }
        let load = |workers| -> Vec<StepData> {
            let config = LoaderConfig { seed: 4, workers, ..LoaderConfig::default() };
            let (rule, from) = (Arc::clone(&rule), Position::default());
            let loader = Loader::new(rows.clone(), Arc::new(Draws), rule, config, from).unwrap();
            loader.take(30).map(Result::unwrap).collect()
        };
        let one = load(0);
        assert_eq!(one.len(), 30);
        assert!(one == load(1) && one == load(5), "{name}");
    }
}

#[test]
fn a_position_of_another_rule_loses_no_row() {
    let rows = Rows::lognormal(500, 15.0, 0.5, 40);
    for (name, begin, rule) in rules(1, &rows, Some(120)) {
        for sample in [1, 119, 120, 121, 499, 777] {
            let from = Position { step: 90, sample };
            let plans: Vec<_> = rule.steps(from).take(40).collect();
            let first = plans[0].end.sample - plans[0].num_samples() as u64;
            assert!(first <= sample && sample < plans[0].end.sample, "{name} from {sample}");
            assert!(begin <= 90 && plans[0].end.step == 91);
        }
    }
}

#[test]
fn twenty_million_rows_resume_at_once() {
    let length = |index: u64| (index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize + 1;
    let rows = Rows::new(20_000_000, length);
    let budget = BudgetConfig::new(4096);
    let packs = PackConfig { length: 128, packs_per_step: 32, micro_packs: 8, window: None };
    let rules: [(&str, Arc<dyn Batching>); 3] = [
        ("fixed", Arc::new(FixedBatches::new(1, rows.len, 64, 64).unwrap())),
        ("budget", Arc::new(TokenBudget::new(1, rows.clone(), budget).unwrap())),
        ("packed", Arc::new(Packed::new(1, rows.clone(), packs).unwrap())),
    ];
    for (name, rule) in rules {
        for sample in [10_000_000, 19_999_999, 30_000_000] {
            rows.asked.store(0, Ordering::Relaxed);
            let start = Instant::now();
            let plan = rule.steps(Position { step: 100_000, sample }).next().unwrap();
            let (took, asked) = (start.elapsed(), rows.asked.load(Ordering::Relaxed));
            assert_eq!(plan.micro[0][0].epoch, sample / rows.len);
            // The window, and no row beyond it. The time is that of a machine under load.
            assert!(asked <= 8192, "{name} looked at {asked} rows");
            assert!(took < Duration::from_millis(500), "{name} took {took:?}");
        }
    }
}

/// Recipes promise the same bytes for ever: a change of these is a breaking change.
#[test]
fn golden_steps() {
    let rows = Rows::of((1..=12).collect());
    let budget = BudgetConfig { micro_max_tokens: 15, ..BudgetConfig::new(45) };
    let budget = Arc::new(TokenBudget::new(1, rows.clone(), budget).unwrap());
    let packs = PackConfig { length: 20, packs_per_step: 2, micro_packs: 1, window: None };
    let packed = Packed::new(1, rows, packs).unwrap();
    let pacing = Pacing::Linear { start: 0.5, duration: 9 };
    let curriculum = Curriculum::new(1, budget.clone(), (0..12).collect(), pacing).unwrap();
    let check = |rule: &dyn Batching, expected: &[&[u64]]| {
        let steps = take(rule, Position::default(), expected.len());
        let indices = |plan: StepPlan| plan.micro.concat().iter().map(|s| s.index).collect();
        assert_eq!(steps.into_iter().map(indices).collect::<Vec<Vec<u64>>>(), expected);
    };
    check(&*budget, &[&[11, 7, 5, 4], &[10, 6, 0]]);
    check(&packed, &[&[9, 6, 2, 10, 8], &[5, 4, 3, 1, 0, 11, 7]]);
    check(&curriculum, &[&[5, 5, 4, 4, 2, 2, 0, 0, 0, 0], &[6, 5, 5, 4, 2, 2, 1, 0]]);
}
