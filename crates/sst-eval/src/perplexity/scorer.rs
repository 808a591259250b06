//! Scores the windows of texts, several windows in a forward pass.
//!
//! Shapes: t tokens of all windows together, n scored tokens, v vocabulary.

use sst_core::{Forward, Model, RaggedRows, Report, Terms, Tokens};
use tch::{Device, Kind, Reduction, Tensor};

use super::ENTRY;
use super::windows::{Placement, SlidingWindow, Span, spans};
use crate::error::EvalError;
use crate::input::Text;
use crate::metric::perplexity;

/// The number of logits at which a forward pass is run. 2^24 fp32 numbers take 64 MiB.
const MAX_LOGITS: usize = 1 << 24;

/// Scores texts one after the other, several windows in a forward pass.
pub(super) struct Scorer<'m> {
    model: &'m dyn Model,
    device: Device,
    window: SlidingWindow,
    /// A forward pass is run as soon as the pending windows have this many tokens.
    batch_tokens: usize,
    pending: Vec<PendingWindow>,
    sums: Sums,
    counts: Counts,
    /// Of each text the weighted negative log-likelihood and the weight.
    texts: Vec<Terms>,
    /// Of each text the negative log-likelihood in bits, and the number of bytes.
    bits: Vec<Terms>,
}

/// A window that is not scored yet.
struct PendingWindow {
    ids: Vec<u32>,
    /// The number of tokens at the end of the window that are scored.
    scored: usize,
    /// The weight of the mean over the scored tokens.
    weight: usize,
    /// The index of the text.
    text: usize,
}

/// Negative log-likelihoods in nats.
#[derive(Debug, Default, Clone, Copy)]
struct Sums {
    /// The sum over all scored tokens.
    nll: f64,
    /// The sum over windows of the mean over the scored tokens, times the weight of the window.
    weighted: f64,
    /// The sum of the weights.
    weight: u64,
}

#[derive(Debug, Default)]
struct Counts {
    documents: u64,
    tokens: u64,
    scored: u64,
    windows: u64,
    words: u64,
    bytes: u64,
}

