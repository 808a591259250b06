//! Beam search: the likeliest sequences that a limited search finds.

use sst_core::Model;
use sst_core::nn::KvCache;
use tch::{Device, Kind, Tensor};

use super::run::{Completion, Finish, Limits, check_prompt, next_logits, room};
use crate::error::EvalError;

/// How wide is searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beams {
    /// Sequences that are followed at a time.
    pub count: usize,
    /// The power of its length that a sequence's log-probability is divided by: above 0 favours long ones.
    pub length_penalty: f64,
}

/// A sequence that goes on.
struct Beam {
    ids: Vec<u32>,
    score: f64,
}

/// Continues `prompt`: `beams.count` sequences at most, the best first, as transformers finds them without early
/// stopping.
///
/// # Errors
/// If there are no beams, the model is not causal or has no language-model head, the prompt is empty or leaves no
/// position, or libtorch fails.
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
    let most = limits.max_new_tokens.min(limit - prompt.len());
    let mut cache = KvCache::new(1, room(prompt.len(), most, limit));
    let mut running = vec![Beam { ids: Vec::new(), score: 0.0 }];
    let mut done: Vec<(f64, Completion)> = Vec::new();
    let scored = |score: f64, length: usize| score / (length as f64).powf(beams.length_penalty);
    for length in 1..=most {
        let new: Vec<&[u32]> = match length {
            1 => vec![prompt],
            _ => running.iter().map(|beam| &beam.ids[beam.ids.len() - 1..]).collect(),
        };
        let candidates = tch::no_grad(|| {
            let logits_bv = next_logits(model, device, &new, Some(&mut cache))?;
            best(&logits_bv, &running, beams.count * (1 + limits.ends.len()).max(2))
        })?;
        let mut next = Vec::new();
        let mut parents = Vec::new();
        for (rank, (parent, id, score)) in candidates.into_iter().enumerate() {
            let ids = &running[parent].ids;
            if limits.ends.contains(&id) {
                // One that is not among the best would not have been followed either.
                if rank < beams.count {
                    let (ids, finish) = (ids.clone(), Finish::End);
                    let completion = Completion { ids, finish, log_probability: score };
                    done.push((scored(score, length), completion));
                }
            } else if next.len() < beams.count {
                next.push(Beam { ids: [ids.as_slice(), &[id]].concat(), score });
                parents.push(parent);
            }
        }
        done.sort_by(|a, b| b.0.total_cmp(&a.0));
        done.truncate(beams.count);
        running = next;
        cache.select(&parents)?;
        let hope = running.first().map_or(f64::NEG_INFINITY, |beam| scored(beam.score, length));
        let worst = done.last().map_or(f64::NEG_INFINITY, |(score, _)| *score);
        if running.is_empty() || (done.len() == beams.count && worst >= hope) {
            running.clear();
            break;
        }
    }
    for beam in running {
        let (length, score) = (beam.ids.len(), beam.score);
        let completion =
            Completion { ids: beam.ids, finish: Finish::Length, log_probability: score };
        done.push((scored(score, length), completion));
    }
    done.sort_by(|a, b| b.0.total_cmp(&a.0));
    done.truncate(beams.count);
    Ok(done.into_iter().map(|(_, completion)| completion).collect())
}

/// The likeliest continuations of all beams: whose, by which token, and the log-probability of the whole.
fn best(
    logits_bv: &Tensor,
    running: &[Beam],
    count: usize,
) -> Result<Vec<(usize, u32, f64)>, EvalError> {
    let scores: Vec<f32> = running.iter().map(|beam| beam.score as f32).collect();
    let scores_b = Tensor::f_from_slice(&scores)?.f_unsqueeze(-1)?;
    let all_bv = logits_bv.f_log_softmax(-1, Kind::Float)?.f_add(&scores_b)?;
    let vocab = all_bv.size()[1];
    let flat = all_bv.f_flatten(0, 1)?;
    let (scores, places) = flat.f_topk((count as i64).min(flat.size()[0]), 0, true, true)?;
    let (scores, places) = (Vec::<f32>::try_from(scores)?, Vec::<i64>::try_from(places)?);
    let split = |(place, score): (i64, f32)| {
        ((place / vocab) as usize, (place % vocab) as u32, f64::from(score))
    };
    Ok(places.into_iter().zip(scores).map(split).collect())
}
