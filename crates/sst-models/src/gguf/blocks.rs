//! Quantised numbers of GGML. They are stored in blocks, each with one scale and, in some types, one minimum.

use super::half::half;
use super::k_quants::{self, q2_k, q3_k, q4_k, q5_k, q6_k};

/// The type of a tensor's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantised {
    F32,
    F16,
    Bf16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
}

/// The number of elements in a block of the older quantised types.
const BLOCK: usize = 32;

impl Quantised {
    /// The names of all types, for error messages.
    pub(super) const NAMES: &str =
        "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K and Q6_K";

    /// The type with this GGML type number; `None` if sst does not read it.
    pub(super) fn of(ggml_type: u32) -> Option<Self> {
        Some(match ggml_type {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            10 => Self::Q2K,
            11 => Self::Q3K,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            30 => Self::Bf16,
            _ => return None,
        })
    }

    /// The number of elements in a block.
    pub(super) fn block(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Q2K | Self::Q3K | Self::Q4K | Self::Q5K | Self::Q6K => k_quants::BLOCK,
            _ => BLOCK,
        }
    }

    fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q4_0 => 2 + 16,
            Self::Q4_1 => 4 + 16,
            Self::Q5_0 => 2 + 4 + 16,
            Self::Q5_1 => 4 + 4 + 16,
            Self::Q8_0 => 2 + 32,
            Self::Q2K => 16 + 64 + 4,
            Self::Q3K => 32 + 64 + 12 + 2,
            Self::Q4K => 4 + 12 + 128,
            Self::Q5K => 4 + 12 + 32 + 128,
            Self::Q6K => 128 + 64 + 16 + 2,
        }
    }

    /// The number of bytes of `count` elements, which fill whole blocks.
    pub(super) fn bytes(self, count: u64) -> u64 {
        count / self.block() as u64 * self.block_bytes() as u64
    }

    /// Dequantises whole blocks.
    pub(super) fn numbers(self, bytes: &[u8]) -> Vec<f32> {
        let blocks = bytes.chunks_exact(self.block_bytes());
        let mut numbers = Vec::with_capacity(blocks.len() * self.block());
        for block in blocks {
            match self {
                Self::F32 => {
                    numbers.push(f32::from_le_bytes([block[0], block[1], block[2], block[3]]))
                }
                Self::F16 => numbers.push(half(block)),
                Self::Bf16 => {
                    numbers.push(f32::from_le_bytes([0, 0, block[0], block[1]]));
                }
                Self::Q4_0 => nibbles(&mut numbers, &block[2..], None, |q| half(block) * (q - 8.0)),
                Self::Q4_1 => {
                    let (scale, minimum) = (half(block), half(&block[2..]));
                    nibbles(&mut numbers, &block[4..], None, |q| scale * q + minimum);
                }
                Self::Q5_0 => {
                    let fifth = Some(&block[2..6]);
                    nibbles(&mut numbers, &block[6..], fifth, |q| half(block) * (q - 16.0));
                }
                Self::Q5_1 => {
                    let (scale, minimum) = (half(block), half(&block[2..]));
                    nibbles(&mut numbers, &block[8..], Some(&block[4..8]), |q| scale * q + minimum);
                }
                Self::Q8_0 => {
                    let scale = half(block);
                    numbers.extend(block[2..].iter().map(|q| scale * f32::from(*q as i8)));
                }
                Self::Q2K => q2_k(block, &mut numbers),
                Self::Q3K => q3_k(block, &mut numbers),
                Self::Q4K => q4_k(block, &mut numbers),
                Self::Q5K => q5_k(block, &mut numbers),
                Self::Q6K => q6_k(block, &mut numbers),
            }
        }
        numbers
    }
}

