//! Mines hard negatives: for each query, entries of a corpus that are similar to it but not relevant.
//!
//! The options are those of sentence-transformers' `mine_hard_negatives`, and without random sampling the results are
//! the same. Shapes: q queries, c entries of the corpus, d the width of a vector.

mod counts;
mod error;
mod groups;
mod options;
mod rules;

use tch::Tensor;

use crate::nearest::{Neighbour, Vectors, nearest_checked};

pub use counts::MineCounts;
pub use error::MineError;
pub use options::MineOptions;
pub use rules::Strategy;

use groups::Groups;

/// The entries among which negatives are searched.
#[derive(Debug, Clone, Copy)]
pub struct Corpus<'a> {
    /// The vectors of the entries, `[c, d]` in fp32 on the CPU. If they have length 1, scores are cosine similarities.
    pub vectors_cd: &'a Tensor,
    /// For each entry, the number of its group; entries have the same number if and only if they have the same text. Only
    /// the first entry of a group can be a negative, and none if an entry of the group is a positive. `None` if all texts
    /// are different.
    pub groups: Option<&'a [usize]>,
}

/// The mined negatives of all queries.
#[derive(Debug, Clone, PartialEq)]
pub struct Mined {
    /// The result for each query, in order.
    pub queries: Vec<MinedQuery>,
    /// The indices of queries with fewer than `num_negatives` negatives.
    pub short: Vec<usize>,
    /// Why entries were or were not selected, summed over the queries.
    pub counts: MineCounts,
}

/// The mined negatives of one query.
#[derive(Debug, Clone, PartialEq)]
pub struct MinedQuery {
    /// The score of each positive, in the order of the positives.
    pub positive_scores: Vec<f32>,
    /// The negatives, by descending score; equal scores are in the order of the corpus.
    pub negatives: Vec<Neighbour>,
}

/// Finds negatives for each row of `queries_qd` `[q, d]`. `positives` holds for each query the indices of its positives
/// in the corpus, at least one. Scores are dot products. An entry with the text of the query itself can become a
/// negative; to prevent this, list it as a positive. Uses memory for the vectors, the result, and blocks of a fixed size.
///
/// # Errors
/// If an option is invalid, a query has no positive or one outside the corpus, the number of lists of positives differs
/// from that of the queries or the number of groups from that of the entries, the vectors are not fp32 on the CPU with
/// one width, one of them holds NaN or infinity or is longer than 1e18, or libtorch fails.
pub fn mine(
    queries_qd: &Tensor,
    corpus: Corpus<'_>,
    positives: &[Vec<usize>],
    options: &MineOptions,
) -> Result<Mined, MineError> {
    let queries = Vectors::new("queries", queries_qd)?;
    let vectors = Vectors::new("corpus", corpus.vectors_cd)?;
    queries.check_width(&vectors)?;
    let groups = Groups::new(corpus.groups, vectors.count())?;
    let positive_groups = groups.groups_of_positives(positives, queries.count())?;
    let max_positives = positive_groups.iter().map(Vec::len).max().unwrap_or(0);
    let rules = options.resolve(max_positives)?;
    let mut counts = MineCounts {
        queries: queries.count() as u64,
        corpus: vectors.count() as u64,
        duplicates: groups.duplicates(),
        ..MineCounts::default()
    };
    let mut mined = Vec::with_capacity(queries.count());
    let mut short = Vec::new();
    let is_candidate = |entry| groups.is_first(entry);
    let k = rules.num_neighbours;
    nearest_checked::<MineError>(&queries, &vectors, k, is_candidate, |query, neighbours| {
        let score = |entry: &usize| queries.dot(query, &vectors, *entry);
        let positive_scores =
            positives[query].iter().map(score).collect::<Result<Vec<f32>, _>>()?;
        let min_positive = positive_scores.iter().copied().fold(f32::INFINITY, f32::min);
        let is_positive = |entry| positive_groups[query].contains(&groups.group_of(entry));
        let negatives = rules.select(query, neighbours, is_positive, min_positive, &mut counts);
        if negatives.len() < options.num_negatives {
            short.push(query);
        }
        mined.push(MinedQuery { positive_scores, negatives });
        Ok(())
    })?;
    counts.short = short.len() as u64;
    Ok(Mined { queries: mined, short, counts })
}
