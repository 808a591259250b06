//! The configuration of masked language modelling.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::entry::IdleKey;
use crate::error::ObjectiveError;
use crate::parse::check_rate;

/// What is masked as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Each token by itself (BERT).
    #[default]
    Token,
    /// Whole words: all pieces of a word of the text (see `sst_data::words::word_ranges`), Chinese ones as jieba cuts
    /// them (Cui et al. 2021, "Pre-Training with Whole Word Masking for Chinese BERT"), whatever the tokenizer.
    Word,
    /// Spans of whole words of geometric length (Joshi et al. 2020, "SpanBERT").
    Span,
}

/// How tokens are masked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MlmConfig {
    /// The share of ordinary tokens that is chosen. 0.15 as in BERT; Wettig et al. 2023 ("Should You
    /// Mask 15% in Masked Language Modeling?") find more to be better for large models.
    pub mask_rate: f64,
    /// What is chosen as a whole.
    pub unit: Unit,
    /// Of the chosen, the share that becomes the mask token.
    pub replace_mask: f64,
    /// Of the chosen, the share that becomes a random ordinary token; the rest stays as it is.
    pub replace_random: f64,
    /// For spans: the parameter of the geometric distribution of their length in words.
    pub span_p: f64,
    /// For spans: the longest, in words.
    pub max_span: u64,
}

impl Default for MlmConfig {
    fn default() -> Self {
        Self {
            mask_rate: 0.15,
            unit: Unit::Token,
            replace_mask: 0.8,
            replace_random: 0.1,
            span_p: 0.2,
            max_span: 10,
        }
    }
}

impl MlmConfig {
    /// Checks what serde cannot.
    ///
    /// # Errors
    /// If a share is none, or the shares of one whole exceed it.
    pub fn check(&self) -> Result<(), ObjectiveError> {
        check_rate("mask_rate", self.mask_rate)?;
        check_rate("replace_mask", self.replace_mask)?;
        check_rate("replace_random", self.replace_random)?;
        let refuse = |path: &str, message: &str| {
            Err(ObjectiveError::Config { path: path.into(), message: message.into() })
        };
        if self.mask_rate == 0.0 {
            return refuse("mask_rate", "is 0: there would be nothing to predict");
        }
        if self.replace_mask + self.replace_random > 1.0 + 1e-9 {
            return refuse("replace_random", "together with replace_mask is above 1");
        }
        if !(self.span_p > 0.0 && self.span_p <= 1.0) {
            return refuse("span_p", "must be above 0 and at most 1");
        }
        if self.max_span == 0 {
            return refuse("max_span", "must be at least 1");
        }
        Ok(())
    }
}

/// The shape of spans is for spans alone.
pub(super) fn idle_keys(config: &Value) -> Vec<IdleKey> {
    let why = "is for unit = \"span\"";
    match config.get("unit").is_none_or(|unit| unit == "span") {
        true => Vec::new(),
        false => vec![("span_p", why), ("max_span", why)],
    }
}