/// The name of a GGML type number, for error messages.
pub(super) fn type_name(ggml_type: u32) -> &'static str {
    const NAMES: [&str; 40] = [
        "F32",
        "F16",
        "Q4_0",
        "Q4_1",
        "Q4_2",
        "Q4_3",
        "Q5_0",
        "Q5_1",
        "Q8_0",
        "Q8_1",
        "Q2_K",
        "Q3_K",
        "Q4_K",
        "Q5_K",
        "Q6_K",
        "Q8_K",
        "IQ2_XXS",
        "IQ2_XS",
        "IQ3_XXS",
        "IQ1_S",
        "IQ4_NL",
        "IQ3_S",
        "IQ2_S",
        "IQ4_XS",
        "I8",
        "I16",
        "I32",
        "I64",
        "F64",
        "IQ1_M",
        "BF16",
        "Q4_0_4_4",
        "Q4_0_4_8",
        "Q4_0_8_8",
        "TQ1_0",
        "TQ2_0",
        "IQ4_NL_4_4",
        "IQ4_NL_4_8",
        "IQ4_NL_8_8",
        "MXFP4",
    ];
    NAMES.get(ggml_type as usize).copied().unwrap_or("unknown")
}

/// Unpacks numbers of four bits. The low halves of the bytes hold the first half of the block, the high halves the
/// second. `fifth` holds a fifth bit of each number, in types that have one.
fn nibbles(
    numbers: &mut Vec<f32>,
    bytes: &[u8],
    fifth: Option<&[u8]>,
    number: impl Fn(f32) -> f32,
) {
    let fifth = fifth.map_or(0, |bits| u32::from_le_bytes([bits[0], bits[1], bits[2], bits[3]]));
    let bit = |at: usize| ((fifth >> at & 1) << 4) as u8;
    let low = bytes.iter().enumerate().map(|(at, byte)| byte & 15 | bit(at));
    let high = bytes.iter().enumerate().map(|(at, byte)| byte >> 4 | bit(at + BLOCK / 2));
    numbers.extend(low.chain(high).map(|q| number(f32::from(q))));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks built by hand from the definitions in GGML.
    #[test]
    fn blocks() {
        let (two, minus_three) = (0x4000_u16.to_le_bytes(), 0xc200_u16.to_le_bytes());
        let bytes: Vec<u8> = (0..16).map(|i| i | (15 - i) << 4).collect();
        let q = |at: usize| if at < 16 { at as f32 } else { 31.0 - at as f32 };
        let check = |kind: Quantised, block: &[&[u8]], number: &dyn Fn(usize) -> f32| {
            let block = block.concat();
            assert_eq!(kind.bytes(32), block.len() as u64, "{kind:?}");
            let want: Vec<f32> = (0..32).map(number).collect();
            assert_eq!(kind.numbers(&block), want, "{kind:?}");
        };
        check(Quantised::Q4_0, &[&two, &bytes], &|at| 2.0 * (q(at) - 8.0));
        check(Quantised::Q4_1, &[&two, &minus_three, &bytes], &|at| 2.0 * q(at) - 3.0);
        // The first and the last number have their fifth bit set.
        let fifth = 0x8000_0001_u32.to_le_bytes();
        let more = |at: usize| if [0, 31].contains(&at) { 16.0 } else { 0.0 };
        check(Quantised::Q5_0, &[&two, &fifth, &bytes], &|at| 2.0 * (q(at) + more(at) - 16.0));
        let parts: [&[u8]; 4] = [&two, &minus_three, &fifth, &bytes];
        check(Quantised::Q5_1, &parts, &|at| 2.0 * (q(at) + more(at)) - 3.0);
        let signed: Vec<u8> = (0..32).map(|i: i32| (8 * i - 128) as i8 as u8).collect();
        check(Quantised::Q8_0, &[&two, &signed], &|at| 2.0 * (at as f32 * 8.0 - 128.0));
        assert_eq!(Quantised::Bf16.numbers(&[0x80, 0x3f, 0x20, 0xc0]), [1.0, -2.5]);
        assert_eq!(Quantised::of(23), None);
        assert_eq!((type_name(23), type_name(39), type_name(40)), ("IQ4_XS", "MXFP4", "unknown"));
    }
}
