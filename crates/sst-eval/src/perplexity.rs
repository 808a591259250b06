//! Perplexity of a causal language model, by a window that slides over each document.
//!
//! Shapes: t tokens of all windows, n scored tokens, d hidden size, v vocabulary.

use sst_core::{EncoderInput, Forward, Model, RaggedRows};
use tch::{Device, Kind, Reduction, Tensor};

use crate::error::EvalError;
use crate::metric::perplexity;
use crate::report::Report;

/// Logits that are made at once: 64 MiB.
const LOGITS: usize = 1 << 24;

/// How a window slides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Tokens in it.
    pub length: usize,
    /// How many tokens each is moved on by, and so the most that it scores: fewer give each token more context,
    /// and take longer. A window scores one less than its length at most, for its first token has no context.
    pub stride: usize,
}

/// A document, or several joined to one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    /// Its tokens.
    pub ids: Vec<u32>,
    /// Whether the first is no part of the text but stands before it, so that the text's own first has a context.
    pub has_start: bool,
    /// Its words.
    pub words: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// Scores texts as they come, a number of windows at a time.
pub struct Perplexity<'m> {
    model: &'m dyn Model,
    device: Device,
    window: Window,
    /// Tokens in a forward pass, about.
    batch_tokens: usize,
    waiting: Vec<Waiting>,
    nll: f64,
    counts: Counts,
}

/// A window to score the last tokens of.
struct Waiting {
    ids: Vec<u32>,
    scored: usize,
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

impl<'m> Perplexity<'m> {
    /// A measure of `model`, which reads about `batch_tokens` at once.
    ///
    /// # Errors
    /// If the model sees what follows, the window is longer than its positions or shorter than two tokens, or the
    /// stride is none.
    pub fn new(
        model: &'m dyn Model,
        device: Device,
        window: Window,
        batch_tokens: usize,
    ) -> Result<Self, EvalError> {
        model.decoder()?;
        let limit = model.encoder().max_length();
        if window.length > limit {
            return Err(EvalError::Window(format!(
                "a window of {} tokens does not fit the model, which reads {limit}",
                window.length
            )));
        }
        if window.length < 2 || window.stride == 0 || window.stride > window.length {
            return Err(EvalError::Window(format!(
                "a window of {} tokens cannot move by {}: it needs two tokens or more, and a stride from 1 to \
                 its length",
                window.length, window.stride
            )));
        }
        let (waiting, counts) = (Vec::new(), Counts::default());
        Ok(Self { model, device, window, batch_tokens, waiting, nll: 0.0, counts })
    }

    /// Scores a text: each token once, by the tokens before it in its window; a first token that has none before
    /// it is counted and not scored.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn add(&mut self, text: &Text) -> Result<(), EvalError> {
        let ids = &text.ids;
        self.counts.documents += 1;
        self.counts.words += text.words;
        self.counts.bytes += text.bytes;
        self.counts.tokens += (ids.len() - usize::from(text.has_start && !ids.is_empty())) as u64;
        for (begin, end, scored) in windows(ids.len(), self.window) {
            self.counts.scored += scored as u64;
            self.counts.windows += 1;
            self.waiting.push(Waiting { ids: ids[begin..end].to_vec(), scored });
            let (tokens, logits) = self.waiting.iter().fold((0, 0), |(tokens, logits), window| {
                (tokens + window.ids.len(), logits + window.scored)
            });
            if tokens >= self.batch_tokens || logits * self.model.encoder().vocab_size() >= LOGITS {
                self.score()?;
            }
        }
        Ok(())
    }

