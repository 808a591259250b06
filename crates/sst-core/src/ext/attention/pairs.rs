//! The forward pass in bf16 by dot products of pairs (AVX-512 bf16): half the steps of fp32, and nothing is widened.
//!
//! As in `abreast` there is a query in each lane. Scores sum over pairs along the width of a head: of a key they are
//! read where it lies, queries are turned so that a pair of each lies side by side. What mixes the values sums over
//! pairs of keys. Probabilities are rounded to bf16 for that, as what comes of them is.
//!
//! Letters: m queries of the row, l keys, e width of a head, a multiple of 32.

use std::arch::x86_64::*;
use std::ffi::c_void;
use std::mem::transmute;

use super::kernel::{BLOCK, Place, Scratch, heads, padded, prefetch_next};
use super::task::{Source, Task};
use crate::ext::number::Kind;
use crate::ext::random::{Dropout, LineDropout};
use crate::ext::simd::{Avx512, MOST_LANES, Simd};

/// Pairs in a vector, and queries.
const LANES: usize = 16;
/// Numbers of a vector.
const NUMBERS: usize = 2 * LANES;
/// Keys or queries whose sums stay in registers, up to three vectors of each.
const HEIGHT: usize = 8;
/// As many as need not wait for the last sum where there is one vector of each.
const TALL: usize = 16;

/// Whether this is for such a task.
pub(super) fn takes(task: &Task) -> bool {
    task.kind == Kind::BFloat16 && task.width.is_multiple_of(NUMBERS) && has_pairs()
}

fn has_pairs() -> bool {
    is_x86_feature_detected!("avx512bf16")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
}

/// Writes `out` and the logarithms of the sums for the task at `place`.
///
/// # Safety
/// As for [`super::kernel::forward`]; [`takes`] must hold.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,avx512bf16")]
pub(super) unsafe fn forward(task: &Task, place: Place, scratch: &mut Scratch) {
    let Place { queries: (start, m), keys: (key_start, l), group, .. } = place;
    let e = task.width;
    let [values, queries, scores] = scratch.cut([l.div_ceil(2) * e, e / 2 * BLOCK, l * BLOCK]);
    let (values, queries) = (values.cast::<i32>(), queries.cast::<i32>());
    // SAFETY: every buffer has the size that its use below needs.
    unsafe {
        let (keys, key_stride) = token(task.key, key_start, group * e);
        pair(token(task.value, key_start, group * e), l, e, values);
        prefetch_next::<Avx512>(task, place);
        for head in heads(task, group) {
            for first in (0..m).step_by(BLOCK) {
                let count = (m - first).min(BLOCK);
                let (seen, wide) = (place.seen(task, first + count - 1), padded(count));
                turn(token(task.query, start + first, head * e), count, e, (queries, wide));
                let scale = _mm512_set1_ps(task.scale);
                multiply_keys((keys, key_stride), [seen, e], (queries, wide), scores, scale);
                for i in 0..count {
                    for key in place.seen(task, first + i)..seen {
                        *scores.add(key * wide + i) = f32::NEG_INFINITY;
                    }
                }
                let mut inverse = [0.0; BLOCK];
                for i in (0..wide).step_by(LANES) {
                    let rest = count - i;
                    let lines = Dropout::new(task.dropout, task.seed).map(|dropout| {
                        let line = |j| dropout.line([place.row, head, first + i + j]);
                        Lines::new(std::array::from_fn(|j| line(j.min(rest - 1))))
                    });
                    let (largest, sum) = softmax(scores.add(i), wide, seen, lines);
                    _mm512_storeu_ps(
                        inverse.as_mut_ptr().add(i),
                        _mm512_div_ps(_mm512_set1_ps(1.0), sum),
                    );
                    if !task.log_sums.is_null() {
                        let (mut all, mut sums) = ([0.0; LANES], [0.0_f32; LANES]);
                        _mm512_storeu_ps(all.as_mut_ptr(), largest);
                        _mm512_storeu_ps(sums.as_mut_ptr(), sum);
                        for (j, (largest, sum)) in all.iter().zip(sums).enumerate().take(rest) {
                            let token = start + first + i + j;
                            *task.log_sums.add(token * task.heads + head) = largest + sum.ln();
                        }
                    }
                }
                let stride = task.heads * e;
                let out = task.out.cast::<u16>().add((start + first) * stride + head * e);
                let parts = (scores.cast::<i32>().cast_const(), wide);
                mix(parts, [count, seen, e], values, (out, stride), &inverse);
            }
        }
    }
}

/// Where a token's numbers begin, and how many there are from one token to the next.
unsafe fn token(from: Source, token: usize, column: usize) -> (*const u16, usize) {
    let place = token * from.stride + column;
    (from.data.cast::<u16>().wrapping_add(place), from.stride)
}

