//! Beam search.

use sst_core::Model;
use sst_core::nn::KvCache;
use tch::{Device, Kind, Tensor};

use super::run::{Completion, Finish, Limits, cache_capacity, check_prompt, next_logits};
use crate::error::EvalError;

/// The settings of beam search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beams {
    /// The number of beams (transformers' `num_beams`).
    pub count: usize,
    /// The length penalty p, as in transformers: a sequence of n new tokens is ranked by its log-probability divided by
    /// n^p. Values above 0 favour long sequences.
    pub length_penalty: f64,
}

/// An unfinished sequence.
struct Beam {
    /// The new tokens.
    ids: Vec<u32>,
    /// The log-probability of the new tokens.
    score: f64,
}

/// A candidate to extend a beam by one token.
struct Candidate {
    /// The index of the beam.
    beam: usize,
    id: u32,
    /// The log-probability of the extended beam.
    score: f64,
}

/// Continues `prompt` by beam search. Returns at most `beams.count` sequences, the best first; they are those of
/// transformers with `early_stopping=False`.
///
/// # Errors
/// If there are no beams, the model is not causal or has no language-model head, the prompt is empty or leaves no
/// position for a new token, or libtorch fails.
pub fn beam_search(
    model: &dyn Model,
    device: Device,
    prompt: &[u32],
    beams: Beams,
    limits: &Limits,
) -> Result<Vec<Completion>, EvalError> {
    let limit = model.max_length()?;
    check_prompt(prompt, limit)?;
    if beams.count == 0 {
        return Err(EvalError::NoBeams);
    }
    let max_new_tokens = limits.max_new_tokens.min(limit - prompt.len());
    let mut cache = KvCache::new(1, cache_capacity(prompt.len(), max_new_tokens, limit));
    let mut running = vec![Beam { ids: Vec::new(), score: 0.0 }];
    // Finished sequences with their length-penalised scores.
    let mut finished: Vec<(f64, Completion)> = Vec::new();
    let penalised = |score: f64, length: usize| score / (length as f64).powf(beams.length_penalty);
    for length in 1..=max_new_tokens {
        let new: Vec<&[u32]> = match length {
            1 => vec![prompt],
            _ => running.iter().map(|beam| &beam.ids[beam.ids.len() - 1..]).collect(),
        };
        // Enough candidates to continue all beams, even if every end token is among the candidates of every beam.
        let num_candidates = beams.count * (1 + limits.eos_token_ids.len()).max(2);
        let candidates = tch::no_grad(|| {
            let logits_bv = next_logits(model, device, &new, Some(&mut cache))?;
            best_candidates(&logits_bv, &running, num_candidates)
        })?;
        let mut extended = Vec::new();
        let mut parents = Vec::new();
        for (rank, Candidate { beam, id, score }) in candidates.into_iter().enumerate() {
            let ids = &running[beam].ids;
            if limits.eos_token_ids.contains(&id) {
                // An ended sequence counts only if it is among the best candidates, as in transformers.
                if rank < beams.count {
                    let (ids, finish) = (ids.clone(), Finish::End);
                    let completion = Completion { ids, finish, log_probability: score };
                    finished.push((penalised(score, length), completion));
                }
            } else if extended.len() < beams.count {
                extended.push(Beam { ids: [ids.as_slice(), &[id]].concat(), score });
                parents.push(beam);
            }
        }
        finished.sort_by(|a, b| b.0.total_cmp(&a.0));
        finished.truncate(beams.count);
        running = extended;
        cache.select(&parents)?;
        // The search ends when the best running beam is no better than the worst finished sequence.
        let best_running =
            running.first().map_or(f64::NEG_INFINITY, |beam| penalised(beam.score, length));
        let worst_finished = finished.last().map_or(f64::NEG_INFINITY, |(score, _)| *score);
        let is_full = finished.len() == beams.count;
        if running.is_empty() || (is_full && worst_finished >= best_running) {
            running.clear();
            break;
        }
    }
    for beam in running {
        let (length, score) = (beam.ids.len(), beam.score);
        let completion =
            Completion { ids: beam.ids, finish: Finish::Length, log_probability: score };
        finished.push((penalised(score, length), completion));
    }
    finished.sort_by(|a, b| b.0.total_cmp(&a.0));
    finished.truncate(beams.count);
    Ok(finished.into_iter().map(|(_, completion)| completion).collect())
}

/// The `count` best extensions of all beams by one token, the best first, given the logits `[b, v]` of the next token.
fn best_candidates(
    logits_bv: &Tensor,
    running: &[Beam],
    count: usize,
) -> Result<Vec<Candidate>, EvalError> {
    let scores: Vec<f32> = running.iter().map(|beam| beam.score as f32).collect();
    let scores_b1 = Tensor::f_from_slice(&scores)?.f_unsqueeze(-1)?;
    let sums_bv = logits_bv.f_log_softmax(-1, Kind::Float)?.f_add(&scores_b1)?;
    let vocab = sums_bv.size()[1];
    let flat = sums_bv.f_flatten(0, 1)?;
    let (best, indices) = flat.f_topk((count as i64).min(flat.size()[0]), 0, true, true)?;
    let (best, indices) = (Vec::<f32>::try_from(best)?, Vec::<i64>::try_from(indices)?);
    let candidate = |(index, score): (i64, f32)| Candidate {
        beam: (index / vocab) as usize,
        id: (index % vocab) as u32,
        score: f64::from(score),
    };
    Ok(indices.into_iter().zip(best).map(candidate).collect())
}
