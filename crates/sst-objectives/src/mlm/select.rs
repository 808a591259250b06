//! Choosing what to mask.

use std::ops::Range;

use sst_data::SeqRng;

use super::config::{MlmConfig, Unit};
use super::words::WordGrouper;

/// What becomes of a chosen token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Mask,
    Random,
    Keep,
}

/// Draws the fate of a chosen token.
fn fate(config: &MlmConfig, rng: &mut SeqRng) -> Fate {
    let draw = rng.uniform();
    if draw < config.replace_mask {
        Fate::Mask
    } else if draw < config.replace_mask + config.replace_random {
        Fate::Random
    } else {
        Fate::Keep
    }
}

/// The chosen positions of a row and their fates, in order of position.
pub(super) fn select(
    config: &MlmConfig,
    grouper: &WordGrouper,
    ids: &[u32],
    rng: &mut SeqRng,
) -> Vec<(usize, Fate)> {
    match config.unit {
        Unit::Token => {
            let mut chosen = Vec::with_capacity(ids.len() / 4);
            for (at, id) in ids.iter().enumerate() {
                if !grouper.is_special(*id) && rng.chance(config.mask_rate) {
                    chosen.push((at, fate(config, rng)));
                }
            }
            chosen
        }
        Unit::Word => {
            let mut chosen = Vec::new();
            for word in grouper.words(ids) {
                if rng.chance(config.mask_rate) {
                    // Each piece has a fate of its own, as in Google's whole-word models.
                    chosen.extend(word.map(|at| (at, fate(config, rng))));
                }
            }
            chosen
        }
        Unit::Span => spans(config, &grouper.words(ids), rng),
    }
}

/// Spans of whole words until the mask rate is spent. The last word is taken with the probability that
/// makes the expected number of tokens exactly the rate's share. A span has one fate, as in SpanBERT.
fn spans(config: &MlmConfig, words: &[Range<usize>], rng: &mut SeqRng) -> Vec<(usize, Fate)> {
    let num_tokens: usize = words.iter().map(Range::len).sum();
    let mut budget = num_tokens as f64 * config.mask_rate;
    let mut taken: Vec<Option<Fate>> = vec![None; words.len()];
    let mut num_free = words.len();
    while budget > 0.0 && num_free > 0 {
        let length = span_length(config, rng);
        let start = rng.below(words.len() as u64) as usize;
        let fate = fate(config, rng);
        for (word, slot) in words.iter().zip(&mut taken).skip(start).take(length) {
            if slot.is_some() {
                continue;
            }
            let cost = word.len() as f64;
            if cost > budget {
                if rng.chance(budget / cost) {
                    *slot = Some(fate);
                }
                budget = 0.0;
                break;
            }
            *slot = Some(fate);
            num_free -= 1;
            budget -= cost;
            if budget <= 0.0 {
                break;
            }
        }
    }
    let pairs = words.iter().zip(taken);
    pairs
        .flat_map(|(word, fate)| fate.into_iter().flat_map(|f| word.clone().map(move |at| (at, f))))
        .collect()
}

/// A geometric length, redrawn above the longest: P(n) is proportional to p (1 - p)^(n - 1).
fn span_length(config: &MlmConfig, rng: &mut SeqRng) -> usize {
    let weights = (0..config.max_span).map(|n| (1.0 - config.span_p).powf(n as f64));
    let total: f64 = weights.clone().sum();
    let mut draw = rng.uniform() * total;
    for (n, weight) in weights.enumerate() {
        draw -= weight;
        if draw < 0.0 {
            return n + 1;
        }
    }
    config.max_span as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SpanBERT, section 3.1: with p = 0.2 and at most 10 words, the mean length is 3.8.
    #[test]
    fn span_lengths_are_those_of_the_paper() {
        let config = MlmConfig::default();
        let mut rng = SeqRng::new(1, "test", 0, 0);
        let lengths: Vec<usize> = (0..50_000).map(|_| span_length(&config, &mut rng)).collect();
        let mean = lengths.iter().sum::<usize>() as f64 / lengths.len() as f64;
        assert!((mean - 3.8).abs() < 0.05, "{mean}");
        let share = |n: usize| lengths.iter().filter(|l| **l == n).count() as f64 / 50_000.0;
        assert!((share(2) / share(1) - 0.8).abs() < 0.03, "each length is 0.8 of the one before");
        assert_eq!((lengths.iter().min(), lengths.iter().max()), (Some(&1), Some(&10)));
    }
}
