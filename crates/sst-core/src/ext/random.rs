//! Dropout whose mask is a function of the place, so that the backward pass makes it again.

/// What is dropped, and what the rest is multiplied by.
#[derive(Clone, Copy)]
pub(super) struct Dropout {
    seed: u64,
    /// A draw below this is dropped.
    threshold: u32,
    keep_scale: f32,
}

impl Dropout {
    /// Dropout with probability `p`; `None` for 0.
    #[inline(always)]
    pub(super) fn new(p: f32, seed: u64) -> Option<Self> {
        (p > 0.0).then(|| Self {
            seed,
            threshold: (f64::from(p) * f64::from(u32::MAX)) as u32,
            keep_scale: 1.0 / (1.0 - p),
        })
    }

    /// Drops from `line`, which lies at `place`.
    #[inline(always)]
    pub(super) fn apply<const N: usize>(&self, line: &mut [f32], place: [usize; N]) {
        let start = place.iter().fold(self.seed, |state, part| mix64(state ^ *part as u64)) as u32;
        for (i, value) in line.iter_mut().enumerate() {
            let kept = mix32(start ^ (i as u32).wrapping_mul(0x9e37_79b9)) >= self.threshold;
            *value *= if kept { self.keep_scale } else { 0.0 };
        }
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
#[inline(always)]
fn mix64(z: u64) -> u64 {
    let z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The finaliser of MurmurHash3 (Appleby 2011).
#[inline(always)]
fn mix32(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
    x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}
