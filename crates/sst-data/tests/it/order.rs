//! The order is a permutation, depends on seed and epoch, and never changes between versions.

use proptest::prelude::*;
use sst_data::order::Permutation;

fn places(seed: u64, epoch: u64, len: u64) -> Vec<u64> {
    let order = Permutation::new(seed, epoch, len);
    (0..len).map(|i| order.at(i)).collect()
}

proptest! {
    #[test]
    fn every_sample_comes_once(seed: u64, epoch: u64, len in 0_u64..3000) {
        let mut seen = places(seed, epoch, len);
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..len).collect::<Vec<_>>());
    }

    #[test]
    fn huge_orders_stay_in_range_and_do_not_collide(seed: u64, len in (1_u64 << 40)..u64::MAX) {
        let order = Permutation::new(seed, 0, len);
        let mut seen: Vec<_> = (0..64).chain(len - 64..len).map(|i| order.at(i)).collect();
        prop_assert!(seen.iter().all(|i| *i < len));
        seen.sort_unstable();
        seen.dedup();
        prop_assert_eq!(seen.len(), 128);
    }
}

#[test]
fn the_largest_length_works() {
    let order = Permutation::new(3, 0, u64::MAX);
    assert_ne!(order.at(0), order.at(u64::MAX - 1));
}

/// Recipes give the same bytes forever, so a change of these numbers is a breaking change.
#[test]
fn golden_orders() {
    assert_eq!(places(1, 0, 10), GOLDEN_SEED_1);
    assert_eq!(places(1, 1, 10), GOLDEN_EPOCH_1);
    assert_eq!(places(2, 0, 10), GOLDEN_SEED_2);
}

const GOLDEN_SEED_1: [u64; 10] = [7, 8, 5, 6, 0, 1, 3, 4, 2, 9];
const GOLDEN_EPOCH_1: [u64; 10] = [6, 1, 0, 4, 7, 9, 2, 3, 8, 5];
const GOLDEN_SEED_2: [u64; 10] = [9, 2, 5, 8, 3, 7, 0, 6, 1, 4];

/// A permutation that only rotates or reverses would pass the tests above.
#[test]
fn neighbours_are_scattered() {
    let len = 10_000;
    let order = places(7, 0, len);
    let close = order.windows(2).filter(|w| w[0].abs_diff(w[1]) < 100).count();
    // Expected: about 2 % of the neighbours; 200 with a standard deviation of 14.
    assert!((130..270).contains(&close), "{close} of {len} neighbours are close");
    let fixed = order.iter().zip(0..).filter(|(a, b)| **a == *b).count();
    assert!(fixed < 10, "{fixed} samples are in their own place");
}
