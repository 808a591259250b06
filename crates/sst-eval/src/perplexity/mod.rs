//! The perplexity of a causal language model, with a window that slides over each document.
//!
//! By default, windows are placed and weighted as in the code on the page "Perplexity of fixed-length models" in the
//! documentation of transformers 5; [`Placement::Full`] is the alternative.

mod scorer;
mod windows;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::{Evaluator, Model, Objective, Report};

use self::scorer::Scorer;
use self::windows::{Placement, SlidingWindow};
use crate::entry::{Entry, Figure, parse};
use crate::error::EvalError;
use crate::input::{Input, InputKind, TextSource};

/// The entry in the list of evaluators.
pub(crate) const ENTRY: Entry = Entry {
    name: "perplexity",
    summary: "the perplexity of each token given the tokens before it",
    details: "Reports perplexity and loss of a token, and word_perplexity, byte_perplexity and bits_per_byte, which can \
              be compared between tokenizers.",
    input: InputKind::Texts,
    records: None,
    needs_objective: false,
    figures: &[
        Figure::lower("perplexity").exp_of("loss").per_token(),
        Figure::lower("loss").per_token(),
        Figure::lower("token_perplexity").per_token(),
        Figure::lower("word_perplexity"),
        Figure::lower("byte_perplexity"),
        Figure::lower("bits_per_byte"),
    ],
    default_config: || json!(PerplexityConfig::default()),
    options: &[
        ("max_length", "Tokens in a window; the model's limit by default."),
        ("stride", "The number of tokens by which the window moves; half the window by default."),
        ("windows", "`strided`, or `full`: the last window is moved back so that it is full."),
        ("batch_tokens", "The approximate number of tokens in a forward pass."),
    ],
    build,
};

/// The keys of `perplexity`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PerplexityConfig {
    /// The number of tokens in a window; `null` for the maximum length of the model.
    max_length: Option<usize>,
    /// The number of tokens by which the window moves; `null` for half the window.
    stride: Option<usize>,
    windows: Placement,
    batch_tokens: usize,
}

impl Default for PerplexityConfig {
    /// The windows of transformers' documentation, and enough tokens in a forward pass to use all cores.
    fn default() -> Self {
        Self { max_length: None, stride: None, windows: Placement::Strided, batch_tokens: 8192 }
    }
}

struct Perplexity<'a> {
    config: PerplexityConfig,
    texts: Box<dyn TextSource + 'a>,
}

fn build<'a>(config: &Value, input: Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    let config = parse(ENTRY.name, config)?;
    Ok(Box::new(Perplexity { config, texts: input.texts(ENTRY.name)? }))
}

impl Perplexity<'_> {
    /// The report of [`Scorer::finish`] for all texts.
    fn measure(&mut self, model: &dyn Model) -> Result<Report, EvalError> {
        let PerplexityConfig { max_length, stride, windows, batch_tokens } = self.config;
        let length = max_length.map_or_else(|| model.max_length(), Ok)?;
        let stride = stride.unwrap_or((length / 2).max(1));
        let window = SlidingWindow { length, stride, placement: windows };
        let mut scorer = Scorer::new(model, window, batch_tokens)?;
        self.texts.for_each(&mut |text| scorer.add(text))?;
        scorer.finish()
    }
}

impl Evaluator for Perplexity<'_> {
    fn name(&self) -> &str {
        ENTRY.name
    }

    fn evaluate(
        &mut self,
        model: &dyn Model,
        _objective: Option<&dyn Objective>,
    ) -> sst_core::Result<Report> {
        Ok(self.measure(model)?)
    }
}
