//! Cutting the micro-batches of a step: parts of one size, packs whole, nothing lost.

use sst_data::batching::{Position, SampleRef, StepPlan};

fn samples(count: u64) -> Vec<SampleRef> {
    (0..count).map(|index| SampleRef { epoch: 3, index }).collect()
}

fn sizes(plan: &StepPlan) -> Vec<usize> {
    plan.micro.iter().map(Vec::len).collect()
}

#[track_caller]
fn check(micro: &[u64], parts: usize, expected: &[usize]) {
    let end = Position { step: 5, sample: 9 };
    let plan = StepPlan::new(micro.iter().map(|count| samples(*count)).collect(), end);
    let cut = plan.cut(parts);
    assert_eq!(sizes(&cut), expected, "{micro:?} in {parts}");
    assert_eq!((cut.micro.concat(), cut.end), (plan.micro.concat(), end));
    assert_eq!(cut.largest_micro(), expected.iter().copied().max().unwrap_or(0));
}

#[test]
fn rows() {
    check(&[8], 1, &[8]);
    check(&[8], 2, &[4, 4]);
    check(&[8, 8], 4, &[2; 8]);
    check(&[7], 2, &[4, 3]);
    check(&[7], 4, &[2, 2, 2, 1]);
    check(&[8, 3], 4, &[2, 2, 2, 2, 1, 1, 1]);
    check(&[3], 100, &[1, 1, 1]);
    check(&[8], 0, &[8]);
    check(&[], 2, &[]);
}

#[track_caller]
fn check_packs(packs: &[&[usize]], parts: usize, expected: &[&[usize]]) {
    let owned = |packs: &[&[usize]]| packs.iter().map(|sizes| sizes.to_vec()).collect::<Vec<_>>();
    let count = |sizes: &&[usize]| samples(sizes.iter().sum::<usize>() as u64);
    let whole = StepPlan::new(packs.iter().map(count).collect(), Position::default());
    let plan = StepPlan { packs: Some(owned(packs)), ..whole };
    let cut = plan.cut(parts);
    assert_eq!(cut.packs, Some(owned(expected)), "{packs:?} in {parts}");
    assert_eq!(
        sizes(&cut),
        expected.iter().map(|sizes| sizes.iter().sum()).collect::<Vec<usize>>()
    );
    assert_eq!(cut.micro.concat(), plan.micro.concat());
    assert_eq!(cut.largest_micro(), expected.iter().map(|sizes| sizes.len()).max().unwrap());
}

#[test]
fn packs() {
    check_packs(&[&[3, 1, 2, 2]], 2, &[&[3, 1], &[2, 2]]);
    check_packs(&[&[3, 1, 2], &[5]], 2, &[&[3, 1], &[2], &[5]]);
    check_packs(&[&[3, 1]], 8, &[&[3], &[1]]);
}
