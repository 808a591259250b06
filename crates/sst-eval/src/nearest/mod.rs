//! Exact nearest-neighbour search by dot product. The scores are computed in blocks, as matrix products of some queries
//! and some entries of the corpus, and only the best scores of each query are kept. So memory for scores does not grow
//! with the number of queries or entries.
//!
//! Shapes: q queries, c entries of the corpus, d the width of a vector, m queries and n entries in a block.

mod error;
mod top_k;
mod vectors;

use std::thread;

use sst_kernels::bytes_of;
use tch::{Device, Kind, Tensor};

use top_k::TopK;

pub use error::NearestError;
pub use top_k::Neighbour;
pub(crate) use vectors::Vectors;

/// The block size: its scores take 16 MiB. With a quarter of the queries, mining takes an eighth longer; with more memory
/// it is not faster.
const BLOCK: Block = Block { queries: 2048, entries: 2048 };

/// The maximum number of neighbours of all queries of a block. A [`TopK`] may store twice its k, so they take at most
/// 128 MiB.
const MAX_NEIGHBOURS: usize = 1 << 22;

/// The number of queries and entries whose scores are computed at once.
#[derive(Debug, Clone, Copy)]
struct Block {
    queries: usize,
    entries: usize,
}

impl Block {
    /// The block size for `k` neighbours: it has fewer queries if k is large.
    fn for_k(k: usize) -> Self {
        Self { queries: BLOCK.queries.min(MAX_NEIGHBOURS / k.max(1)).max(1), ..BLOCK }
    }
}

/// Finds for each row of `queries_qd` `[q, d]` the `k` rows of `corpus_cd` `[c, d]` with the largest dot products, among
/// those for which `is_candidate` returns true; all of them if there are fewer than k. Calls `on_query` with the index of
/// each query, in order, and its neighbours, by descending score and for equal scores by ascending index. For vectors of
/// length 1 the score is the cosine similarity.
///
/// # Errors
/// If the vectors are not fp32 on the CPU with one width, one of them holds NaN or infinity or its length is 1e18 or
/// above, libtorch fails, or `on_query` fails.
pub fn nearest<E: From<NearestError>>(
    queries_qd: &Tensor,
    corpus_cd: &Tensor,
    k: usize,
    is_candidate: impl Fn(usize) -> bool + Sync,
    on_query: impl FnMut(usize, &[Neighbour]) -> Result<(), E>,
) -> Result<(), E> {
    let queries = Vectors::new("queries", queries_qd)?;
    let corpus = Vectors::new("corpus", corpus_cd)?;
    queries.check_width(&corpus)?;
    nearest_checked(&queries, &corpus, k, is_candidate, on_query)
}

/// [`nearest`] for vectors that are checked already.
pub(crate) fn nearest_checked<E: From<NearestError>>(
    queries: &Vectors,
    corpus: &Vectors,
    k: usize,
    is_candidate: impl Fn(usize) -> bool + Sync,
    on_query: impl FnMut(usize, &[Neighbour]) -> Result<(), E>,
) -> Result<(), E> {
    let k = k.min(corpus.count());
    nearest_in_blocks(queries, corpus, k, Block::for_k(k), is_candidate, on_query)
}

fn nearest_in_blocks<E: From<NearestError>>(
    queries: &Vectors,
    corpus: &Vectors,
    k: usize,
    block: Block,
    is_candidate: impl Fn(usize) -> bool + Sync,
    mut on_query: impl FnMut(usize, &[Neighbour]) -> Result<(), E>,
) -> Result<(), E> {
    let num_scores = block.queries.min(queries.count()) * block.entries.min(corpus.count());
    let buffer = Tensor::f_empty([num_scores as i64], (Kind::Float, Device::Cpu))
        .map_err(NearestError::from)?;
    let mut top: Vec<TopK> = Vec::new();
    top.resize_with(block.queries.min(queries.count()), || TopK::new(k));
    for first_query in (0..queries.count()).step_by(block.queries) {
        let m = block.queries.min(queries.count() - first_query);
        let queries_md = queries.rows(first_query, m)?;
        top.iter_mut().for_each(TopK::clear);
        for first_entry in (0..corpus.count()).step_by(block.entries) {
            let n = block.entries.min(corpus.count() - first_entry);
            let scores_mn = block_scores(&queries_md, &corpus.rows(first_entry, n)?, &buffer)?;
            add_scores(&scores_mn, first_entry, &mut top[..m], &is_candidate)?;
        }
        for (i, top) in top[..m].iter_mut().enumerate() {
            on_query(first_query + i, top.ranked())?;
        }
    }
    Ok(())
}

/// The dot products `[m, n]` of the queries and entries of a block, in the memory of `buffer`.
fn block_scores(
    queries_md: &Tensor,
    corpus_nd: &Tensor,
    buffer: &Tensor,
) -> Result<Tensor, NearestError> {
    let (m, n) = (queries_md.size()[0], corpus_nd.size()[0]);
    let scores_mn = buffer.f_narrow(0, 0, m * n)?.f_view([m, n])?;
    Ok(tch::no_grad(|| queries_md.f_mm_out(&scores_mn, &corpus_nd.f_transpose(0, 1)?))?)
}

/// Adds each row of the scores to the [`TopK`] of its query. The columns are the entries from `first_entry` on. The
/// queries are divided among as many threads as libtorch uses.
fn add_scores(
    scores_mn: &Tensor,
    first_entry: usize,
    top: &mut [TopK],
    is_candidate: &(impl Fn(usize) -> bool + Sync),
) -> Result<(), NearestError> {
    let n = scores_mn.size()[1] as usize;
    let (numbers, _) = bytes_of(scores_mn)?.as_chunks::<4>();
    let queries_per_thread = top.len().div_ceil(tch::get_num_threads().max(1) as usize).max(1);
    let add = |top: &mut [TopK], scores: &[[u8; 4]]| {
        for (top, row) in top.iter_mut().zip(scores.chunks_exact(n)) {
            top.add(row, first_entry, is_candidate);
        }
    };
    thread::scope(|scope| {
        let mut parts =
            top.chunks_mut(queries_per_thread).zip(numbers.chunks(queries_per_thread * n));
        // This thread does the first part.
        let first_part = parts.next();
        for (top, scores) in parts {
            let add = &add;
            thread::Builder::new()
                .name("sst-nearest".to_owned())
                .spawn_scoped(scope, move || add(top, scores))
                .map_err(NearestError::Thread)?;
        }
        if let Some((top, scores)) = first_part {
            add(top, scores);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Vectors of small integers: their dot products are exact in any order of summation, and often equal.
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
            // The sort is stable, and compares 0 and -0 as equal.
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
            let checked = |what, numbers| Vectors::new(what, &vectors(numbers, width)).unwrap();
            let mut all = Vec::new();
            nearest_in_blocks::<NearestError>(
                &checked("queries", queries),
                &checked("corpus", corpus),
                k,
                block,
                |index| index % 5 != 3,
                |query, neighbours| {
                    assert_eq!(query, all.len());
                    all.push(neighbours.to_vec());
                    Ok(())
                },
            ).unwrap();
            prop_assert_eq!(all, by_sorting(queries, corpus, width, k));
        }
    }

    #[test]
    fn errors_name_the_vectors_that_cannot_be_compared() {
        let check = |queries: Tensor, corpus: Tensor, part: &str| {
            let ignore = |_: usize, _: &[Neighbour]| Ok(());
            let error =
                nearest::<NearestError>(&queries, &corpus, 1, |_| true, ignore).unwrap_err();
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