/// Numbers `2 c` and `2 c + 1` of each of `count` tokens side by side at row `c`, with zeros for tokens up to a whole
/// vector.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn turn(
    (from, stride): (*const u16, usize),
    count: usize,
    e: usize,
    (to, wide): (*mut i32, usize),
) {
    for first in (0..wide).step_by(LANES) {
        for column in (0..e).step_by(NUMBERS) {
            // SAFETY: the caller promises the tokens and the room.
            unsafe {
                let mut lines = [_mm512_setzero_ps(); MOST_LANES];
                for (i, line) in lines.iter_mut().enumerate().take(count - first) {
                    *line = _mm512_loadu_ps(from.add((first + i) * stride + column).cast());
                }
                Avx512::transpose(&mut lines);
                for (i, line) in lines.into_iter().enumerate() {
                    _mm512_storeu_ps(to.add((column / 2 + i) * wide + first).cast(), line);
                }
            }
        }
    }
}

/// The numbers of tokens `2 k` and `2 k + 1` side by side at row `k`; zeros for a token after the last.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn pair((from, stride): (*const u16, usize), count: usize, e: usize, to: *mut i32) {
    /// Number i of the first vector, then number i of the second (32 and more), for the first half of a vector.
    const BOTH: [i16; NUMBERS] = {
        let mut all = [0; NUMBERS];
        let mut i = 0;
        while i < LANES {
            all[2 * i] = i as i16;
            all[2 * i + 1] = (NUMBERS + i) as i16;
            i += 1;
        }
        all
    };
    // SAFETY: the caller promises the tokens and the room.
    unsafe {
        let lower = _mm512_loadu_si512(BOTH.as_ptr().cast());
        let upper = _mm512_add_epi16(lower, _mm512_set1_epi16(LANES as i16));
        for k in 0..count.div_ceil(2) {
            for column in (0..e).step_by(NUMBERS) {
                let at = from.wrapping_add(2 * k * stride + column);
                let a = _mm512_loadu_si512(at.cast());
                let b = match 2 * k + 1 < count {
                    true => _mm512_loadu_si512(at.wrapping_add(stride).cast()),
                    false => _mm512_setzero_si512(),
                };
                let to = to.add(k * e + column);
                _mm512_storeu_si512(to.cast(), _mm512_permutex2var_epi16(a, lower, b));
                _mm512_storeu_si512(to.add(LANES).cast(), _mm512_permutex2var_epi16(a, upper, b));
            }
        }
    }
}

/// The scores of each query with `l` keys, `[l, wide]`.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn multiply_keys(
    (keys, stride): (*const u16, usize),
    [l, e]: [usize; 2],
    (queries, wide): (*const i32, usize),
    scores: *mut f32,
    scale: __m512,
) {
    // SAFETY: the caller promises the sizes.
    unsafe {
        let left = Left { data: keys.cast(), row: 2 * stride, pair: 4 };
        let right = (queries, wide);
        let store = |key: usize, sums: &[__m512]| {
            for (i, sum) in sums.iter().enumerate() {
                let to = scores.add(key * wide + i * LANES);
                _mm512_storeu_ps(to, _mm512_mul_ps(*sum, scale));
            }
        };
        match wide / LANES {
            1 => rows::<TALL, 1>(left, l, right, e / 2, store),
            2 => rows::<HEIGHT, 2>(left, l, right, e / 2, store),
            _ => rows::<HEIGHT, 3>(left, l, right, e / 2, store),
        }
    }
}

/// `out` of each query from its probabilities' pairs of keys, `[l / 2, wide]`, divided by the sum of them all.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn mix(
    (parts, wide): (*const i32, usize),
    [m, l, e]: [usize; 3],
    values: *const i32,
    (out, stride): (*mut u16, usize),
    inverse: &[f32; BLOCK],
) {
    for column in (0..e).step_by(NUMBERS) {
        // SAFETY: the caller promises the sizes.
        unsafe {
            let left = Left { data: parts.cast(), row: 4, pair: 4 * wide };
            let right = (values.add(column), e);
            rows::<HEIGHT, 2>(left, m, right, l.div_ceil(2), |query, sums| {
                let inverse = _mm512_set1_ps(inverse[query]);
                let [a, b] = [0, 1].map(|i| _mm512_mul_ps(sums[i], inverse));
                let both = transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(b, a));
                _mm512_storeu_si512(out.add(query * stride + column).cast(), both);
            });
        }
    }
}

/// The left factor of a product: bytes from one row to the next, and from one pair of a row to the next.
#[derive(Clone, Copy)]
struct Left {
    data: *const c_void,
    row: usize,
    pair: usize,
}

