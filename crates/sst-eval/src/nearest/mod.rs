//! The nearest vectors of each query, all compared: blocks of queries times blocks of the corpus, of which only the
//! best scores stay, so that memory does not grow with either.
//!
//! Shapes: q queries, c entries of the corpus, d numbers in a vector, m queries and n entries of a block.

mod best;
mod error;
mod vectors;

use std::thread;

use sst_kernels::bytes_of;
use tch::{Device, Kind, Tensor};

use best::Best;

pub use best::Neighbour;
pub use error::NearestError;
pub(crate) use vectors::Vectors;

/// Scores that are made at once: 16 MiB. With a quarter of the queries mining takes an eighth longer, and with more
/// memory as long.
const BLOCK: Block = Block { queries: 2048, entries: 2048 };

/// Neighbours that the queries of a block keep at once, at most twice: 128 MiB in all.
const KEPT: usize = 1 << 22;

#[derive(Debug, Clone, Copy)]
struct Block {
    queries: usize,
    entries: usize,
}

impl Block {
    /// Fewer queries where each has many neighbours.
    fn of(k: usize) -> Self {
        Self { queries: BLOCK.queries.min(KEPT / k.max(1)).max(1), ..BLOCK }
    }
}

/// Finds the `k` entries of `corpus_cd` `[c, d]` whose dot products with each row of `queries_qd` `[q, d]` are
/// largest, of those that `is_candidate` lets through, and hands them to `each` with the query's number, queries in
/// order: the best first, of equal ones the lower index. Fewer where there are fewer. For vectors of length 1 the
/// dot product is the cosine.
///
/// # Errors
/// If the vectors are not fp32 on the CPU and of one width, one of them has no length below 1e18 (NaN and infinity
/// have none), libtorch fails, or `each` does.
pub fn nearest<E: From<NearestError>>(
    queries_qd: &Tensor,
    corpus_cd: &Tensor,
    k: usize,
    is_candidate: impl Fn(usize) -> bool + Sync,
    each: impl FnMut(usize, &[Neighbour]) -> Result<(), E>,
) -> Result<(), E> {
    let queries = Vectors::new("queries", queries_qd)?;
    let corpus = Vectors::new("corpus", corpus_cd)?;
    queries.check_width(&corpus)?;
    nearest_of(&queries, &corpus, k, is_candidate, each)
}

/// [`nearest`] of vectors that are checked already.
pub(crate) fn nearest_of<E: From<NearestError>>(
    queries: &Vectors,
    corpus: &Vectors,
    k: usize,
    is_candidate: impl Fn(usize) -> bool + Sync,
    each: impl FnMut(usize, &[Neighbour]) -> Result<(), E>,
) -> Result<(), E> {
    let k = k.min(corpus.count());
    in_blocks(queries, corpus, k, Block::of(k), is_candidate, each)
}

fn in_blocks<E: From<NearestError>>(
    queries: &Vectors,
    corpus: &Vectors,
    k: usize,
    block: Block,
    is_candidate: impl Fn(usize) -> bool + Sync,
    mut each: impl FnMut(usize, &[Neighbour]) -> Result<(), E>,
) -> Result<(), E> {
    let most = block.queries.min(queries.count()) * block.entries.min(corpus.count());
    let scores =
        Tensor::f_empty([most as i64], (Kind::Float, Device::Cpu)).map_err(NearestError::from)?;
    let mut best: Vec<Best> = Vec::new();
    best.resize_with(block.queries.min(queries.count()), || Best::new(k));
    for first_query in (0..queries.count()).step_by(block.queries) {
        let m = block.queries.min(queries.count() - first_query);
        let queries_md = queries.rows(first_query, m)?;
        best.iter_mut().for_each(Best::clear);
        for first in (0..corpus.count()).step_by(block.entries) {
            let n = block.entries.min(corpus.count() - first);
            let scores_mn = product(&queries_md, &corpus.rows(first, n)?, &scores)?;
            read(&scores_mn, first, &mut best[..m], &is_candidate)?;
        }
        for (i, best) in best[..m].iter_mut().enumerate() {
            each(first_query + i, best.ranked())?;
        }
    }
    Ok(())
}

/// The dot products `[m, n]` of two blocks, in the memory of `scores`.
fn product(
    queries_md: &Tensor,
    corpus_nd: &Tensor,
    scores: &Tensor,
) -> Result<Tensor, NearestError> {
    let (m, n) = (queries_md.size()[0], corpus_nd.size()[0]);
    let scores_mn = scores.f_narrow(0, 0, m * n)?.f_view([m, n])?;
    Ok(tch::no_grad(|| queries_md.f_mm_out(&scores_mn, &corpus_nd.f_transpose(0, 1)?))?)
}

