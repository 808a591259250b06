//! The generation loop for greedy decoding and sampling.

use sst_core::nn::KvCache;
use sst_core::{Forward, Model, RaggedRows, Tokens};
use tch::{Device, Kind, Tensor};

use super::sample::Sampling;
use crate::error::EvalError;

/// Continues prompts by greedy decoding or sampling.
pub struct Generator<'m> {
    model: &'m dyn Model,
    device: Device,
    /// Whether to cache keys and values. Without the cache, all tokens are read again for each new token; the result is
    /// the same, but it takes longer.
    pub use_cache: bool,
}

/// When a sequence ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// The maximum number of new tokens.
    pub max_new_tokens: usize,
    /// The tokens that end a sequence.
    pub eos_token_ids: Vec<u32>,
}

/// Why a sequence ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It reached the maximum number of new tokens or the maximum length of the model.
    Length,
    /// The model predicted one of [`Limits::eos_token_ids`].
    End,
    /// The caller's `on_token` returned `false`, for example at a stop string.
    Stop,
}

/// The continuation of a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The new tokens, without the end token.
    pub ids: Vec<u32>,
    /// Why the sequence ended.
    pub finish: Finish,
    /// The sum of the log-probabilities of the new tokens and of the end token. They are those of the model, before
    /// temperature, penalties and truncation.
    pub log_probability: f64,
}

/// An unfinished sequence.
struct Row {
    /// The index of the prompt.
    prompt: usize,
    /// The tokens of the prompt and the new tokens.
    ids: Vec<u32>,
    prompt_length: usize,
    /// The number of last tokens that the cache does not hold yet.
    num_uncached: usize,
    log_probability: f64,
}

impl<'m> Generator<'m> {
    /// A generator that uses the key-value cache.
    pub fn new(model: &'m dyn Model, device: Device) -> Self {
        Self { model, device, use_cache: true }
    }

    /// Continues all `prompts` together. `on_token` is called with the index of the prompt and each new token (but not
    /// with end tokens); the sequence stops if it returns `false`. A sample depends on the seed, the index of the prompt
    /// and the position of the token only, not on the other prompts.
    ///
    /// # Errors
    /// If the model is not causal or has no language-model head, a prompt is empty or leaves no position for a new token,
    /// `on_token` fails, or libtorch fails.
    pub fn generate(
        &self,
        prompts: &[Vec<u32>],
        sampling: &Sampling,
        limits: &Limits,
        on_token: &mut dyn FnMut(usize, u32) -> Result<bool, EvalError>,
    ) -> Result<Vec<Completion>, EvalError> {
        let limit = self.model.max_length()?;
        for prompt in prompts {
            check_prompt(prompt, limit)?;
        }
        let mut completions: Vec<Option<Completion>> = prompts.iter().map(|_| None).collect();
        let row = |(prompt, ids): (usize, &Vec<u32>)| Row {
            prompt,
            ids: ids.clone(),
            prompt_length: ids.len(),
            num_uncached: ids.len(),
            log_probability: 0.0,
        };
        let mut rows: Vec<Row> = prompts.iter().enumerate().map(row).collect();
        let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
        let capacity = cache_capacity(longest, limits.max_new_tokens, limit);
        let mut cache = KvCache::new(rows.len(), capacity);
        while !rows.is_empty() && limits.max_new_tokens > 0 {
            let logits_bv = tch::no_grad(|| self.logits(&rows, &mut cache))?;
            let next_tokens = next_tokens(&logits_bv, &rows, sampling)?;
            let mut is_unfinished = Vec::new();
            for (row, (id, log_probability)) in rows.iter_mut().zip(next_tokens) {
                row.log_probability += log_probability;
                let is_end = limits.eos_token_ids.contains(&id);
                if !is_end {
                    row.ids.push(id);
                    row.num_uncached = 1;
                }
                let continues = is_end || on_token(row.prompt, id)?;
                let num_new = row.ids.len() - row.prompt_length;
                let finish = match () {
                    () if is_end => Some(Finish::End),
                    () if !continues => Some(Finish::Stop),
                    () if num_new >= limits.max_new_tokens || row.ids.len() >= limit => {
                        Some(Finish::Length)
                    }
                    () => None,
                };
                is_unfinished.push(finish.is_none());
                if let Some(finish) = finish {
                    let ids = row.ids[row.prompt_length..].to_vec();
                    let log_probability = row.log_probability;
                    completions[row.prompt] = Some(Completion { ids, finish, log_probability });
                }
            }
            if is_unfinished.contains(&false) {
                let kept: Vec<usize> = (0..rows.len()).filter(|row| is_unfinished[*row]).collect();
                if self.use_cache {
                    cache.select(&kept)?;
                }
                let mut keep = is_unfinished.into_iter();
                rows.retain(|_| keep.next().unwrap_or(false));
            }
        }
        // Without any new token allowed, nothing was generated.
        let empty = || Completion { ids: Vec::new(), finish: Finish::Length, log_probability: 0.0 };
        Ok(completions.into_iter().map(|completion| completion.unwrap_or_else(empty)).collect())
    }

