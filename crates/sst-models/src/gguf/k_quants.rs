//! GGML's K-quants: blocks of 256 numbers, whose parts of 16 or 32 have scales, and perhaps least values, that are
//! quantised themselves. After `dequantize_row_q*_K` of ggml-quants.c.

use super::half::half;

/// Numbers in a block.
pub(super) const BLOCK: usize = 256;

/// Two bits a number, four each for the scale and the least value of 16: scales `[16]`, numbers `[64]`, and the
/// factors of scales and least values.
pub(super) fn q2_k(block: &[u8], numbers: &mut Vec<f32>) {
    let (scales, packed) = (&block[..16], &block[16..80]);
    let (factor, least) = (half(&block[80..]), half(&block[82..]));
    for (part, packed_scale) in scales.iter().enumerate() {
        let (scale, least) = (packed_scale & 15, least * f32::from(packed_scale >> 4));
        let scale = factor * f32::from(scale);
        let bits = two_bits(packed, part);
        numbers.extend(bits.map(|q| scale * f32::from(q) - least));
    }
}

/// Three bits a number, the third apart, and six for the scale of 16: third bits `[32]`, numbers `[64]`, scales
/// `[12]`, and the factor of the scales.
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

/// Four bits a number: two factors, the scales and least values of 32 `[12]`, numbers `[128]`.
pub(super) fn q4_k(block: &[u8], numbers: &mut Vec<f32>) {
    let packed = &block[16..144];
    for part in 0..8 {
        let (scale, least) = scale_and_least(block, part);
        let bits = four_bits(packed, part);
        numbers.extend(bits.map(|q| scale * f32::from(q) - least));
    }
}

/// Five bits a number, the fifth apart: as [`q4_k`], with fifth bits `[32]` before the numbers.
pub(super) fn q5_k(block: &[u8], numbers: &mut Vec<f32>) {
    let (fifth, packed) = (&block[16..48], &block[48..176]);
    for part in 0..8 {
        let (scale, least) = scale_and_least(block, part);
        let bits = four_bits(packed, part).zip(fifth);
        numbers
            .extend(bits.map(|(q, fifth)| scale * f32::from(q | (fifth >> part & 1) << 4) - least));
    }
}

/// Six bits a number, two of them apart: low bits `[128]`, high bits `[64]`, scales of 16 `[16]`, and their factor.
pub(super) fn q6_k(block: &[u8], numbers: &mut Vec<f32>) {
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let factor = half(&block[208..]);
    for at in 0..BLOCK {
        // Each half of the block has four parts of 32.
        let (of_two, part, place) = (at / 128, at % 128 / 32, at % 32);
        let byte = low[64 * of_two + 32 * (part % 2) + place];
        let four = if part < 2 { byte & 15 } else { byte >> 4 };
        let two = high[32 * of_two + place] >> (2 * part) & 3;
        let scale = factor * f32::from(scales[at / 16] as i8);
        numbers.push(scale * (f32::from(four | two << 4) - 32.0));
    }
}

/// The two bits of the 16 numbers of a part: each half of the block has four planes of 32 numbers in 32 bytes.
fn two_bits(packed: &[u8], part: usize) -> impl Iterator<Item = u8> {
    let (of_two, plane, half_of_32) = (part / 8, part % 8 / 2, part % 2);
    let bytes = &packed[32 * of_two + 16 * half_of_32..][..16];
    bytes.iter().map(move |byte| byte >> (2 * plane) & 3)
}

/// The four bits of the 32 numbers of a part: two parts share 32 bytes.
fn four_bits(packed: &[u8], part: usize) -> impl Iterator<Item = u8> {
    let bytes = &packed[32 * (part / 2)..][..32];
    bytes.iter().map(move |byte| if part.is_multiple_of(2) { byte & 15 } else { byte >> 4 })
}

/// The scale and the least value of a part, of six bits each that lie in twelve bytes after two factors.
fn scale_and_least(block: &[u8], part: usize) -> (f32, f32) {
    let packed = &block[4..16];
    let (scale, least) = match part {
        0..4 => (packed[part] & 63, packed[part + 4] & 63),
        _ => (
            packed[part + 4] & 15 | packed[part - 4] >> 6 << 4,
            packed[part + 4] >> 4 | packed[part] >> 6 << 4,
        ),
    };
    (half(block) * f32::from(scale), half(&block[2..]) * f32::from(least))
}
