//! Measures of how difficult a row is, and the ranking of rows by them.

use std::collections::HashMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::CurriculumError;
use crate::rows::Dataset;

/// The fewest rows that a thread handles at once: enough to be worth a table of counts of its own.
const CHUNK: usize = 1024;

/// A measure of difficulty. A greater value means a harder row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Difficulty {
    /// The number of tokens (Platanios et al. 2019, section 2.2).
    Length,
    /// The number of tokens plus the number of distinct tokens.
    Diversity,
    /// The mean of `-ln p(token)`, where `p` is the token's frequency in the data set. In the paper
    /// (equation 4) it is the sum, which is mostly the length again. The mean ranks rows differently.
    Rarity,
    /// The score that the data gives, in the `score_field` of its source.
    Score,
}

impl Difficulty {
    /// The difficulty of every row, in the order of the rows. Tokens in `special` (those of the
    /// tokenizer's template) say nothing about a row and are left out. Runs on all cores; the result
    /// does not depend on how many there are.
    ///
    /// # Errors
    /// If a row cannot be read, or [`Difficulty::Score`] finds one without a score.
    pub fn of(self, rows: &dyn Dataset, special: &[u32]) -> Result<Vec<f32>, CurriculumError> {
        let frequencies = match self {
            Self::Rarity => Frequencies::count(rows, special)?,
            _ => Frequencies::default(),
        };
        let measure = |index: u64| match self {
            Self::Score => rows
                .score(index)
                .ok_or_else(|| CurriculumError::NoScore(rows.key(index).to_string())),
            Self::Length => Ok(tokens(rows, index, special)?.len() as f32),
            Self::Diversity => {
                let mut tokens = tokens(rows, index, special)?;
                let length = tokens.len();
                tokens.sort_unstable();
                tokens.dedup();
                Ok((length + tokens.len()) as f32)
            }
            Self::Rarity => Ok(frequencies.rarity(&tokens(rows, index, special)?)),
        };
        let places = 0..rows.len() as usize;
        places.into_par_iter().map(|index| measure(index as u64)).collect()
    }
}

/// The rows from the easiest to the hardest. Rows of equal difficulty stay in the order of the data set.
///
/// # Errors
/// If there are more than 2^32 - 1 rows.
pub fn rank(difficulties: &[f32]) -> Result<Vec<u32>, CurriculumError> {
    let len = u32::try_from(difficulties.len())
        .map_err(|_| CurriculumError::TooManyRows(difficulties.len() as u64))?;
    let mut order: Vec<u32> = (0..len).collect();
    order.par_sort_by(|a, b| difficulties[*a as usize].total_cmp(&difficulties[*b as usize]));
    Ok(order)
}

/// The tokens of a row that are not in `special`.
fn tokens(rows: &dyn Dataset, index: u64, special: &[u32]) -> Result<Vec<u32>, CurriculumError> {
    let row = rows.get(index, 0).map_err(|error| CurriculumError::Unreadable(error.to_string()))?;
    let ids = row.tokens("input_ids").unwrap_or_default();
    Ok(ids.iter().copied().filter(|id| !special.contains(id)).collect())
}

/// How often each token occurs in the data set, and the number of all tokens.
#[derive(Default)]
struct Frequencies {
    counts: HashMap<u32, u64>,
    total: u64,
}

impl Frequencies {
    fn count(rows: &dyn Dataset, special: &[u32]) -> Result<Self, CurriculumError> {
        let add = |mut all: Self, index: usize| {
            for token in tokens(rows, index as u64, special)? {
                *all.counts.entry(token).or_default() += 1;
                all.total += 1;
            }
            Ok(all)
        };
        let places = (0..rows.len() as usize).into_par_iter().with_min_len(CHUNK);
        places.try_fold(Self::default, add).try_reduce(Self::default, |a, b| Ok(a.and(b)))
    }

    fn and(mut self, other: Self) -> Self {
        for (token, count) in other.counts {
            *self.counts.entry(token).or_default() += count;
        }
        Self { total: self.total + other.total, ..self }
    }

    /// The mean of `-ln p` over `tokens`, in nats; 0 for none.
    fn rarity(&self, tokens: &[u32]) -> f32 {
        let surprise = |token| {
            let count = self.counts.get(token).copied().unwrap_or(1);
            (self.total as f64 / count as f64).ln()
        };
        (tokens.iter().map(surprise).sum::<f64>() / tokens.len().max(1) as f64) as f32
    }
}
