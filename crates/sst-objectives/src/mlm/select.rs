//! Choosing what to mask.

use sst_data::SeqRng;
use sst_data::rng::mix64;

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
            let words = grouper.words(ids);
            let chosen = chosen_words(config, &words.keys, rng);
            let mut tokens = Vec::new();
            for group in &words.groups {
                if group.word.map_or_else(|| rng.chance(config.mask_rate), |word| chosen[word]) {
                    // Each piece has a fate of its own, as in Google's whole-word models.
                    tokens.extend(group.tokens.clone().map(|at| (at, fate(config, rng))));
                }
            }
            tokens
        }
        Unit::Span => {
            let words = grouper.words(ids);
            let chosen = chosen_spans(config, &words.keys, rng);
            let mut tokens = Vec::new();
            for group in &words.groups {
                let fate = match group.word {
                    Some(word) => chosen[word],
                    None => rng.chance(config.mask_rate).then(|| fate(config, rng)),
                };
                tokens.extend(group.tokens.clone().filter_map(|at| Some((at, fate?))));
            }
            tokens
        }
    }
}

/// The places of the words in an order of chance that depends on the row's draw and on each word's key alone: a word
/// more or less elsewhere in the row leaves it as it is.
fn shuffled(keys: &[u64], row: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_cached_key(|word| (mix64(row ^ keys[*word]), *word));
    order
}

/// Whether each word is chosen: as many as the mask rate says, rounded up or down by chance so that the expected
/// number is exact. BERT rounds too, but always to at least one, which masks too much of short rows.
fn chosen_words(config: &MlmConfig, keys: &[u64], rng: &mut SeqRng) -> Vec<bool> {
    let (row, rounding) = (rng.next_u64(), rng.uniform());
    let count = (keys.len() as f64 * config.mask_rate + rounding) as usize;
    let mut chosen = vec![false; keys.len()];
    for word in shuffled(keys, row).into_iter().take(count) {
        chosen[word] = true;
    }
    chosen
}

/// Spans of words until the mask rate is spent: the fate of each word that is chosen. Each begins at a word drawn
/// without replacement. The last word is taken with the probability that makes the expected number exact. A span has
/// one fate, as in SpanBERT.
fn chosen_spans(config: &MlmConfig, keys: &[u64], rng: &mut SeqRng) -> Vec<Option<Fate>> {
    let row = rng.next_u64();
    let mut budget = keys.len() as f64 * config.mask_rate;
    let mut chosen: Vec<Option<Fate>> = vec![None; keys.len()];
    for start in shuffled(keys, row) {
        if budget <= 0.0 {
            break;
        }
        let mut rng = SeqRng::new(row, "mlm.span", keys[start], 0);
        let length = span_length(config, &mut rng);
        let fate = fate(config, &mut rng);
        for slot in chosen.iter_mut().skip(start).take(length).filter(|slot| slot.is_none()) {
            if budget >= 1.0 || rng.chance(budget) {
                *slot = Some(fate);
            }
            budget -= 1.0;
            if budget <= 0.0 {
                break;
            }
        }
    }
    chosen
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
