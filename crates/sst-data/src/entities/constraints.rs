//! Which label may follow which, and the best sequence of labels that a scheme allows.

use super::error::EntityError;
use super::label::Label;
use super::scheme::EntityScheme;

/// The legal transitions between the labels of a table, by their indices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraints {
    scheme: EntityScheme,
    num_labels: usize,
    starts: Vec<bool>,
    ends: Vec<bool>,
    /// Row `previous`, column `next`.
    follows: Vec<bool>,
}

impl Constraints {
    /// The constraints of a table of labels, such as `["O", "B-PER", "I-PER"]`.
    ///
    /// # Errors
    /// [`EntityError::BadLabel`] and [`EntityError::OtherScheme`] for labels that the scheme does not have.
    pub fn new<S: AsRef<str>>(labels: &[S], scheme: EntityScheme) -> Result<Self, EntityError> {
        let parsed = scheme.parse_all(labels)?;
        let starts = parsed.iter().map(|label| scheme.may_follow(Label::OUTSIDE, *label)).collect();
        let ends = parsed.iter().map(|label| scheme.may_follow(*label, Label::OUTSIDE)).collect();
        let pairs = parsed.iter().flat_map(|previous| parsed.iter().map(|next| (*previous, *next)));
        let follows = pairs.map(|(previous, next)| scheme.may_follow(previous, next)).collect();
        Ok(Self { scheme, num_labels: parsed.len(), starts, ends, follows })
    }

    /// The number of labels.
    pub fn num_labels(&self) -> usize {
        self.num_labels
    }

    /// Whether a sequence may begin with label `label`; false for an index beyond the table.
    pub fn may_start(&self, label: usize) -> bool {
        self.starts.get(label).copied().unwrap_or(false)
    }

    /// Whether a sequence may end with label `label`; false for an index beyond the table.
    pub fn may_end(&self, label: usize) -> bool {
        self.ends.get(label).copied().unwrap_or(false)
    }

    /// Whether label `next` may stand directly after label `previous`; false for an index beyond the table.
    pub fn may_follow(&self, previous: usize, next: usize) -> bool {
        let is_known = previous < self.num_labels && next < self.num_labels;
        is_known && self.follows[previous * self.num_labels + next]
    }

    /// The legal sequence of labels with the greatest sum of scores (Viterbi 1967, "Error Bounds for Convolutional Codes
    /// and an Asymptotically Optimum Decoding Algorithm", with equal scores for all legal transitions).
    ///
    /// `scores` holds a row for each token with a score for each label, logits or log-probabilities. Of two sequences
    /// with one sum the one wins whose last label, then whose last but one, and so on, has the smaller index.
    ///
    /// # Errors
    /// [`EntityError::Scores`] and [`EntityError::NotANumber`] for scores that do not fit, and
    /// [`EntityError::NoLegalSequence`] if the table cannot label so many tokens.
    pub fn best_sequence(&self, scores: &[f32]) -> Result<Vec<usize>, EntityError> {
        let num_labels = self.num_labels;
        if num_labels == 0 || !scores.len().is_multiple_of(num_labels) {
            return Err(EntityError::Scores { found: scores.len(), labels: num_labels });
        }
        if let Some(at) = scores.iter().position(|score| score.is_nan()) {
            return Err(EntityError::NotANumber { token: at / num_labels, label: at % num_labels });
        }
        let length = scores.len() / num_labels;
        // The best sum of a legal sequence that ends with each label, and the label before it.
        let mut sums: Vec<Option<f64>> = Vec::new();
        let mut before: Vec<Vec<usize>> = Vec::with_capacity(length);
        for (token, row) in scores.chunks_exact(num_labels).enumerate() {
            let best = (0..num_labels).map(|next| match token {
                0 => self.may_start(next).then_some((0.0, 0)),
                _ => best_of(&sums, |previous| self.may_follow(previous, next)),
            });
            let best: Vec<Option<(f64, usize)>> = best.collect();
            before.push(best.iter().map(|best| best.map_or(0, |(_, label)| label)).collect());
            let extend = |(best, score): (Option<(f64, usize)>, &f32)| {
                best.map(|(sum, _)| sum + f64::from(*score))
            };
            sums = best.into_iter().zip(row).map(extend).collect();
        }
        let mut sequence = Vec::with_capacity(length);
        if length > 0 {
            let last = best_of(&sums, |label| self.may_end(label));
            let none = EntityError::NoLegalSequence { length, scheme: self.scheme };
            sequence.push(last.ok_or(none)?.1);
        }
        for before in before.iter().skip(1).rev() {
            sequence.push(before[sequence[sequence.len() - 1]]);
        }
        sequence.reverse();
        Ok(sequence)
    }
}

/// The greatest sum among the labels that may be chosen, and its label, the smallest of several.
fn best_of(sums: &[Option<f64>], may: impl Fn(usize) -> bool) -> Option<(f64, usize)> {
    let mut best: Option<(f64, usize)> = None;
    for (label, sum) in sums.iter().enumerate() {
        if let Some(sum) = sum.filter(|_| may(label))
            && best.is_none_or(|(best, _)| sum > best)
        {
            best = Some((sum, label));
        }
    }
    best
}
