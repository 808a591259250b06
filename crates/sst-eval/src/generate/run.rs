//! The loop: prompts in, tokens out.

use sst_core::nn::KvCache;
use sst_core::{Forward, Model, RaggedRows, Tokens};
use tch::{Device, Kind, Tensor};

use super::sample::Sampling;
use crate::error::EvalError;

/// Continues prompts.
pub struct Generator<'m> {
    model: &'m dyn Model,
    device: Device,
    /// Whether keys and values of tokens are kept. Without, every token is read again for each new one: the same
    /// result, only slower.
    pub use_cache: bool,
}

/// When a sequence ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// New tokens at most.
    pub max_new_tokens: usize,
    /// Tokens that end a sequence.
    pub ends: Vec<u32>,
}

/// Why a sequence ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It has as many new tokens as it may, or the model's positions are used up.
    Length,
    /// It ended by a token that ends sequences.
    End,
    /// Whoever listened wanted no more: a stop string.
    Stop,
}

/// What a prompt was continued with.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The new tokens, without the one that ended it.
    pub ids: Vec<u32>,
    /// Why it ended.
    pub finish: Finish,
    /// The sum of the new tokens' log-probabilities under the model as it is, of the one that ended it too.
    pub log_probability: f64,
}

/// A sequence that is not done.
struct Row {
    /// Its place in the prompts.
    place: usize,
    ids: Vec<u32>,
    prompt: usize,
    /// The tokens that the cache does not hold.
    new: usize,
    log_probability: f64,
}

impl<'m> Generator<'m> {
    /// With the cache.
    pub fn new(model: &'m dyn Model, device: Device) -> Self {
        Self { model, device, use_cache: true }
    }

    /// Continues `prompts`, all at once; samples are drawn by the place of a prompt and of the token. `listen` is
    /// told the place and each new token as it comes, and says whether to go on.
    ///
    /// # Errors
    /// If the model is not causal or has no language-model head, a prompt is empty or leaves no position, or libtorch
    /// fails.
    pub fn generate(
        &self,
        prompts: &[Vec<u32>],
        sampling: &Sampling,
        limits: &Limits,
        listen: &mut dyn FnMut(usize, u32) -> Result<bool, EvalError>,
    ) -> Result<Vec<Completion>, EvalError> {
        let limit = self.model.max_length()?;
        for prompt in prompts {
            check_prompt(prompt, limit)?;
        }
        let mut done: Vec<Option<Completion>> = prompts.iter().map(|_| None).collect();
        let start = |(place, ids): (usize, &Vec<u32>)| Row {
            place,
            ids: ids.clone(),
            prompt: ids.len(),
            new: ids.len(),
            log_probability: 0.0,
        };
        let mut rows: Vec<Row> = prompts.iter().enumerate().map(start).collect();
        let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
        let room = room(longest, limits.max_new_tokens, limit);
        let mut cache = KvCache::new(rows.len(), room);
        while !rows.is_empty() && limits.max_new_tokens > 0 {
            let logits_bv = tch::no_grad(|| self.logits(&rows, &mut cache))?;
            let picked = pick(&logits_bv, &rows, sampling)?;
            let mut kept = Vec::new();
            for (row, (id, log_probability)) in rows.iter_mut().zip(picked) {
                row.log_probability += log_probability;
                let is_end = limits.ends.contains(&id);
                if !is_end {
                    row.ids.push(id);
                    row.new = 1;
                }
                let goes_on = is_end || listen(row.place, id)?;
                let count = row.ids.len() - row.prompt;
                let finish = match () {
                    () if is_end => Some(Finish::End),
                    () if !goes_on => Some(Finish::Stop),
                    () if count >= limits.max_new_tokens || row.ids.len() >= limit => {
                        Some(Finish::Length)
                    }
                    () => None,
                };
                kept.push(finish.is_none());
                if let Some(finish) = finish {
                    let ids = row.ids[row.prompt..].to_vec();
                    let log_probability = row.log_probability;
                    done[row.place] = Some(Completion { ids, finish, log_probability });
                }
            }
            if kept.contains(&false) {
                let places: Vec<usize> = (0..rows.len()).filter(|row| kept[*row]).collect();
                if self.use_cache {
                    cache.select(&places)?;
                }
                let mut keeps = kept.into_iter();
                rows.retain(|_| keeps.next().unwrap_or(false));
            }
        }
        let nothing =
            || Completion { ids: Vec::new(), finish: Finish::Length, log_probability: 0.0 };
        Ok(done.into_iter().map(|done| done.unwrap_or_else(nothing)).collect())
    }

