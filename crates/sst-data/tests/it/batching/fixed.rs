//! Steps of so many rows; ranks share them out exactly.

use proptest::prelude::*;
use sst_data::batching::{BatchingError, FixedBatches, Position, StepPlan};
use sst_data::setting;

use super::{samples, take};

fn refused(len: u64, batch: usize, micro: usize) -> BatchingError {
    FixedBatches::new(1, len, batch, micro).unwrap_err()
}

#[test]
fn sizes_that_cannot_work_are_refused() {
    assert_eq!(refused(0, 4, 2), BatchingError::Empty);
    assert_eq!(refused(9, 0, 2), BatchingError::Zero(setting::BATCH_SIZE));
    assert_eq!(refused(9, 4, 0), BatchingError::Zero(setting::MICRO_BATCH_SIZE));
    assert_eq!(refused(9, 4, 5), BatchingError::MicroTooLarge { micro: 5, batch: 4 });
}

#[test]
fn the_last_micro_batch_may_be_smaller() {
    let rule = FixedBatches::new(1, 100, 10, 4).unwrap();
    let plan = &take(&rule, Position::default(), 1)[0];
    assert_eq!(plan.micro.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
    assert_eq!(plan.end, Position { step: 1, sample: 10 });
}

proptest! {
    #[test]
    fn each_epoch_holds_each_sample_once(len in 1_u64..40, batch in 1_usize..50, seed: u64) {
        let rule = FixedBatches::new(seed, len, batch, batch).unwrap();
        let steps = (3 * len as usize).div_ceil(batch);
        let drawn = samples(&take(&rule, Position::default(), steps));
        for epoch in 0..3 {
            let mut seen: Vec<_> =
                drawn.iter().filter(|s| s.epoch == epoch).map(|s| s.index).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..len).collect::<Vec<_>>());
        }
        prop_assert!(drawn.is_sorted_by_key(|s| s.epoch));
    }

    #[test]
    fn any_position_resumes(len in 1_u64..40, batch in 1_usize..50, at in 0_usize..9) {
        let rule = FixedBatches::new(5, len, batch, batch.div_ceil(3)).unwrap();
        let whole = take(&rule, Position::default(), 12);
        let from = if at == 0 { Position::default() } else { whole[at - 1].end };
        prop_assert_eq!(&take(&rule, from, 12 - at), &whole[at..]);
    }

    #[test]
    fn the_ranks_together_are_one_rank(batch in 1_usize..70, micro in 1_usize..70, world in 1_usize..9) {
        let rule = FixedBatches::new(5, 1000, batch, micro.min(batch)).unwrap();
        let plan = take(&rule, Position::default(), 1).remove(0);
        let parts: Vec<_> = (0..world).map(|rank| plan.part(rank, world)).collect();
        let sizes: Vec<_> = parts.iter().map(StepPlan::num_samples).collect();
        prop_assert_eq!(sizes.iter().sum::<usize>(), batch);
        for part in &parts {
            prop_assert_eq!(part.end, plan.end);
            prop_assert!(part.micro.iter().all(|m| !m.is_empty()));
        }
        if micro.min(batch) >= world {
            // Every rank has rows of every full micro-batch, in order.
            for (i, whole) in plan.micro.iter().enumerate().filter(|(_, m)| m.len() >= world) {
                let union: Vec<_> = parts.iter().flat_map(|p| p.micro[i].clone()).collect();
                prop_assert_eq!(&union, whole);
                let shares = parts.iter().map(|p| p.micro[i].len());
                prop_assert!(shares.clone().max().unwrap() - shares.min().unwrap() <= 1);
            }
        }
        let mut union = samples(&parts);
        let mut whole = plan.micro.concat();
        union.sort_unstable();
        whole.sort_unstable();
        prop_assert_eq!(union, whole);
    }
}

#[test]
fn a_batch_may_extend_over_two_epochs() {
    let rule = FixedBatches::new(1, 3, 4, 4).unwrap();
    let epochs: Vec<_> =
        samples(&take(&rule, Position::default(), 3)).iter().map(|s| s.epoch).collect();
    assert_eq!(epochs, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
}
