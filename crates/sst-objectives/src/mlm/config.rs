//! The configuration of masked language modelling.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::entry::IdleKey;
use crate::error::ObjectiveError;
use crate::parse::check_rate;

/// The unit that is selected and masked as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Single tokens (BERT).
    #[default]
    Token,
    /// Whole words: all tokens of a word of the text. Words come from `sst_data::words::word_ranges`, which segments
    /// Chinese as jieba does (Cui et al. 2021, "Pre-Training with Whole Word Masking for Chinese BERT"), and do not
    /// depend on the tokenizer.
    Word,
    /// Spans of whole words, whose lengths have a geometric distribution (Joshi et al. 2020, "SpanBERT").
    Span,
}

/// The settings of masking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MlmConfig {
    /// The fraction of ordinary tokens that are selected. The default is BERT's 0.15; Wettig et al. 2023 ("Should You
    /// Mask 15% in Masked Language Modeling?") find higher rates better for large models.
    pub mask_rate: f64,
    /// The unit that is selected as a whole.
    pub unit: Unit,
    /// The fraction of the selected tokens that become the mask token.
    pub replace_mask: f64,
    /// The fraction of the selected tokens that become a random ordinary token. The rest stays unchanged.
    pub replace_random: f64,
    /// For spans: the parameter p of the geometric distribution of their length in words.
    pub span_p: f64,
    /// For spans: the maximum length in words.
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
    /// Checks the values that serde cannot check.
    ///
    /// # Errors
    /// If a rate is outside 0 to 1, `mask_rate` or `max_span` is 0, or `replace_mask` and `replace_random` add up to more
    /// than 1.
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

/// `span_p` and `max_span` have an effect only with `unit = "span"`.
pub(super) fn idle_keys(config: &Value) -> Vec<IdleKey> {
    let reason = "is for unit = \"span\"";
    match config.get("unit").is_none_or(|unit| unit == "span") {
        true => Vec::new(),
        false => vec![("span_p", reason), ("max_span", reason)],
    }
}
