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

/// Numbers that a thread takes at a time.
const CHUNK: usize = 1 << 16;

/// The two halves: of two bf16 numbers as near, the one further from zero, so that the rest says which.
#[inline(always)]
pub(super) fn split(x: f32) -> (u16, i16) {
    let bits = x.to_bits();
    ((bits.wrapping_add(0x8000) >> 16) as u16, bits as i16)
}

/// The number of two halves, bit for bit.
#[inline(always)]
pub(super) fn join(high: u16, rest: i16) -> f32 {
    f32::from_bits((u32::from(high) << 16).wrapping_add(i32::from(rest) as u32))
}

/// Writes `full`, in fp32, to `high`, in bf16, and `rest`, in int16, of its shape: [`join_halves`] gives the same bits.
/// For contiguous tensors on the CPU.
///
/// # Errors
/// If they are not alike, or libtorch fails.
pub fn split_halves(full: &Tensor, high: &Tensor, rest: &Tensor) -> Result<()> {
    run(full, high, rest, true)
}

/// What [`split_halves`] split.
///
/// # Errors
/// As there.
pub fn join_halves(high: &Tensor, rest: &Tensor) -> Result<Tensor> {
    let full = Tensor::f_empty(high.size(), (Kind::Float, high.device()))?;
    run(&full, high, rest, false)?;
    Ok(full)
}

fn run(full: &Tensor, high: &Tensor, rest: &Tensor, splits: bool) -> Result<()> {
    let found = plain([full, high, rest])?;
    let [full, high, rest] = found[..] else { unreachable!("three of three") };
    let fits = full.is(number::Kind::Float, high.count)
        && high.kind() == Some(number::Kind::BFloat16)
        && (rest.kind, rest.count) == (INT16, high.count);
    if !fits {
        let message = "halves: fp32, bf16 and int16 of one size on the CPU are needed";
        return Err(Error::Contract(message.to_owned()));
    }
    let all = Halves { full, high, rest, splits };
    let level = CpuLevel::current();
    parallel(c"sst::halves", full.count.div_ceil(CHUNK), |i| {
        level.run(Chunk { all: &all, start: i * CHUNK });
    })
}

struct Halves {
    full: Plain,
    high: Plain,
    rest: Plain,
    splits: bool,
}

// SAFETY: each chunk is read and written by one thread, while the tensors live.
unsafe impl Sync for Halves {}

struct Chunk<'a> {
    all: &'a Halves,
    start: usize,
}

impl Body for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { all: Halves { full, high, rest, splits }, start } = self;
        let n = CHUNK.min(full.count - start);
        // SAFETY: as many numbers of these types.
        let (full, high, rest) = unsafe {
            (
                full.data.cast::<f32>().add(start),
                high.data.cast::<u16>().add(start),
                rest.data.cast::<i16>().add(start),
            )
        };
        // Only what is written is borrowed to be written: what is read may be read elsewhere too.
        if *splits {
            // SAFETY: nobody else uses the halves of this chunk now, and nobody writes the full numbers.
            let (full, high, rest) =
                unsafe { (slice::from_raw_parts(full, n), slice_mut(high, n), slice_mut(rest, n)) };
            for ((full, high), rest) in full.iter().zip(high).zip(rest) {
                (*high, *rest) = split(*full);
            }
        } else {
            // SAFETY: nobody else uses the full numbers of this chunk now, and nobody writes the halves.
            let (full, high, rest) = unsafe {
                (slice_mut(full, n), slice::from_raw_parts(high, n), slice::from_raw_parts(rest, n))
            };
            for ((full, high), rest) in full.iter_mut().zip(high).zip(rest) {
                *full = join(*high, *rest);
            }
        }
    }
}
