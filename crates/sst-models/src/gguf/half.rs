//! Numbers in IEEE half precision (fp16).

/// The fp16 number in the first two bytes, little-endian.
pub(super) fn half(bytes: &[u8]) -> f32 {
    let bits = u16::from_le_bytes([bytes[0], bytes[1]]);
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves() {
        for (bits, value) in [
            (0x3c00_u16, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x0001, 5.960_464_5e-8),
            (0x7bff, 65_504.0),
            (0x8000, 0.0),
        ] {
            assert_eq!(half(&bits.to_le_bytes()), value, "{bits:x}");
        }
        assert!(half(&0x7e00_u16.to_le_bytes()).is_nan());
        assert_eq!(half(&0xfc00_u16.to_le_bytes()), f32::NEG_INFINITY);
    }
}
