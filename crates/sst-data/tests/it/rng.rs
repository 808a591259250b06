//! The generator's bytes and draws never change: recipes depend on them.
//!
//! The golden numbers were computed by an independent ChaCha8 (RFC 8439's block function with 4
//! double rounds and a 64-bit counter, zero nonce) and FNV-1a in Python, from the definition of the
//! key: seed, stream hash, epoch and index, each as 64 bits little-endian.

use std::collections::HashSet;

use proptest::prelude::*;
use sst_data::SeqRng;

fn golden() -> SeqRng {
    SeqRng::new(1, "mlm.mask", 2, 3)
}

#[test]
fn the_bits_are_chacha8() {
    let mut rng = golden();
    let bits: Vec<u64> = (0..10).map(|_| rng.next_u64()).collect();
    // Ten values reach the second block of eight.
    let expected = [
        0xd816_08a8_f9ce_f932,
        0x50d3_d10a_e3d2_e9fb,
        0x0f54_019c_1036_4ae5,
        0x440b_d9ba_0ba5_25d9,
        0x620b_ff9f_7822_9cb9,
        0x6ed5_c4fb_eb13_11b8,
        0x03c1_a0eb_6fe7_2496,
        0xfe4b_5311_29ef_2557,
        0x8aa1_08b3_c358_dba7,
        0x38ba_2597_f874_b3f5,
    ];
    assert_eq!(bits, expected);
    assert_eq!(SeqRng::new(0, "", 0, 0).next_u64(), 0x12ea_6867_b29d_78ad);
    assert_eq!(SeqRng::new(u64::MAX, "数据", 1 << 63, 7).next_u64(), 0x5621_427f_8536_e53e);
}

#[test]
fn the_draws_are_fixed() {
    let mut rng = golden();
    let below: Vec<u64> = (0..10).map(|_| rng.below(10)).collect();
    assert_eq!(below, [8, 3, 0, 2, 3, 4, 0, 9, 5, 2]);
    let mut rng = golden();
    let uniform = [rng.uniform(), rng.uniform(), rng.uniform()];
    assert_eq!(
        uniform,
        [0.844_086_209_539_280_8, 0.315_732_064_398_456_6, 0.059_875_584_222_219_946]
    );
    let mut items: Vec<u32> = (0..10).collect();
    golden().shuffle(&mut items);
    assert_eq!(items, [3, 6, 4, 7, 5, 9, 1, 0, 2, 8]);
    let mut rng = golden();
    for expected in [-0.773_802_714_249_367_1, 1.765_823_733_812_732_7] {
        let drawn = rng.normal();
        // ln, sin and cos may differ in the last place between platforms.
        assert!((drawn - expected).abs() < 1e-14, "{drawn}");
    }
}

#[test]
fn every_part_of_the_key_matters() {
    let keys = [
        (1, "a", 2, 3),
        (2, "a", 2, 3),
        (1, "b", 2, 3),
        (1, "a", 3, 3),
        (1, "a", 2, 4),
        (1, "a", 3, 2),
    ];
    let first: HashSet<u64> =
        keys.iter().map(|(s, n, e, i)| SeqRng::new(*s, n, *e, *i).next_u64()).collect();
    assert_eq!(first.len(), keys.len());
}

#[test]
fn draws_have_their_distribution() {
    let draws = 100_000;
    let mut rng = golden();
    let mut counts = [0_u32; 7];
    (0..draws).for_each(|_| counts[rng.below(7) as usize] += 1);
    let expected = f64::from(draws) / 7.0;
    let chi2: f64 = counts.iter().map(|c| (f64::from(*c) - expected).powi(2) / expected).sum();
    // The bound is the 99.9 % quantile for 6 degrees of freedom.
    assert!(chi2 < 22.46, "{chi2}");
    let normal: Vec<f64> = (0..draws).map(|_| rng.normal()).collect();
    let mean = normal.iter().sum::<f64>() / f64::from(draws);
    let variance = normal.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(draws);
    assert!(mean.abs() < 0.0104 && (variance - 1.0).abs() < 0.0147, "{mean} {variance}");
    let hits = (0..draws).filter(|_| rng.chance(0.15)).count();
    assert!((14_628..=15_372).contains(&hits), "{hits}");
    assert!(!rng.chance(0.0) && rng.chance(1.0));
}

proptest! {
    #[test]
    fn below_stays_below(seed: u64, bound: u64) {
        let drawn = SeqRng::new(seed, "below", 0, 0).below(bound);
        prop_assert!(drawn < bound || (bound == 0 && drawn == 0));
    }

    #[test]
    fn a_shuffle_is_a_permutation(seed: u64, len in 0_usize..50) {
        let mut items: Vec<usize> = (0..len).collect();
        SeqRng::new(seed, "shuffle", 0, 0).shuffle(&mut items);
        items.sort_unstable();
        prop_assert_eq!(items, (0..len).collect::<Vec<_>>());
    }
}