    /// `loss` (mean negative log-likelihood of a scored token in nats), `perplexity` (its exponential), and the
    /// same for each word and byte of the texts: `word_perplexity`, `byte_perplexity`, `bits_per_byte`. Counts
    /// `documents`, `tokens`, `scored_tokens`, `unscored_tokens`, `windows`, `words`, `bytes`.
    ///
    /// # Errors
    /// If libtorch fails, or no token was scored.
    pub fn finish(mut self) -> Result<Report, EvalError> {
        self.score()?;
        let Counts { documents, tokens, scored, windows, words, bytes } = self.counts;
        if scored == 0 {
            return Err(EvalError::Nothing("perplexity".to_owned()));
        }
        let per = |count: u64| self.nll / count.max(1) as f64;
        let metrics = [
            ("loss", per(scored)),
            ("perplexity", perplexity(per(scored))),
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
        Ok(Report::new("perplexity", metrics, counts))
    }

    /// Scores what is waiting.
    fn score(&mut self) -> Result<(), EvalError> {
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            self.nll += tch::no_grad(|| self.nll_of(&waiting))?;
        }
        Ok(())
    }

    fn nll_of(&self, windows: &[Waiting]) -> Result<f64, EvalError> {
        let (mut ids, mut lengths) = (Vec::new(), Vec::new());
        let (mut places, mut labels) = (Vec::new(), Vec::new());
        for window in windows {
            // What the last token would predict is not asked for.
            let read = window.ids.len() - 1;
            places.extend((read - window.scored..read).map(|at| (ids.len() + at) as i64));
            labels.extend(window.ids[read + 1 - window.scored..].iter().map(|id| i64::from(*id)));
            ids.extend(window.ids[..read].iter().map(|id| i64::from(*id)));
            lengths.push(read);
        }
        let on_device = |numbers: &[i64]| Tensor::f_from_slice(numbers)?.f_to_device(self.device);
        let (rows, ids_t) = (RaggedRows::new(&lengths, self.device), on_device(&ids)?);
        let input = EncoderInput {
            input_ids: &ids_t,
            rows: Some(&rows),
            attention_mask: None,
            token_type_ids: None,
        };
        let places_n = on_device(&places)?;
        let hidden_nd = self.model.encoder().encode_at(input, &places_n, Forward::EVAL)?;
        let logits_nv = self.model.token_head()?.logits(&hidden_nd, Forward::EVAL)?;
        let nll_n = logits_nv.f_to_kind(Kind::Float)?.f_cross_entropy_loss(
            &on_device(&labels)?,
            None::<Tensor>,
            Reduction::None,
            -100,
            0.0,
        )?;
        Ok(f64::try_from(nll_n.f_sum(Kind::Double)?)?)
    }
}

/// Where windows begin and end over `count` tokens, and how many of its last tokens each scores. Every token but
/// the first is scored in exactly one.
fn windows(count: usize, window: Window) -> impl Iterator<Item = (usize, usize, usize)> {
    // The first window has no token before it.
    let mut scored_to = 1;
    std::iter::from_fn(move || {
        let end = match scored_to {
            1 => window.length.min(count),
            _ => (scored_to + window.stride.min(window.length - 1)).min(count),
        };
        if end <= scored_to {
            return None;
        }
        let scored = end - scored_to;
        scored_to = end;
        Some((end.saturating_sub(window.length), end, scored))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn windows_slide_by_the_stride() {
        let found =
            |count, length, stride| windows(count, Window { length, stride }).collect::<Vec<_>>();
        assert_eq!(found(10, 4, 2), [(0, 4, 3), (2, 6, 2), (4, 8, 2), (6, 10, 2)]);
        assert_eq!(found(8, 4, 4), [(0, 4, 3), (3, 7, 3), (4, 8, 1)]);
        assert_eq!(found(3, 4, 1), [(0, 3, 2)]);
        assert_eq!(found(1, 4, 1), []);
        assert_eq!(found(0, 4, 1), []);
    }

    proptest! {
        #[test]
        fn every_token_but_the_first_is_scored_once(
            count in 0_usize..200, length in 2_usize..40, stride in 1_usize..40
        ) {
            let window = Window { length, stride: stride.min(length) };
            let mut next = 1;
            for (begin, end, scored) in windows(count, window) {
                prop_assert_eq!(end - scored, next);
                prop_assert!(scored >= 1 && begin < end - scored && end - begin <= length);
                prop_assert!(end - begin == length || begin == 0);
                next = end;
            }
            prop_assert_eq!(next, count.max(1));
        }
    }
}
