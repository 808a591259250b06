//! Dropout whose mask is a function of the position, so that the backward pass can compute it again.

/// The parameters of dropout.
#[derive(Clone, Copy)]
pub(super) struct Dropout {
    seed: u64,
    /// Numbers whose draw is below this are dropped.
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

    /// The dropout of the line at `place`.
    #[inline(always)]
    pub(super) fn line<const N: usize>(&self, place: [usize; N]) -> LineDropout {
        let start = place.iter().fold(self.seed, |state, part| mix64(state ^ *part as u64)) as u32;
        LineDropout { start, threshold: self.threshold, keep_scale: self.keep_scale }
    }
}

/// The dropout of one line.
#[derive(Clone, Copy)]
pub(super) struct LineDropout {
    pub(super) start: u32,
    pub(super) threshold: u32,
    pub(super) keep_scale: f32,
}

impl LineDropout {
    /// The distance between the inputs of the mixing function for consecutive numbers: 2^32 divided by the golden
    /// ratio.
    pub(super) const APART: u32 = 0x9e37_79b9;
    /// The shifts and multipliers of the mixing function, the finaliser of MurmurHash3 (Appleby 2011).
    pub(super) const SHIFTS: [u32; 3] = [16, 13, 16];
    pub(super) const FACTORS: [u32; 2] = [0x85eb_ca6b, 0xc2b2_ae35];

    /// The factor of the number at index `i`: 0 if it is dropped, else `keep_scale`.
    #[inline(always)]
    pub(super) fn factor(self, i: usize) -> f32 {
        let draw = mix32(self.start ^ (i as u32).wrapping_mul(Self::APART));
        if draw >= self.threshold { self.keep_scale } else { 0.0 }
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

#[inline(always)]
fn mix32(mut x: u32) -> u32 {
    let ([a, b, c], [f, g]) = (LineDropout::SHIFTS, LineDropout::FACTORS);
    x = (x ^ (x >> a)).wrapping_mul(f);
    x = (x ^ (x >> b)).wrapping_mul(g);
    x ^ (x >> c)
}
