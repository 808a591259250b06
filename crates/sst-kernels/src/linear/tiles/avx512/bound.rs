//! Measures the upper bound of the speed of products.

use std::arch::x86_64::*;
use std::hint::black_box;

use super::amx::Tiles;
use crate::linear::tiles::{Unit, unit};

/// The number of independent sums of vectors, as many as the products of tiles have.
const SUMS: usize = 16;

/// Runs the multiplication of bf16 tiles on data in registers, `times` times for each sum. Returns the number of
/// multiplications and additions; `None` if the processor has no such unit.
#[doc(hidden)]
pub fn multiply_in_registers(times: usize) -> Option<u64> {
    let each = match unit()? {
        Unit::Lanes => return None,
        Unit::Vectors => {
            // SAFETY: the processor has AVX-512 bf16.
            black_box(unsafe { by_vectors(times) });
            2 * 32 * SUMS
        }
        Unit::Tiles => {
            // SAFETY: the process may use AMX.
            unsafe { Tiles::set_up() }.multiply_themselves(times);
            2 * 32 * 16 * 16 * 4
        }
    };
    Some((times * each) as u64)
}

#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn by_vectors(times: usize) -> f32 {
    let ones = black_box(_mm512_set1_ps(1.0));
    let pairs = _mm512_cvtne2ps_pbh(ones, ones);
    let mut sums = [_mm512_setzero_ps(); SUMS];
    for _ in 0..times {
        for sum in &mut sums {
            *sum = _mm512_dpbf16_ps(*sum, pairs, pairs);
        }
    }
    sums.into_iter().map(|sum| _mm512_reduce_add_ps(sum)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::tiles::forbid_unit;

    #[test]
    fn all_products_are_added() {
        if unit() < Some(Unit::Vectors) {
            eprintln!("skipped: the processor has no AVX-512 bf16");
            return;
        }
        forbid_unit(Some(Unit::Tiles));
        let count = multiply_in_registers(1000);
        forbid_unit(None);
        // SAFETY: the processor has it. Each product of ones adds one.
        let sum = unsafe { by_vectors(1000) };
        assert_eq!(sum, (1000 * SUMS * 32) as f32);
        assert_eq!(count, Some(2 * sum as u64), "a multiplication and an addition for each");
        assert!(multiply_in_registers(1).is_some_and(|count| count > 0));
    }
}
