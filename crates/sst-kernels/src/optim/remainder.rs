//! An fp32 number as two 16-bit numbers: the nearest bf16 number, which layers compute with, and an int16 remainder. Both
//! together take as much memory as the fp32 number, so that no separate bf16 copy is needed.

use std::slice::{self, from_raw_parts_mut as slice_mut};

use tch::{Kind, Tensor};

use super::ffi::Plain;
use super::{INT16, number, plain};
use crate::cpu::CpuLevel;
use crate::error::{Error, Result};
use crate::number::Body;
use crate::parallel::parallel;

/// The number of elements that a thread takes at a time.
const CHUNK: usize = 1 << 16;

/// The bf16 high part and the int16 remainder. Of two equally near bf16 numbers it is the one further from zero, so
/// that the sign of the remainder is unambiguous.
#[inline(always)]
pub(super) fn split(x: f32) -> (u16, i16) {
    let bits = x.to_bits();
    ((bits.wrapping_add(0x8000) >> 16) as u16, bits as i16)
}

/// Restores the fp32 number bit for bit.
#[inline(always)]
pub(super) fn join(high: u16, remainder: i16) -> f32 {
    f32::from_bits((u32::from(high) << 16).wrapping_add(i32::from(remainder) as u32))
}

/// Splits the fp32 tensor `full` into `high` (bf16) and `remainder` (int16) of the same shape.
/// [`join_bf16_remainder`] restores the same bits. The tensors must be contiguous and on the CPU.
///
/// # Errors
/// If shapes, types or devices do not fit, or libtorch fails.
pub fn split_bf16_remainder(full: &Tensor, high: &Tensor, remainder: &Tensor) -> Result<()> {
    run(full, high, remainder, true)
}

/// Restores the fp32 tensor that [`split_bf16_remainder`] has split.
///
/// # Errors
/// As for [`split_bf16_remainder`].
pub fn join_bf16_remainder(high: &Tensor, remainder: &Tensor) -> Result<Tensor> {
    let full = Tensor::f_empty(high.size(), (Kind::Float, high.device()))?;
    run(&full, high, remainder, false)?;
    Ok(full)
}

fn run(full: &Tensor, high: &Tensor, remainder: &Tensor, splits: bool) -> Result<()> {
    let found = plain([full, high, remainder])?;
    let [full, high, remainder] = found[..] else { unreachable!("three of three") };
    let fits = full.is(number::Kind::Float, high.count)
        && high.kind() == Some(number::Kind::BFloat16)
        && (remainder.kind, remainder.count) == (INT16, high.count);
    if !fits {
        let message = "bf16 remainder: fp32, bf16 and int16 of one size on the CPU are needed";
        return Err(Error::Contract(message.to_owned()));
    }
    let all = Split { full, high, remainder, splits };
    let level = CpuLevel::current();
    parallel(c"sst::bf16_remainder", full.count.div_ceil(CHUNK), |i| {
        level.run(Chunk { all: &all, start: i * CHUNK });
    })
}

struct Split {
    full: Plain,
    high: Plain,
    remainder: Plain,
    splits: bool,
}

// SAFETY: each chunk is read and written by one thread, while the tensors live.
unsafe impl Sync for Split {}

struct Chunk<'a> {
    all: &'a Split,
    start: usize,
}

impl Body for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { all: Split { full, high, remainder, splits }, start } = self;
        let n = CHUNK.min(full.count - start);
        // SAFETY: as many numbers of these types.
        let (full, high, remainder) = unsafe {
            (
                full.data.cast::<f32>().add(start),
                high.data.cast::<u16>().add(start),
                remainder.data.cast::<i16>().add(start),
            )
        };
        // Only the tensors that are written are borrowed mutably; the others may be read elsewhere at the same time.
        if *splits {
            // SAFETY: no other thread uses high part and remainder of this chunk, and no thread writes the fp32
            // numbers.
            let (full, high, remainder) = unsafe {
                (slice::from_raw_parts(full, n), slice_mut(high, n), slice_mut(remainder, n))
            };
            for ((full, high), remainder) in full.iter().zip(high).zip(remainder) {
                (*high, *remainder) = split(*full);
            }
        } else {
            // SAFETY: no other thread uses the fp32 numbers of this chunk, and no thread writes high part and
            // remainder.
            let (full, high, remainder) = unsafe {
                (
                    slice_mut(full, n),
                    slice::from_raw_parts(high, n),
                    slice::from_raw_parts(remainder, n),
                )
            };
            for ((full, high), remainder) in full.iter_mut().zip(high).zip(remainder) {
                *full = join(*high, *remainder);
            }
        }
    }
}
