//! Random numbers for tests. They depend on their keys only, so that other tests cannot change them. libtorch's
//! generator is shared by all threads.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use tch::Tensor;

/// A generator for the tensors of one test.
pub(crate) struct Numbers {
    generator: ChaCha8Rng,
    /// The second of two normal numbers, which Box and Muller's method makes together.
    spare: Option<f64>,
}

impl Numbers {
    /// The generator for tensor `index` of test `name`.
    pub(crate) fn new(seed: u64, name: &str, index: u64) -> Self {
        // The hash of the name is FNV-1a.
        let mix =
            |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let mut key = [0_u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let hash = name.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, mix);
        key[8..16].copy_from_slice(&hash.to_le_bytes());
        key[24..].copy_from_slice(&index.to_le_bytes());
        Self { generator: ChaCha8Rng::from_seed(key), spare: None }
    }

    /// A number in `[0, 1)`.
    fn uniform(&mut self) -> f64 {
        (self.generator.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// An integer below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.generator.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A standard normal number (Box and Muller 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * self.uniform()).sin_cos();
        self.spare = Some(radius * sin);
        radius * cos
    }
}

/// An fp32 tensor of standard normal numbers: those of test `name`, whose tensors differ by `index`.
pub(crate) fn normal(name: &str, index: u64, shape: &[i64]) -> Tensor {
    let mut numbers = Numbers::new(5, name, index);
    let count = shape.iter().product();
    let values: Vec<f32> = (0_i64..count).map(|_| numbers.normal() as f32).collect();
    Tensor::from_slice(&values).reshape(shape)
}

#[test]
fn numbers_are_normal_and_repeat() {
    let x = normal("test.numbers", 0, &[200, 500]);
    let (mean, deviation) = (x.mean(None).double_value(&[]), x.std(true).double_value(&[]));
    // 100,000 draws: the deviation of the mean is 0.0032, and that of the deviation 0.0022.
    assert!(mean.abs() < 0.013 && (deviation - 1.0).abs() < 0.009, "{mean}, {deviation}");
    assert!(x.equal(&normal("test.numbers", 0, &[200, 500])));
    assert!(!x.equal(&normal("test.numbers", 1, &[200, 500])));
}