    /// The logits `[b, v]` after each row, fp32 on the host.
    fn logits(&self, rows: &[Row], cache: &mut KvCache) -> Result<Tensor, EvalError> {
        let new: Vec<&[u32]> = match self.use_cache {
            true => rows.iter().map(|row| &row.ids[row.ids.len() - row.new..]).collect(),
            false => rows.iter().map(|row| row.ids.as_slice()).collect(),
        };
        next_logits(self.model, self.device, &new, self.use_cache.then_some(cache))
    }
}

/// Tokens that a cache has room for at once; it grows with what comes.
pub(super) fn room(prompt: usize, max_new_tokens: usize, limit: usize) -> usize {
    const FIRST: usize = 512;
    (prompt + max_new_tokens.min(FIRST)).min(limit)
}

/// Refuses a prompt of no token, and one that leaves no position.
pub(super) fn check_prompt(prompt: &[u32], limit: usize) -> Result<(), EvalError> {
    match prompt.len() {
        0 => Err(EvalError::EmptyPrompt),
        length if length >= limit => Err(EvalError::LongPrompt { length, limit }),
        _ => Ok(()),
    }
}

/// The logits `[b, v]` after rows of new tokens, which continue those in the cache if there is one. On the host in
/// fp32.
///
/// # Errors
/// If the logits of a row hold NaN or infinity, or libtorch fails.
pub(super) fn next_logits(
    model: &dyn Model,
    device: Device,
    new: &[&[u32]],
    cache: Option<&mut KvCache>,
) -> Result<Tensor, EvalError> {
    let decoder = model.decoder()?;
    let lengths: Vec<usize> = new.iter().map(|ids| ids.len()).collect();
    let rows = RaggedRows::new(&lengths, device);
    let ids: Vec<i64> = new.iter().flat_map(|ids| ids.iter()).map(|id| i64::from(*id)).collect();
    let ids_t = Tensor::f_from_slice(&ids)?.f_to_device(device)?;
    let hidden_td = match cache {
        Some(cache) => decoder.extend(&ids_t, &rows, cache)?,
        None => {
            let input = Tokens::ragged(&ids_t, &rows);
            model.text_encoder()?.encode(input.into(), Forward::EVAL)?.hidden_bld
        }
    };
    let last: Vec<i64> = rows.offsets()[1..].iter().map(|end| end - 1).collect();
    let last_b = Tensor::f_from_slice(&last)?.f_to_device(device)?;
    let hidden_bd = hidden_td.f_index_select(0, &last_b)?;
    let logits_bv = model.lm_head()?.logits(&hidden_bd, Forward::EVAL)?;
    let logits_bv = logits_bv.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?;
    // The largest of numbers one of which is NaN is NaN. Minus infinity, a token that never comes, may be among them.
    let largest_b = Vec::<f32>::try_from(logits_bv.f_amax([-1_i64], false)?)?;
    match largest_b.iter().all(|largest| largest.is_finite()) {
        true => Ok(logits_bv),
        false => Err(EvalError::NotFinite("the score of a next token".to_owned())),
    }
}

/// The next token of each row, and its log-probability under the model as it is.
fn pick(
    logits_bv: &Tensor,
    rows: &[Row],
    sampling: &Sampling,
) -> Result<Vec<(u32, f64)>, EvalError> {
    let is_plain = sampling.temperature.is_none() && sampling.repetition_penalty == 1.0;
    let ids: Vec<i64> = if is_plain {
        Vec::try_from(logits_bv.f_argmax(-1, false)?)?
    } else {
        let vocab = logits_bv.size()[1] as usize;
        let flat = Vec::<f32>::try_from(logits_bv.f_flatten(0, -1)?)?;
        let picks = rows.iter().zip(flat.chunks(vocab)).map(|(row, logits)| {
            let place = (row.ids.len() - row.prompt) as u64;
            i64::from(sampling.pick(logits, &row.ids, row.place as u64, place))
        });
        picks.collect()
    };
    let picked = Tensor::f_from_slice(&ids)?.f_unsqueeze(-1)?;
    let scores = logits_bv.f_gather(-1, &picked, false)?.f_squeeze_dim(-1)?;
    let log_b = scores.f_sub(&logits_bv.f_logsumexp(&[-1_i64][..], false)?)?;
    let log = Vec::<f32>::try_from(log_b)?;
    Ok(ids.into_iter().map(|id| id as u32).zip(log.into_iter().map(f64::from)).collect())
}