    /// The logits `[b, v]` of the next token of each row, in fp32 on the CPU.
    fn logits(&self, rows: &[Row], cache: &mut KvCache) -> Result<Tensor, EvalError> {
        let new: Vec<&[u32]> = match self.use_cache {
            true => rows.iter().map(|row| &row.ids[row.ids.len() - row.num_uncached..]).collect(),
            false => rows.iter().map(|row| row.ids.as_slice()).collect(),
        };
        next_logits(self.model, self.device, &new, self.use_cache.then_some(cache))
    }
}

/// The initial capacity of a key-value cache in tokens per row. The cache grows if more tokens come.
pub(super) fn cache_capacity(prompt: usize, max_new_tokens: usize, limit: usize) -> usize {
    const MAX_INITIAL: usize = 512;
    (prompt + max_new_tokens.min(MAX_INITIAL)).min(limit)
}

/// Refuses an empty prompt, and a prompt that leaves no position for a new token.
pub(super) fn check_prompt(prompt: &[u32], limit: usize) -> Result<(), EvalError> {
    match prompt.len() {
        0 => Err(EvalError::EmptyPrompt),
        length if length >= limit => Err(EvalError::LongPrompt { length, limit }),
        _ => Ok(()),
    }
}

/// Reads the new tokens of each row and returns the logits `[b, v]` of the next tokens, in fp32 on the CPU. With a cache,
/// the new tokens continue the tokens in the cache, and are added to it.
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
    let logits_bv = model
        .lm_head()?
        .logits(&hidden_bd, Forward::EVAL)?
        .f_to_kind(Kind::Float)?
        .f_to_device(Device::Cpu)?;
    // The maximum is NaN if any logit is NaN. Single logits may be minus infinity: such a token has probability 0.
    let largest_b = Vec::<f32>::try_from(logits_bv.f_amax([-1_i64], false)?)?;
    match largest_b.iter().all(|largest| largest.is_finite()) {
        true => Ok(logits_bv),
        false => Err(EvalError::NotFinite("a logit of the next token".to_owned())),
    }
}

/// The next token of each row, and the model's log-probability of it.
fn next_tokens(
    logits_bv: &Tensor,
    rows: &[Row],
    sampling: &Sampling,
) -> Result<Vec<(u32, f64)>, EvalError> {
    let is_argmax = sampling.temperature.is_none() && sampling.repetition_penalty == 1.0;
    let ids: Vec<i64> = if is_argmax {
        Vec::try_from(logits_bv.f_argmax(-1, false)?)?
    } else {
        let vocab = logits_bv.size()[1] as usize;
        let flat = Vec::<f32>::try_from(logits_bv.f_flatten(0, -1)?)?;
        rows.iter()
            .zip(flat.chunks(vocab))
            .map(|(row, logits)| {
                let position = (row.ids.len() - row.prompt_length) as u64;
                i64::from(sampling.next_token(logits, &row.ids, row.prompt as u64, position))
            })
            .collect()
    };
    let ids_b1 = Tensor::f_from_slice(&ids)?.f_unsqueeze(-1)?;
    let logits_b = logits_bv.f_gather(-1, &ids_b1, false)?.f_squeeze_dim(-1)?;
    let log_probs_b = logits_b.f_sub(&logits_bv.f_logsumexp(&[-1_i64][..], false)?)?;
    let log_probs = Vec::<f32>::try_from(log_probs_b)?;
    Ok(ids.into_iter().map(|id| id as u32).zip(log_probs.into_iter().map(f64::from)).collect())
}
