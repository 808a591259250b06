//! The order of an epoch: a permutation of the samples, computed one place at a time.

use crate::rng::SeqRng;

/// Rounds of the Feistel network. Luby and Rackoff (1988) need four rounds for a pseudo-random
/// permutation with ideal round functions. The round function here is a cheap mixer, hence more rounds.
const ROUNDS: usize = 8;

/// The permutation of `0..len` for one (seed, epoch).
///
/// A balanced Feistel network over the next even power of two, walked until it lands inside
/// `0..len` (Black and Rogaway 2002, "Ciphers with Arbitrary Finite Domains"). Each place takes a few
/// dozen operations and no memory, so a run can resume anywhere without replaying a shuffle.
#[derive(Debug, Clone)]
pub struct Permutation {
    keys: [u64; ROUNDS],
    half_bits: u32,
    len: u64,
}

impl Permutation {
    /// The permutation of `0..len` for `epoch` (from 0).
    pub fn new(seed: u64, epoch: u64, len: u64) -> Self {
        let mut rng = SeqRng::new(seed, "order", epoch, 0);
        let keys = std::array::from_fn(|_| rng.next_u64());
        let bits = u64::BITS - len.saturating_sub(1).leading_zeros();
        Self { keys, half_bits: bits.div_ceil(2), len }
    }

    /// The number of samples.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The sample at place `place % len`. An empty permutation gives 0.
    pub fn at(&self, place: u64) -> u64 {
        if self.len < 2 {
            return 0;
        }
        let mut value = self.encrypt(place % self.len);
        // The domain is less than four times `len`, so this takes four steps on average at most;
        // it ends because the cycle through `place` comes back into `0..len`.
        while value >= self.len {
            value = self.encrypt(value);
        }
        value
    }

    fn encrypt(&self, value: u64) -> u64 {
        let mask = (1_u64 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mix(right ^ key) & mask));
        }
        (left << self.half_bits) | right
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
