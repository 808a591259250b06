//! Hard negatives: for each query the entries of a corpus that are near it and are not what it asks for.
//!
//! The options are those of sentence-transformers' `mine_hard_negatives`, and without sampling so is what they find.
//! Shapes: q queries, c entries of the corpus, d numbers in a vector.

mod counts;
mod error;
mod groups;
mod options;
mod rules;

use tch::Tensor;

use crate::nearest::{Neighbour, Vectors, nearest_of};

pub use counts::MineCounts;
pub use error::MineError;
pub use options::MineOptions;
pub use rules::Strategy;

use groups::Groups;

/// What negatives are taken from.
#[derive(Debug, Clone, Copy)]
pub struct Corpus<'a> {
    /// Its vectors, `[c, d]` in fp32 on the CPU, of length 1 where scores are to be cosines.
    pub vectors_cd: &'a Tensor,
    /// For each entry a number that entries of the same text share, and no others. Of entries that share one only the
    /// first can be a negative, and none where one of them is a positive. `None` if no text is there twice.
    pub groups: Option<&'a [usize]>,
}

/// What was found for all queries.
#[derive(Debug, Clone, PartialEq)]
pub struct Mined {
    /// In the order of the queries.
    pub queries: Vec<MinedQuery>,
    /// The queries that got fewer negatives than asked for.
    pub short: Vec<usize>,
    /// What became of all entries that were looked at.
    pub counts: MineCounts,
}

/// What was found for a query.
#[derive(Debug, Clone, PartialEq)]
pub struct MinedQuery {
    /// The score of each of its positives, as they were given.
    pub positive_scores: Vec<f32>,
    /// Its negatives, the nearest first; of equal ones the lower index.
    pub negatives: Vec<Neighbour>,
}

/// Finds negatives for each row of `queries_qd` `[q, d]`, whose `positives` are places in the corpus, one or more a
/// query. Scores are dot products. An entry that has the query's own text is a candidate like any other: give it as a
/// positive where it should not be. Memory is that of the vectors, the result and blocks of fixed size.
///
/// # Errors
/// If an option cannot be, a query has no positive or one outside the corpus, there are not as many lists of positives
/// as queries or groups as entries, vectors are not fp32 on the CPU of one width, one of them is NaN, infinite or
/// longer than 1e18, or libtorch fails.
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
    let positive_groups = groups.of_positives(positives, queries.count())?;
    let most_positives = positive_groups.iter().map(Vec::len).max().unwrap_or(0);
    let rules = options.resolve(most_positives)?;
    let mut counts = MineCounts {
        queries: queries.count() as u64,
        corpus: vectors.count() as u64,
        duplicates: groups.duplicates(),
        ..MineCounts::default()
    };
    let mut mined = Vec::with_capacity(queries.count());
    let mut short = Vec::new();
    let is_candidate = |entry| groups.is_first(entry);
    nearest_of::<MineError>(&queries, &vectors, rules.window, is_candidate, |query, window| {
        let score = |entry: &usize| queries.dot(query, &vectors, *entry);
        let positive_scores =
            positives[query].iter().map(score).collect::<Result<Vec<f32>, _>>()?;
        let least = positive_scores.iter().copied().fold(f32::INFINITY, f32::min);
        let is_positive = |entry| positive_groups[query].contains(&groups.of(entry));
        let negatives = rules.choose(query, window, is_positive, least, &mut counts);
        if negatives.len() < options.num_negatives {
            short.push(query);
        }
        mined.push(MinedQuery { positive_scores, negatives });
        Ok(())
    })?;
    counts.short = short.len() as u64;
    Ok(Mined { queries: mined, short, counts })
}
