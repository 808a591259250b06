//! Perplexity of a causal language model, by a window that slides over each document.
//!
//! By default windows lie, and count, as in the code of the page "Perplexity of fixed-length models" in the
//! documentation of transformers 5; [`Windows::Full`] is the other way.
//!
//! Shapes: t tokens of all windows, n scored tokens, d hidden size, v vocabulary.

use sst_core::{Forward, Model, RaggedRows, Tokens};
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
    /// Where windows lie.
    pub windows: Windows,
}

/// Where windows lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Windows {
    /// Windows begin at multiples of the stride, so the last one may be shorter and its tokens have less context.
    /// The mean of a window's scored tokens counts as many times as the window has new tokens, less one: as
    /// transformers' documentation does it, also for windows all of whose new tokens are scored. A first token of a
    /// window that does not overlap the one before is not scored.
    #[default]
    Strided,
    /// Every window is full where the text is long enough: the last one is moved back. Each token but the first of a
    /// text is scored in exactly one window, and each counts once.
    Full,
}

impl Windows {
    /// Its word in options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Strided => "strided",
            Self::Full => "full",
        }
    }
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
    sums: Sums,
    counts: Counts,
}

/// A window to score the last tokens of.
struct Waiting {
    ids: Vec<u32>,
    scored: usize,
    /// How many times the mean of its scored tokens counts.
    weight: usize,
}

/// Negative log-likelihoods in nats.
#[derive(Debug, Default, Clone, Copy)]
struct Sums {
    /// Of all scored tokens.
    nll: f64,
    /// Of the means of windows, each times its weight.
    weighted: f64,
    /// The weights.
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
        let limit = model.max_length()?;
        if window.length > limit {
            return Err(EvalError::Window(format!(
                "a window of {} tokens does not fit the model, which reads {limit}",
                window.length
            )));
        }
        if window.windows == Windows::Strided && window.stride == 1 {
            return Err(EvalError::Window(
                "strided windows count their new tokens less one, which leaves nothing of a stride of 1: take a \
                 longer stride, or full windows"
                    .to_owned(),
            ));
        }
        if window.length < 2 || window.stride == 0 || window.stride > window.length {
            return Err(EvalError::Window(format!(
                "a window of {} tokens cannot move by {}: it needs two tokens or more, and a stride from 1 to \
                 its length",
                window.length, window.stride
            )));
        }
        let (waiting, counts) = (Vec::new(), Counts::default());
        let sums = Sums::default();
        Ok(Self { model, device, window, batch_tokens, waiting, sums, counts })
    }

    /// Scores a text: each token by the tokens before it in its window; a token that has none before it is counted
    /// and not scored.
    ///
    /// # Errors
    /// If the model gives a number that is none, or libtorch fails.
    pub fn add(&mut self, text: &Text) -> Result<(), EvalError> {
        let ids = &text.ids;
        self.counts.documents += 1;
        self.counts.words += text.words;
        self.counts.bytes += text.bytes;
        self.counts.tokens += (ids.len() - usize::from(text.has_start && !ids.is_empty())) as u64;
        for Span { begin, end, scored, weight } in spans(ids.len(), self.window) {
            self.counts.scored += scored as u64;
            self.counts.windows += 1;
            self.sums.weight += weight as u64;
            self.waiting.push(Waiting { ids: ids[begin..end].to_vec(), scored, weight });
            let (tokens, logits) = self.waiting.iter().fold((0, 0), |(tokens, logits), window| {
                (tokens + window.ids.len(), logits + window.scored)
            });
            if tokens >= self.batch_tokens || logits * self.model.vocab_size()? >= LOGITS {
                self.score()?;
            }
        }
        Ok(())
    }

    /// `loss` (mean negative log-likelihood of a scored token in nats, weighted as [`Windows`] says), `perplexity`
    /// (its exponential), `token_perplexity` (where each scored token counts once), and the same sum for each word and
    /// byte of the texts: `word_perplexity`, `byte_perplexity`, `bits_per_byte`. Counts
    /// `documents`, `tokens`, `scored_tokens`, `unscored_tokens`, `windows`, `words`, `bytes`.
    ///
    /// # Errors
    /// If the model gives a number that is none, libtorch fails, or no token was scored.
    pub fn finish(mut self) -> Result<Report, EvalError> {
        self.score()?;
        let Counts { documents, tokens, scored, windows, words, bytes } = self.counts;
        if scored == 0 {
            return Err(EvalError::Nothing("perplexity".to_owned()));
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
        let report = Report::new("perplexity", metrics, counts);
        Ok(report.with_setting("windows", self.window.windows.name()))
    }

    /// Scores what is waiting.
    fn score(&mut self) -> Result<(), EvalError> {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        let nll_of_windows = tch::no_grad(|| self.nll_of(&waiting))?;
        for (window, nll) in waiting.iter().zip(nll_of_windows) {
            if !nll.is_finite() {
                return Err(EvalError::NotFinite("the loss of a window".to_owned()));
            }
            self.sums.nll += nll;
            // Exactly the same sum where each token counts once.
            self.sums.weighted += nll * (window.weight as f64 / window.scored as f64);
        }
        Ok(())
    }

    /// The summed negative log-likelihood of the scored tokens of each window.
    fn nll_of(&self, windows: &[Waiting]) -> Result<Vec<f64>, EvalError> {
        let (mut ids, mut lengths) = (Vec::new(), Vec::new());
        let (mut places, mut labels) = (Vec::new(), Vec::new());
        for window in windows {
            // The last token is read too, though nothing is asked of it: some rotary positions follow the length.
            let (length, first) = (window.ids.len(), window.ids.len() - window.scored);
            places.extend((first - 1..length - 1).map(|at| (ids.len() + at) as i64));
            labels.extend(window.ids[first..].iter().map(|id| i64::from(*id)));
            ids.extend(window.ids.iter().map(|id| i64::from(*id)));
            lengths.push(length);
        }
        let on_device = |numbers: &[i64]| Tensor::f_from_slice(numbers)?.f_to_device(self.device);
        let (rows, ids_t) = (RaggedRows::new(&lengths, self.device), on_device(&ids)?);
        let input = Tokens::ragged(&ids_t, &rows);
        let places_n = on_device(&places)?;
        let hidden_nd =
            self.model.text_encoder()?.encode_at(input.into(), &places_n, Forward::EVAL)?;
        let logits_nv = self.model.lm_head()?.logits(&hidden_nd, Forward::EVAL)?;
        let nll_n = logits_nv.f_to_kind(Kind::Float)?.f_cross_entropy_loss(
            &on_device(&labels)?,
            None::<Tensor>,
            Reduction::None,
            -100,
            0.0,
        )?;
        let nll_n = Vec::<f32>::try_from(nll_n.f_to_device(Device::Cpu)?)?;
        let mut rest = nll_n.as_slice();
        let sums = windows.iter().map(|window| {
            let (of_window, after) = rest.split_at(window.scored);
            rest = after;
            of_window.iter().map(|nll| f64::from(*nll)).sum()
        });
        Ok(sums.collect())
    }
}