/// Calls `done` with the sums of each row of a product with `W` vectors of columns over `pairs`; with some rows twice.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn rows<const H: usize, const W: usize>(
    left: Left,
    count: usize,
    right: (*const i32, usize),
    pairs: usize,
    done: impl Fn(usize, &[__m512]),
) {
    let at = |row: usize| Left { data: left.data.wrapping_byte_add(row * left.row), ..left };
    // SAFETY: passed on.
    unsafe {
        if count < H {
            for row in 0..count {
                done(row, &tile::<1, W>(at(row), right, pairs)[0]);
            }
            return;
        }
        for row in (0..count).step_by(H) {
            // The last ones begin earlier instead of being fewer.
            let row = row.min(count - H);
            for (i, sums) in tile::<H, W>(at(row), right, pairs).iter().enumerate() {
                done(row + i, sums);
            }
        }
    }
}

/// The sums of some rows, held in registers while the pairs run.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn tile<const H: usize, const W: usize>(
    left: Left,
    (right, stride): (*const i32, usize),
    pairs: usize,
) -> [[__m512; W]; H] {
    // SAFETY: the caller promises the numbers; both types are 512 bits without a niche.
    unsafe {
        let as_pairs = |x| transmute::<__m512i, __m512bh>(x);
        let mut sums = [[_mm512_setzero_ps(); W]; H];
        for pair in 0..pairs {
            let line = right.add(pair * stride);
            let mut columns = [_mm512_setzero_si512(); W];
            for (i, column) in columns.iter_mut().enumerate() {
                *column = _mm512_loadu_si512(line.add(i * LANES).cast());
            }
            let first = left.data.wrapping_byte_add(pair * left.pair);
            for (row, sums) in sums.iter_mut().enumerate() {
                // A matrix in bf16 may begin between two of these.
                let number = first.wrapping_byte_add(row * left.row).cast::<i32>();
                let number = as_pairs(_mm512_set1_epi32(number.read_unaligned()));
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum = _mm512_dpbf16_ps(*sum, number, as_pairs(column));
                }
            }
        }
        sums
    }
}

/// `e^(x - largest)` down each lane of `l` vectors that lie `wide` numbers apart, dropped from: of keys `2 k` and
/// `2 k + 1` side by side in row `k`, which then is theirs. The largest, and the sums before anything was dropped.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,avx512bf16")]
unsafe fn softmax(
    scores: *mut f32,
    wide: usize,
    l: usize,
    dropout: Option<Lines>,
) -> (__m512, __m512) {
    let hidden = _mm512_set1_ps(f32::NEG_INFINITY);
    // SAFETY: the caller promises the numbers; a row is written when it has been read.
    unsafe {
        let mut most = hidden;
        for key in 0..l {
            most = _mm512_max_ps(most, _mm512_loadu_ps(scores.add(key * wide)));
        }
        let exp = |key: usize| {
            let x = _mm512_loadu_ps(scores.add(key * wide));
            let is_seen = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(x, hidden);
            _mm512_maskz_mov_ps(is_seen, Avx512::exp(_mm512_sub_ps(x, most)))
        };
        let mut sum = _mm512_setzero_ps();
        for key in (0..l).step_by(2) {
            let mut a = exp(key);
            let mut b = if key + 1 < l { exp(key + 1) } else { _mm512_setzero_ps() };
            sum = _mm512_add_ps(sum, _mm512_add_ps(a, b));
            if let Some(lines) = dropout {
                a = _mm512_mul_ps(a, lines.factors(key));
                b = _mm512_mul_ps(b, lines.factors(key + 1));
            }
            // Sixteen of each to pairs.
            let both = transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(b, a));
            let both = _mm512_permutexvar_epi16(_mm512_loadu_si512(MIXED.as_ptr().cast()), both);
            _mm512_storeu_si512(scores.add(key / 2 * wide).cast(), both);
        }
        (most, sum)
    }
}

/// Number i of the first half of a vector, then number i of the second.
const MIXED: [i16; NUMBERS] = {
    let mut all = [0; NUMBERS];
    let mut i = 0;
    while i < LANES {
        all[2 * i] = i as i16;
        all[2 * i + 1] = (LANES + i) as i16;
        i += 1;
    }
    all
};

/// The dropout of a line in each lane.
#[derive(Clone, Copy)]
struct Lines {
    starts: [u32; LANES],
    threshold: u32,
    keep_scale: f32,
}

impl Lines {
    fn new(lines: [LineDropout; LANES]) -> Self {
        let [LineDropout { threshold, keep_scale, .. }, ..] = lines;
        Self { starts: lines.map(|line| line.start), threshold, keep_scale }
    }

    /// What the numbers at this place of each line are multiplied by, as [`LineDropout::factor`] has it.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn factors(&self, at: usize) -> __m512 {
        // SAFETY: sixteen numbers.
        let starts = unsafe { _mm512_loadu_si512(self.starts.as_ptr().cast()) };
        let place = (at as u32).wrapping_mul(LineDropout::APART).cast_signed();
        let is_kept =
            Avx512::is_kept(_mm512_xor_si512(starts, _mm512_set1_epi32(place)), self.threshold);
        _mm512_maskz_mov_ps(is_kept, _mm512_set1_ps(self.keep_scale))
    }
}