/// Has each query read its row of the scores, which are of the entries from `first` on; as many threads as libtorch's
/// share the queries.
fn read(
    scores_mn: &Tensor,
    first: usize,
    best: &mut [Best],
    is_candidate: &(impl Fn(usize) -> bool + Sync),
) -> Result<(), NearestError> {
    let n = scores_mn.size()[1] as usize;
    let (numbers, _) = bytes_of(scores_mn)?.as_chunks::<4>();
    let share = best.len().div_ceil(tch::get_num_threads().max(1) as usize).max(1);
    let work = |best: &mut [Best], scores: &[[u8; 4]]| {
        for (best, row) in best.iter_mut().zip(scores.chunks_exact(n)) {
            best.read(row, first, is_candidate);
        }
    };
    thread::scope(|scope| {
        let mut shares = best.chunks_mut(share).zip(numbers.chunks(share * n));
        let own = shares.next();
        for (best, scores) in shares {
            let work = &work;
            thread::Builder::new()
                .name("sst-nearest".to_owned())
                .spawn_scoped(scope, move || work(best, scores))
                .map_err(NearestError::Thread)?;
        }
        if let Some((best, scores)) = own {
            work(best, scores);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Small whole numbers, whose products are exact in any order and often equal.
    fn vectors(numbers: &[i8], width: usize) -> Tensor {
        let numbers: Vec<f32> = numbers.iter().map(|x| f32::from(*x)).collect();
        Tensor::from_slice(&numbers).view([(numbers.len() / width) as i64, width as i64])
    }

    fn by_sorting(queries: &[i8], corpus: &[i8], width: usize, k: usize) -> Vec<Vec<Neighbour>> {
        let find = |query: &[i8]| {
            let score = |entry: &[i8]| {
                query.iter().zip(entry).map(|(a, b)| f32::from(*a) * f32::from(*b)).sum()
            };
            let mut all: Vec<Neighbour> = corpus
                .chunks(width)
                .enumerate()
                .map(|(index, entry)| Neighbour { index, score: score(entry) })
                .filter(|neighbour| neighbour.index % 5 != 3)
                .collect();
            // Stable, and 0 is -0.
            all.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap());
            all.truncate(k);
            all
        };
        queries.chunks(width).map(find).collect()
    }

    proptest! {
        #[test]
        fn every_block_size_finds_what_sorting_finds(
            queries in prop::collection::vec(-2_i8..3, 0..60),
            corpus in prop::collection::vec(-2_i8..3, 0..400),
            width in 1_usize..4,
            k in 0_usize..80,
            block in (1_usize..9, 1_usize..90),
        ) {
            let queries = &queries[..queries.len() / width * width];
            let corpus = &corpus[..corpus.len() / width * width];
            let block = Block { queries: block.0, entries: block.1 };
            let of = |what, numbers| Vectors::new(what, &vectors(numbers, width)).unwrap();
            let mut found = Vec::new();
            in_blocks::<NearestError>(
                &of("queries", queries),
                &of("corpus", corpus),
                k,
                block,
                |index| index % 5 != 3,
                |query, neighbours| {
                    assert_eq!(query, found.len());
                    found.push(neighbours.to_vec());
                    Ok(())
                },
            ).unwrap();
            prop_assert_eq!(found, by_sorting(queries, corpus, width, k));
        }
    }

    #[test]
    fn vectors_that_cannot_be_compared_are_named() {
        let check = |queries: Tensor, corpus: Tensor, part: &str| {
            let each = |_: usize, _: &[Neighbour]| Ok(());
            let error = nearest::<NearestError>(&queries, &corpus, 1, |_| true, each).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        };
        let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
        check(zeros(&[2]), zeros(&[2, 3]), "queries");
        check(zeros(&[2, 3]), zeros(&[2, 4]), "3 numbers");
        check(zeros(&[2, 3]), zeros(&[2, 3]).to_kind(Kind::Double), "corpus");
        for wrong in [f64::NAN, f64::INFINITY, 1e30] {
            let corpus = zeros(&[4, 3]);
            let _ = corpus.get(2).fill_(wrong);
            check(zeros(&[2, 3]), corpus, "vector 2 of the corpus");
        }
    }
}
