//! Selects the tokens of a row that are to be predicted, and draws what each is replaced with.

use sst_data::SeqRng;
use sst_data::rng::mix64;

use super::config::{MlmConfig, Unit};
use super::words::WordGrouper;

/// What a selected token is replaced with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replacement {
    /// The mask token.
    Mask,
    /// A random ordinary token.
    Random,
    /// The token itself.
    Keep,
}

fn draw_replacement(config: &MlmConfig, rng: &mut SeqRng) -> Replacement {
    let draw = rng.uniform();
    if draw < config.replace_mask {
        Replacement::Mask
    } else if draw < config.replace_mask + config.replace_random {
        Replacement::Random
    } else {
        Replacement::Keep
    }
}

/// The selected positions of a row in ascending order, with their replacements.
pub(super) fn select(
    config: &MlmConfig,
    grouper: &WordGrouper,
    ids: &[u32],
    rng: &mut SeqRng,
) -> Vec<(usize, Replacement)> {
    let mut selected = Vec::with_capacity(ids.len() / 4);
    match config.unit {
        Unit::Token => {
            for (at, id) in ids.iter().enumerate() {
                if !grouper.is_special(*id) && rng.chance(config.mask_rate) {
                    selected.push((at, draw_replacement(config, rng)));
                }
            }
        }
        Unit::Word => {
            let words = grouper.words(ids);
            let is_selected = select_words(config, &words.keys, rng);
            for group in &words.groups {
                let masks_group = match group.word {
                    Some(word) => is_selected[word],
                    None => rng.chance(config.mask_rate),
                };
                if masks_group {
                    // Each token of a word gets its own replacement, as in Google's whole-word models.
                    let tokens = group.tokens.clone();
                    selected.extend(tokens.map(|at| (at, draw_replacement(config, rng))));
                }
            }
        }
        Unit::Span => {
            let words = grouper.words(ids);
            let replacements = select_spans(config, &words.keys, rng);
            for group in &words.groups {
                let replacement = match group.word {
                    Some(word) => replacements[word],
                    None => rng.chance(config.mask_rate).then(|| draw_replacement(config, rng)),
                };
                let tokens = group.tokens.clone();
                selected.extend(tokens.filter_map(|at| Some((at, replacement?))));
            }
        }
    }
    selected
}

/// The indices of the words in a random order, given `row_seed`, a random number of the row. The sort key of a word
/// depends on nothing but `row_seed` and the word's own key, so adding or removing another word does not change the
/// order of the rest.
fn shuffled(keys: &[u64], row_seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_cached_key(|word| (mix64(row_seed ^ keys[*word]), *word));
    order
}

/// For each word, whether it is selected. The number of selected words is `mask_rate` times the number of words, rounded
/// up or down at random so that the expected number is exact. BERT rounds too, but always to at least one word, which
/// masks too much of short rows.
fn select_words(config: &MlmConfig, keys: &[u64], rng: &mut SeqRng) -> Vec<bool> {
    let (row_seed, rounding) = (rng.next_u64(), rng.uniform());
    let count = (keys.len() as f64 * config.mask_rate + rounding) as usize;
    let mut is_selected = vec![false; keys.len()];
    for word in shuffled(keys, row_seed).into_iter().take(count) {
        is_selected[word] = true;
    }
    is_selected
}

/// For each word, its replacement, or `None` if it is not selected. Spans start at words that are drawn without
/// replacement, until `mask_rate` times the number of words are selected; the last word is selected with the probability
/// that makes the expected number exact. All words of a span share one replacement, as in SpanBERT.
fn select_spans(config: &MlmConfig, keys: &[u64], rng: &mut SeqRng) -> Vec<Option<Replacement>> {
    let row_seed = rng.next_u64();
    let mut budget = keys.len() as f64 * config.mask_rate;
    let mut replacements: Vec<Option<Replacement>> = vec![None; keys.len()];
    for start in shuffled(keys, row_seed) {
        if budget <= 0.0 {
            break;
        }
        let mut rng = SeqRng::new(row_seed, "mlm.span", keys[start], 0);
        let length = span_length(config, &mut rng);
        let replacement = draw_replacement(config, &mut rng);
        for slot in replacements.iter_mut().skip(start).take(length).filter(|slot| slot.is_none()) {
            if budget >= 1.0 || rng.chance(budget) {
                *slot = Some(replacement);
            }
            budget -= 1.0;
            if budget <= 0.0 {
                break;
            }
        }
    }
    replacements
}

/// Draws a span length n from 1 to `max_span`, with P(n) proportional to p (1 - p)^(n - 1).
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
        assert!((share(2) / share(1) - 0.8).abs() < 0.03, "P(2) / P(1) must be 1 - p");
        assert_eq!((lengths.iter().min(), lengths.iter().max()), (Some(&1), Some(&10)));
    }
}
