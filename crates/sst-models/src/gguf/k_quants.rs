//! The K-quants of GGML: blocks of 256 numbers in groups of 16 or 32. Each group has a scale and, in some types, a
//! minimum, which are quantised as well. The formulas are those of `dequantize_row_q*_K` in ggml-quants.c.

use super::half::half;

/// The number of elements in a block.
pub(super) const BLOCK: usize = 256;

/// Q2_K: two bits for each number, and four bits each for the scale and the minimum of a group of 16. Layout: scales
/// and minima `[16]`, numbers `[64]`, then the factors of scales and minima.
pub(super) fn q2_k(block: &[u8], numbers: &mut Vec<f32>) {
    let (scales, packed) = (&block[..16], &block[16..80]);
    let (factor, minimum) = (half(&block[80..]), half(&block[82..]));
    for (part, packed_scale) in scales.iter().enumerate() {
        let (scale, minimum) = (packed_scale & 15, minimum * f32::from(packed_scale >> 4));
        let scale = factor * f32::from(scale);
        let bits = two_bits(packed, part);
        numbers.extend(bits.map(|q| scale * f32::from(q) - minimum));
    }
}

/// Q3_K: three bits for each number, the third of which is stored apart, and six bits for the scale of a group of 16.
/// Layout: third bits `[32]`, numbers `[64]`, scales `[12]`, then the factor of the scales.
pub(super) fn q3_k(block: &[u8], numbers: &mut Vec<f32>) {
    let (third, packed, scales) = (&block[..32], &block[32..96], &block[96..108]);
    let factor = half(&block[108..]);
    for part in 0..16 {
        let low = match part {
            0..8 => scales[part] & 15,
            _ => scales[part - 8] >> 4,
        };
        let high = scales[8 + part % 4] >> (2 * (part / 4)) & 3;
        let scale = factor * (f32::from(low | high << 4) - 32.0);
        let (plane, half_of_32) = (part / 2, part % 2);
        let bits = two_bits(packed, part).zip(&third[16 * half_of_32..]);
        numbers.extend(bits.map(|(q, third)| {
            let less = if third >> plane & 1 == 1 { 0.0 } else { 4.0 };
            scale * (f32::from(q) - less)
        }));
    }
}

/// Q4_K: four bits for each number. Layout: the factors of scales and minima, scales and minima of groups of 32
/// `[12]`, then numbers `[128]`.
pub(super) fn q4_k(block: &[u8], numbers: &mut Vec<f32>) {
    let packed = &block[16..144];
    for part in 0..8 {
        let (scale, minimum) = scale_and_minimum(block, part);
        let bits = four_bits(packed, part);
        numbers.extend(bits.map(|q| scale * f32::from(q) - minimum));
    }
}

/// Q5_K: five bits for each number, the fifth of which is stored apart. The layout is that of [`q4_k`] with fifth
/// bits `[32]` before the numbers.
pub(super) fn q5_k(block: &[u8], numbers: &mut Vec<f32>) {
    let (fifth, packed) = (&block[16..48], &block[48..176]);
    for part in 0..8 {
        let (scale, minimum) = scale_and_minimum(block, part);
        let bits = four_bits(packed, part).zip(fifth);
        numbers.extend(
            bits.map(|(q, fifth)| scale * f32::from(q | (fifth >> part & 1) << 4) - minimum),
        );
    }
}

/// Q6_K: six bits for each number, the upper two of which are stored apart. Layout: low bits `[128]`, high bits
/// `[64]`, scales of groups of 16 `[16]`, then their factor.
pub(super) fn q6_k(block: &[u8], numbers: &mut Vec<f32>) {
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let factor = half(&block[208..]);
    for at in 0..BLOCK {
        // Each half of the block has four groups of 32 numbers.
        let (half_block, part, place) = (at / 128, at % 128 / 32, at % 32);
        let byte = low[64 * half_block + 32 * (part % 2) + place];
        let four = if part < 2 { byte & 15 } else { byte >> 4 };
        let two = high[32 * half_block + place] >> (2 * part) & 3;
        let scale = factor * f32::from(scales[at / 16] as i8);
        numbers.push(scale * (f32::from(four | two << 4) - 32.0));
    }
}

/// The lower two bits of the 16 numbers of group `part`. Each half of the block has four bit planes of 32 numbers in
/// 32 bytes.
fn two_bits(packed: &[u8], part: usize) -> impl Iterator<Item = u8> {
    let (half_block, plane, half_of_32) = (part / 8, part % 8 / 2, part % 2);
    let bytes = &packed[32 * half_block + 16 * half_of_32..][..16];
    bytes.iter().map(move |byte| byte >> (2 * plane) & 3)
}

/// The lower four bits of the 32 numbers of group `part`. Two groups share 32 bytes.
fn four_bits(packed: &[u8], part: usize) -> impl Iterator<Item = u8> {
    let bytes = &packed[32 * (part / 2)..][..32];
    bytes.iter().map(move |byte| if part.is_multiple_of(2) { byte & 15 } else { byte >> 4 })
}

/// The scale and the minimum of group `part`. They have six bits each and are packed into twelve bytes after the two
/// factors.
fn scale_and_minimum(block: &[u8], part: usize) -> (f32, f32) {
    let packed = &block[4..16];
    let (scale, minimum) = match part {
        0..4 => (packed[part] & 63, packed[part + 4] & 63),
        _ => (
            packed[part + 4] & 15 | packed[part - 4] >> 6 << 4,
            packed[part + 4] >> 4 | packed[part] >> 6 << 4,
        ),
    };
    (half(block) * f32::from(scale), half(&block[2..]) * f32::from(minimum))
}
