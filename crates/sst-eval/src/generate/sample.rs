//! Which token comes next.

use sst_data::SeqRng;

/// How a token is drawn. What is done to the logits is done in the order of the fields, and is what the
/// processors of transformers do under the same names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Logits of tokens that are there already are divided by this, or multiplied where below zero (Keskar et
    /// al. 2019, "CTRL"); 1 for no change.
    pub repetition_penalty: f64,
    /// What logits are divided by; `None` for the likeliest token, always.
    pub temperature: Option<f64>,
    /// Only the so many likeliest tokens, and those that are as likely as the last of them; 0 for all.
    pub top_k: usize,
    /// Only the likeliest tokens that together have this probability (Holtzman et al. 2020, "The Curious Case of
    /// Neural Text Degeneration"); 1 for all.
    pub top_p: f64,
    /// Only tokens with this share of the likeliest one's probability (Nguyen et al. 2024, "Min-p Sampling"); 0
    /// for all.
    pub min_p: f64,
    /// Of the draws.
    pub seed: u64,
}

impl Sampling {
    /// The likeliest token, always.
    pub const GREEDY: Self = Self {
        repetition_penalty: 1.0,
        temperature: None,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        seed: 0,
    };

    /// The next token after `seen`, for the draw `place` of sample `sample`: the same whatever else is drawn.
    pub(super) fn pick(&self, logits: &[f32], seen: &[u32], sample: u64, place: u64) -> u32 {
        let shares = distribution(logits, seen, self);
        let likeliest = shares.first().map_or(0, |(id, _)| *id);
        if self.temperature.is_none() {
            return likeliest;
        }
        let mut left = SeqRng::new(self.seed, "generate", sample, place).uniform();
        for (id, share) in &shares {
            left -= share;
            if left < 0.0 {
                return *id;
            }
        }
        // Shares add up to one but for rounding.
        likeliest
    }
}

/// The tokens that may come next with their probabilities, the likeliest first. Without a temperature all
/// tokens, at temperature 1.
pub fn distribution(logits: &[f32], seen: &[u32], sampling: &Sampling) -> Vec<(u32, f64)> {
    let mut scores = logits.to_vec();
    if sampling.repetition_penalty != 1.0 {
        let mut seen = seen.to_vec();
        seen.sort_unstable();
        seen.dedup();
        let penalty = sampling.repetition_penalty as f32;
        for id in seen {
            if let Some(score) = scores.get_mut(id as usize) {
                *score = if *score < 0.0 { *score * penalty } else { *score / penalty };
            }
        }
    }
    let temperature = sampling.temperature.unwrap_or(1.0) as f32;
    let mut ranked: Vec<(u32, f32)> =
        (0..).zip(scores.into_iter().map(|score| score / temperature)).collect();
    let better = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if sampling.temperature.is_some() && (1..ranked.len()).contains(&sampling.top_k) {
        let (_, last, _) = ranked.select_nth_unstable_by(sampling.top_k - 1, better);
        let last = last.1;
        ranked.retain(|(_, score)| *score >= last);
    }
    ranked.sort_unstable_by(better);
    let mut shares = softmax(&ranked);
    if sampling.temperature.is_some() && sampling.top_p < 1.0 {
        // What comes after tokens that already have the probability goes; the likeliest stays.
        let mut before = 0.0;
        let kept = shares.iter().take_while(|(_, share)| {
            let keeps = before < sampling.top_p;
            before += share;
            keeps
        });
        let kept = kept.count().max(1);
        ranked.truncate(kept);
        shares = softmax(&ranked);
    }
    if sampling.temperature.is_some() && sampling.min_p > 0.0 {
        let bound = sampling.min_p * shares.first().map_or(0.0, |(_, share)| *share);
        let kept = shares.iter().take_while(|(_, share)| *share >= bound).count().max(1);
        ranked.truncate(kept);
        shares = softmax(&ranked);
    }
    shares
}

/// Of scores in falling order.
fn softmax(ranked: &[(u32, f32)]) -> Vec<(u32, f64)> {
    let top = ranked.first().map_or(0.0, |(_, score)| f64::from(*score));
    let weights: Vec<f64> =
        ranked.iter().map(|(_, score)| (f64::from(*score) - top).exp()).collect();
    let sum: f64 = weights.iter().sum();
    ranked.iter().zip(weights).map(|((id, _), weight)| (*id, weight / sum)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Sampling = Sampling { temperature: Some(1.0), ..Sampling::GREEDY };

    fn ids(sampling: &Sampling, logits: &[f32], seen: &[u32]) -> Vec<u32> {
        distribution(logits, seen, sampling).into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn each_rule_keeps_what_it_says() {
        // Probabilities 0.5, 0.25, 0.125, 0.125.
        let logits = [8.0, 4.0, 2.0, 2.0].map(f32::ln);
        assert_eq!(ids(&PLAIN, &logits, &[]), [0, 1, 2, 3]);
        assert_eq!(ids(&Sampling { top_k: 2, ..PLAIN }, &logits, &[]), [0, 1]);
        // The fourth is as likely as the third.
        assert_eq!(ids(&Sampling { top_k: 3, ..PLAIN }, &logits, &[]), [0, 1, 2, 3]);
        assert_eq!(ids(&Sampling { top_p: 0.6, ..PLAIN }, &logits, &[]), [0, 1]);
        assert_eq!(ids(&Sampling { top_p: 0.0, ..PLAIN }, &logits, &[]), [0]);
        assert_eq!(ids(&Sampling { min_p: 0.4, ..PLAIN }, &logits, &[]), [0, 1]);
        assert_eq!(ids(&Sampling { min_p: 1.0, ..PLAIN }, &logits, &[]), [0]);
        let penalised = Sampling { repetition_penalty: 3.0, ..PLAIN };
        assert_eq!(ids(&penalised, &logits, &[0, 0]), [1, 0, 2, 3]);
        assert_eq!(ids(&penalised, &[-1.0, -2.0], &[0]), [1, 0]);
    }

    #[test]
    fn draws_follow_the_probabilities_and_repeat() {
        let logits = [1.0, 2.0, 1.0].map(f32::ln);
        let draw = |place| PLAIN.pick(&logits, &[], 7, place);
        let counts = (0..10_000).map(draw).fold([0_u32; 3], |mut counts, id| {
            counts[id as usize] += 1;
            counts
        });
        assert!(counts[1].abs_diff(5000) < 200 && counts[0].abs_diff(2500) < 200, "{counts:?}");
        assert!((0..50).all(|place| draw(place) == draw(place)));
        let other = Sampling { seed: 1, ..PLAIN };
        assert!((0..50).any(|place| draw(place) != other.pick(&logits, &[], 7, place)));
        assert!((0..50).all(|place| Sampling::GREEDY.pick(&logits, &[], 7, place) == 1));
    }
}
