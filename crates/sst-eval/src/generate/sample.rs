//! Selects the next token from the logits.

use sst_data::SeqRng;

/// How the next token is selected. The settings are applied in the order of the fields, and each does what the logits
/// processor of transformers with the same name does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// The logits of tokens that occur in the sequence are divided by this if positive, or multiplied if negative
    /// (Keskar et al. 2019, "CTRL"); 1 for no penalty.
    pub repetition_penalty: f64,
    /// Logits are divided by this; `None` for greedy decoding.
    pub temperature: Option<f64>,
    /// Keeps the `top_k` most probable tokens, and tokens with the same probability as the last of these; 0 keeps all.
    pub top_k: usize,
    /// Keeps the smallest set of most probable tokens whose total probability reaches `top_p` (Holtzman et al. 2020, "The
    /// Curious Case of Neural Text Degeneration"); 1 keeps all.
    pub top_p: f64,
    /// Keeps tokens whose probability is at least `min_p` times that of the most probable token (Nguyen et al. 2024,
    /// "Min-p Sampling"); 0 keeps all.
    pub min_p: f64,
    /// The seed of sampling.
    pub seed: u64,
}

impl Sampling {
    /// Greedy decoding: always selects the most probable token.
    pub const GREEDY: Self = Self {
        repetition_penalty: 1.0,
        temperature: None,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        seed: 0,
    };

    /// The next token of a sequence. `ids` are its tokens so far, `sequence` its index and `position` the number of its
    /// new tokens. The random number depends on the seed, `sequence` and `position` only.
    pub(super) fn next_token(
        &self,
        logits: &[f32],
        ids: &[u32],
        sequence: u64,
        position: u64,
    ) -> u32 {
        let probabilities = distribution(logits, ids, self);
        let most_probable = probabilities.first().map_or(0, |(id, _)| *id);
        if self.temperature.is_none() {
            return most_probable;
        }
        let mut remaining = SeqRng::new(self.seed, "generate", sequence, position).uniform();
        for (id, probability) in &probabilities {
            remaining -= probability;
            if remaining < 0.0 {
                return *id;
            }
        }
        // Because of rounding, the probabilities may add up to slightly less than 1.
        most_probable
    }
}

/// The distribution that the next token is sampled from: tokens with their probabilities, the most probable first, after
/// the sequence `ids`. Without a temperature, it holds all tokens at temperature 1.
pub fn distribution(logits: &[f32], ids: &[u32], sampling: &Sampling) -> Vec<(u32, f64)> {
    let mut scores = logits.to_vec();
    if sampling.repetition_penalty != 1.0 {
        let mut distinct_ids = ids.to_vec();
        distinct_ids.sort_unstable();
        distinct_ids.dedup();
        let penalty = sampling.repetition_penalty as f32;
        for id in distinct_ids {
            if let Some(score) = scores.get_mut(id as usize) {
                *score = if *score < 0.0 { *score * penalty } else { *score / penalty };
            }
        }
    }
    let temperature = sampling.temperature.unwrap_or(1.0) as f32;
    let mut ranked: Vec<(u32, f32)> =
        (0..).zip(scores.into_iter().map(|score| score / temperature)).collect();
    let descending = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if sampling.temperature.is_some() && (1..ranked.len()).contains(&sampling.top_k) {
        let (_, kth, _) = ranked.select_nth_unstable_by(sampling.top_k - 1, descending);
        let threshold = kth.1;
        ranked.retain(|(_, score)| *score >= threshold);
    }
    ranked.sort_unstable_by(descending);
    let mut probabilities = softmax(&ranked);
    if sampling.temperature.is_some() && sampling.top_p < 1.0 {
        // Keeps tokens until their total probability reaches top_p, and at least one token.
        let mut cumulative = 0.0;
        let count = probabilities
            .iter()
            .take_while(|(_, probability)| {
                let is_kept = cumulative < sampling.top_p;
                cumulative += probability;
                is_kept
            })
            .count();
        ranked.truncate(count.max(1));
        probabilities = softmax(&ranked);
    }
    if sampling.temperature.is_some() && sampling.min_p > 0.0 {
        let threshold = sampling.min_p * probabilities.first().map_or(0.0, |(_, first)| *first);
        let count =
            probabilities.iter().take_while(|(_, probability)| *probability >= threshold).count();
        ranked.truncate(count.max(1));
        probabilities = softmax(&ranked);
    }
    probabilities
}

/// The softmax of scores, which must be in descending order.
fn softmax(ranked: &[(u32, f32)]) -> Vec<(u32, f64)> {
    let largest = ranked.first().map_or(0.0, |(_, score)| f64::from(*score));
    let weights: Vec<f64> =
        ranked.iter().map(|(_, score)| (f64::from(*score) - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    ranked.iter().zip(weights).map(|((id, _), weight)| (*id, weight / sum)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Sampling = Sampling { temperature: Some(1.0), ..Sampling::GREEDY };

    fn kept_ids(sampling: &Sampling, logits: &[f32], ids: &[u32]) -> Vec<u32> {
        distribution(logits, ids, sampling).into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn each_setting_keeps_the_right_tokens() {
        // The probabilities are 0.5, 0.25, 0.125 and 0.125.
        let logits = [8.0, 4.0, 2.0, 2.0].map(f32::ln);
        assert_eq!(kept_ids(&PLAIN, &logits, &[]), [0, 1, 2, 3]);
        assert_eq!(kept_ids(&Sampling { top_k: 2, ..PLAIN }, &logits, &[]), [0, 1]);
        // The fourth token is as probable as the third.
        assert_eq!(kept_ids(&Sampling { top_k: 3, ..PLAIN }, &logits, &[]), [0, 1, 2, 3]);
        assert_eq!(kept_ids(&Sampling { top_p: 0.6, ..PLAIN }, &logits, &[]), [0, 1]);
        assert_eq!(kept_ids(&Sampling { top_p: 0.0, ..PLAIN }, &logits, &[]), [0]);
        assert_eq!(kept_ids(&Sampling { min_p: 0.4, ..PLAIN }, &logits, &[]), [0, 1]);
        assert_eq!(kept_ids(&Sampling { min_p: 1.0, ..PLAIN }, &logits, &[]), [0]);
        let penalised = Sampling { repetition_penalty: 3.0, ..PLAIN };
        assert_eq!(kept_ids(&penalised, &logits, &[0, 0]), [1, 0, 2, 3]);
        assert_eq!(kept_ids(&penalised, &[-1.0, -2.0], &[0]), [1, 0]);
    }

    #[test]
    fn samples_follow_the_probabilities_and_are_reproducible() {
        let logits = [1.0, 2.0, 1.0].map(f32::ln);
        let sample = |position| PLAIN.next_token(&logits, &[], 7, position);
        let counts = (0..10_000).map(sample).fold([0_u32; 3], |mut counts, id| {
            counts[id as usize] += 1;
            counts
        });
        assert!(counts[1].abs_diff(5000) < 200 && counts[0].abs_diff(2500) < 200, "{counts:?}");
        assert!((0..50).all(|position| sample(position) == sample(position)));
        let other_seed = Sampling { seed: 1, ..PLAIN };
        let other_sample = |position| other_seed.next_token(&logits, &[], 7, position);
        assert!((0..50).any(|position| sample(position) != other_sample(position)));
        let greedy = |position| Sampling::GREEDY.next_token(&logits, &[], 7, position);
        assert!((0..50).all(|position| greedy(position) == 1));
    }
}