impl<'m> Scorer<'m> {
    /// A scorer with about `batch_tokens` tokens in a forward pass.
    ///
    /// # Errors
    /// If the model is not causal, the window is longer than the maximum length of the model or shorter than two tokens,
    /// the stride is 0 or longer than the window, or it is 1 with strided windows.
    pub(super) fn new(
        model: &'m dyn Model,
        window: SlidingWindow,
        batch_tokens: usize,
    ) -> Result<Self, EvalError> {
        model.decoder()?;
        let limit = model.max_length()?;
        let SlidingWindow { length, stride, placement } = window;
        let refuse = |keys: &'static [&'static str], reason: String| {
            Err(EvalError::SlidingWindow { keys, reason })
        };
        if length > limit {
            let reason = format!(
                "a window of {length} tokens is too long, because the model reads at most {limit}: lower `max_length`"
            );
            return refuse(&["max_length"], reason);
        }
        if length < 2 {
            let reason = format!(
                "a window of {length} tokens is too short, because a token is predicted from those before it: raise \
                 `max_length` to 2 or more"
            );
            return refuse(&["max_length"], reason);
        }
        if stride == 0 || stride > length {
            let reason = format!(
                "a window of {length} tokens cannot move by {stride}: set `stride` to a number from 1 to {length}"
            );
            return refuse(&["stride"], reason);
        }
        if placement == Placement::Strided && stride == 1 {
            let reason = "the window moves by 1 token (half its length, if no `stride` is set), and the weight of a \
                          strided window is the number of its new tokens minus 1, so every weight would be 0: raise \
                          `stride`, or set `windows` to full";
            return refuse(&["stride", "windows"], reason.to_owned());
        }
        let device = model.params().device();
        let (pending, sums, counts) = (Vec::new(), Sums::default(), Counts::default());
        let (texts, bits) = (Vec::new(), Vec::new());
        Ok(Self { model, device, window, batch_tokens, pending, sums, counts, texts, bits })
    }

    /// Adds a text. Each token is scored given the tokens before it in its window. A token without a context is counted
    /// as not scored.
    pub(super) fn add(&mut self, text: &Text) -> Result<(), EvalError> {
        let ids = &text.ids;
        let index = self.texts.len();
        self.texts.push((0.0, 0.0));
        self.bits.push((0.0, text.bytes as f64));
        self.counts.documents += 1;
        self.counts.words += text.words;
        self.counts.bytes += text.bytes;
        self.counts.tokens += (ids.len() - usize::from(text.has_start && !ids.is_empty())) as u64;
        for Span { begin, end, scored, weight } in spans(ids.len(), self.window) {
            self.counts.scored += scored as u64;
            self.counts.windows += 1;
            self.sums.weight += weight as u64;
            let ids = ids[begin..end].to_vec();
            self.pending.push(PendingWindow { ids, scored, weight, text: index });
            let tokens: usize = self.pending.iter().map(|window| window.ids.len()).sum();
            let num_scored: usize = self.pending.iter().map(|window| window.scored).sum();
            let logits = num_scored * self.model.vocab_size()?;
            if tokens >= self.batch_tokens || logits >= MAX_LOGITS {
                self.score_pending()?;
            }
        }
        Ok(())
    }

    /// Scores the pending windows and reports `loss` (the mean negative log-likelihood of a scored token in nats, weighted
    /// according to [`Placement`]), `perplexity` (its exponential), `token_perplexity` (with the same weight for each
    /// scored token), and with the sum over tokens divided by the words or bytes of the texts `word_perplexity`,
    /// `byte_perplexity` and `bits_per_byte`. Counts `documents`, `tokens`, `scored_tokens`, `unscored_tokens`,
    /// `windows`, `words` and `bytes`.
    pub(super) fn finish(mut self) -> Result<Report, EvalError> {
        self.score_pending()?;
        let Counts { documents, tokens, scored, windows, words, bytes } = self.counts;
        if scored == 0 {
            return Err(EvalError::Nothing(ENTRY.name.to_owned()));
        }
        let Sums { nll, weighted, weight } = self.sums;
        let loss = weighted / weight as f64;
        let per = |count: u64| nll / count.max(1) as f64;
        let metrics = [
            ("loss", loss),
            ("perplexity", perplexity(loss)),
            ("token_perplexity", perplexity(per(scored))),
            ("word_perplexity", perplexity(per(words))),
            ("byte_perplexity", perplexity(per(bytes))),
            ("bits_per_byte", per(bytes) / std::f64::consts::LN_2),
        ];
        let counts = [
            ("documents", documents),
            ("tokens", tokens),
            ("scored_tokens", scored),
            ("unscored_tokens", tokens - scored),
            ("windows", windows),
            ("words", words),
            ("bytes", bytes),
        ];
        let report = Report::new(ENTRY.name, metrics, counts)
            .with_examples("loss", self.texts)
            .with_examples("bits_per_byte", self.bits);
        Ok(report.with_setting("windows", self.window.placement.name()))
    }

    /// Scores the pending windows.
    fn score_pending(&mut self) -> Result<(), EvalError> {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return Ok(());
        }
        let window_nlls = tch::no_grad(|| self.window_nlls(&pending))?;
        for (window, nll) in pending.iter().zip(window_nlls) {
            if !nll.is_finite() {
                return Err(EvalError::NotFinite("the loss of a window".to_owned()));
            }
            self.sums.nll += nll;
            // If weight and scored are equal, the factor is exactly 1.
            let weighted = nll * (window.weight as f64 / window.scored as f64);
            self.sums.weighted += weighted;
            self.texts[window.text].0 += weighted;
            self.texts[window.text].1 += window.weight as f64;
            self.bits[window.text].0 += nll / std::f64::consts::LN_2;
        }
        Ok(())
    }

    /// The summed negative log-likelihood of the scored tokens of each window.
    fn window_nlls(&self, windows: &[PendingWindow]) -> Result<Vec<f64>, EvalError> {
        let (mut ids, mut lengths) = (Vec::new(), Vec::new());
        let (mut positions, mut labels) = (Vec::new(), Vec::new());
        for window in windows {
            // The model reads the last token too, although its logits are not needed: some rotary embeddings depend on
            // the length of the row.
            let (length, first) = (window.ids.len(), window.ids.len() - window.scored);
            positions.extend((first - 1..length - 1).map(|at| (ids.len() + at) as i64));
            labels.extend(window.ids[first..].iter().map(|id| i64::from(*id)));
            ids.extend(window.ids.iter().map(|id| i64::from(*id)));
            lengths.push(length);
        }
        let on_device = |numbers: &[i64]| Tensor::f_from_slice(numbers)?.f_to_device(self.device);
        let (rows, ids_t) = (RaggedRows::new(&lengths, self.device), on_device(&ids)?);
        let input = Tokens::ragged(&ids_t, &rows);
        let positions_n = on_device(&positions)?;
        let hidden_nd =
            self.model.text_encoder()?.encode_at(input.into(), &positions_n, Forward::EVAL)?;
        let logits_nv = self.model.lm_head()?.logits(&hidden_nd, Forward::EVAL)?;
        let nll_n = logits_nv.f_to_kind(Kind::Float)?.f_cross_entropy_loss(
            &on_device(&labels)?,
            None::<Tensor>,
            Reduction::None,
            -100,
            0.0,
        )?;
        let nll_n = Vec::<f32>::try_from(nll_n.f_to_device(Device::Cpu)?)?;
        let mut remaining = nll_n.as_slice();
        let sums = windows.iter().map(|window| {
            let (window_nlls, rest) = remaining.split_at(window.scored);
            remaining = rest;
            window_nlls.iter().map(|nll| f64::from(*nll)).sum()
        });
        Ok(sums.collect())
    }
}
