//! Checks that the numbers of a tensor are finite in fp32. NaN and infinity have an exponent of all ones.

use rayon::prelude::*;

/// The number of bytes that a thread checks before it takes the next part.
const PART: usize = 1 << 20;

/// The index of the first number of `bytes` that is NaN or infinite, or becomes infinite in fp32; `None` if there is
/// none, or if `dtype` is not a floating-point type of parameters.
pub(super) fn first_not_finite(bytes: &[u8], dtype: &str) -> Option<usize> {
    match dtype {
        "F64" => find::<8>(bytes, |number| !(f64::from_le_bytes(*number) as f32).is_finite()),
        "F32" => {
            find::<4>(bytes, |number| u32::from_le_bytes(*number) & 0x7f80_0000 == 0x7f80_0000)
        }
        "F16" => find::<2>(bytes, |number| u16::from_le_bytes(*number) & 0x7c00 == 0x7c00),
        "BF16" => find::<2>(bytes, |number| u16::from_le_bytes(*number) & 0x7f80 == 0x7f80),
        _ => None,
    }
}

fn find<const N: usize>(bytes: &[u8], is_bad: impl Fn(&[u8; N]) -> bool + Sync) -> Option<usize> {
    // The search for any such number has no branch in its loop, so that the compiler vectorises it.
    let any = |part: &[u8]| {
        part.as_chunks::<N>().0.iter().fold(false, |found, number| found | is_bad(number))
    };
    let part = bytes.par_chunks(PART).position_first(any)? * PART;
    let place = bytes[part..].as_chunks::<N>().0.iter().position(is_bad)?;
    Some(part / N + place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_type_is_found() {
        let mut numbers = vec![1.5_f32; 600_000];
        let bytes =
            |numbers: &[f32]| -> Vec<u8> { numbers.iter().flat_map(|x| x.to_le_bytes()).collect() };
        assert_eq!(first_not_finite(&bytes(&numbers), "F32"), None);
        numbers[599_999] = f32::NEG_INFINITY;
        numbers[500_000] = f32::NAN;
        assert_eq!(first_not_finite(&bytes(&numbers), "F32"), Some(500_000));
        assert_eq!(first_not_finite(&f32::MAX.to_le_bytes(), "F32"), None);
        for bad in [1e300, f64::INFINITY, f64::NAN] {
            let wide: Vec<u8> = [1e30, bad].iter().flat_map(|x| x.to_le_bytes()).collect();
            assert_eq!(first_not_finite(&wide, "F64"), Some(1));
        }
        // 65,504 is the largest number of fp16, and the next bit pattern is infinity. In bf16 both patterns are
        // finite.
        let half: Vec<u8> = [0x7bff_u16, 0x7c00].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(first_not_finite(&half, "F16"), Some(1));
        assert_eq!(first_not_finite(&half, "BF16"), None);
        assert_eq!(first_not_finite(&0xff80_u16.to_le_bytes(), "BF16"), Some(0));
        assert_eq!(first_not_finite(&[0xff; 8], "I64"), None);
    }
}