/// A window over a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    begin: usize,
    end: usize,
    /// How many of its last tokens it scores.
    scored: usize,
    /// How many times their mean counts.
    weight: usize,
}

/// The windows over `count` tokens that score any.
fn spans(count: usize, window: Window) -> Vec<Span> {
    match window.windows {
        Windows::Strided => strided(count, window),
        Windows::Full => full(count, window),
    }
}

fn strided(count: usize, window: Window) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut scored_to = 0;
    for begin in (0..count).step_by(window.stride) {
        let end = (begin + window.length).min(count);
        let new = end - scored_to;
        // The first token of a window has nothing before it.
        let scored = new.min(end - begin - 1);
        // A window whose mean counts for nothing is not scored either.
        if new > 1 {
            spans.push(Span { begin, end, scored, weight: new - 1 });
        }
        scored_to = end;
        if end == count {
            break;
        }
    }
    spans
}

/// Every token but the first is scored in exactly one window.
fn full(count: usize, window: Window) -> Vec<Span> {
    let mut spans = Vec::new();
    // The first window has no token before it.
    let mut scored_to = 1;
    loop {
        let end = match scored_to {
            1 => window.length.min(count),
            _ => (scored_to + window.stride.min(window.length - 1)).min(count),
        };
        if end <= scored_to {
            return spans;
        }
        let scored = end - scored_to;
        scored_to = end;
        let begin = end.saturating_sub(window.length);
        spans.push(Span { begin, end, scored, weight: scored });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(
        windows: Windows,
        count: usize,
        length: usize,
        stride: usize,
    ) -> Vec<(usize, usize, usize, usize)> {
        let spans = spans(count, Window { length, stride, windows });
        spans.into_iter().map(|span| (span.begin, span.end, span.scored, span.weight)).collect()
    }

    #[test]
    fn strided_windows_begin_at_multiples_of_the_stride() {
        let found = |count, length, stride| found(Windows::Strided, count, length, stride);
        assert_eq!(found(10, 4, 2), [(0, 4, 3, 3), (2, 6, 2, 1), (4, 8, 2, 1), (6, 10, 2, 1)]);
        // The last window is shorter, not moved back.
        assert_eq!(found(9, 4, 3), [(0, 4, 3, 3), (3, 7, 3, 2), (6, 9, 2, 1)]);
        // Without an overlap the first token of each is not scored.
        assert_eq!(found(10, 4, 4), [(0, 4, 3, 3), (4, 8, 3, 3), (8, 10, 1, 1)]);
        // One new token counts less than one token: not at all.
        assert_eq!(found(7, 4, 2), [(0, 4, 3, 3), (2, 6, 2, 1)]);
        assert_eq!(found(3, 4, 1), [(0, 3, 2, 2)]);
        assert_eq!(found(1, 4, 1), []);
        assert_eq!(found(0, 4, 1), []);
    }

    #[test]
    fn full_windows_move_the_last_one_back() {
        let found = |count, length, stride| found(Windows::Full, count, length, stride);
        assert_eq!(found(10, 4, 2), [(0, 4, 3, 3), (2, 6, 2, 2), (4, 8, 2, 2), (6, 10, 2, 2)]);
        assert_eq!(found(8, 4, 4), [(0, 4, 3, 3), (3, 7, 3, 3), (4, 8, 1, 1)]);
        assert_eq!(found(3, 4, 1), [(0, 3, 2, 2)]);
        assert_eq!(found(1, 4, 1), []);
        assert_eq!(found(0, 4, 1), []);
    }

    proptest! {
        #[test]
        fn every_token_but_the_first_is_scored_once_by_full_windows(
            count in 0_usize..200, length in 2_usize..40, stride in 1_usize..40
        ) {
            let mut next = 1;
            for (begin, end, scored, weight) in
                found(Windows::Full, count, length, stride.min(length))
            {
                prop_assert_eq!(end - scored, next);
                prop_assert!(scored >= 1 && begin < end - scored && end - begin <= length);
                prop_assert!(end - begin == length || begin == 0);
                prop_assert_eq!(scored, weight);
                next = end;
            }
            prop_assert_eq!(next, count.max(1));
        }
    }
}
