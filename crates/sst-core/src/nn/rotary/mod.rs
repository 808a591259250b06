//! Rotary position embeddings (RoPE; Su et al. 2021, "RoFormer"), with the published ways to scale them to longer
//! rows.
//!
//! Shapes: t tokens, h heads, e width of a head, r = e / 2 frequencies.

mod rates;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::error::{Error, Result};

/// The rotation frequencies: the keys of `rope_parameters` in a config.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RopeParameters {
    /// The base of the frequencies: frequency i is `rope_theta^(-2 i / e)`.
    pub rope_theta: f64,
    /// How the frequencies are scaled.
    #[serde(flatten)]
    pub scaling: RopeScaling,
}

/// How the frequencies are scaled for rows longer than those of pretraining.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rope_type", rename_all = "lowercase")]
pub enum RopeScaling {
    /// The frequencies are not scaled.
    Default,
    /// Every frequency is divided by one factor (Chen et al. 2023, "Extending Context Window of Large Language Models
    /// via Positional Interpolation").
    Linear {
        /// The ratio of the new maximal length to the original one.
        factor: f64,
    },
    /// The base grows with the length of the row, once it exceeds the model's positions ("NTK-aware" scaling in its
    /// dynamic form).
    Dynamic {
        /// The ratio of the new maximal length to the original one.
        factor: f64,
    },
    /// Low frequencies are divided by the factor, high ones are kept, and those between are interpolated (Peng et al.
    /// 2023, "YaRN").
    Yarn {
        /// The ratio of the new maximal length to the original one; `None` for `max_position_embeddings` divided by
        /// `original_max_position_embeddings`.
        #[serde(skip_serializing_if = "Option::is_none")]
        factor: Option<f64>,
        /// The maximal length in pretraining.
        original_max_position_embeddings: i64,
        /// The factor by which cosines and sines are multiplied; `None` for the paper's recommendation.
        #[serde(skip_serializing_if = "Option::is_none")]
        attention_factor: Option<f64>,
        /// Frequencies with more rotations than this within the original positions are kept; `None` for 32.
        #[serde(skip_serializing_if = "Option::is_none")]
        beta_fast: Option<f64>,
        /// Frequencies with fewer rotations than this within the original positions are divided by the whole factor;
        /// `None` for 1.
        #[serde(skip_serializing_if = "Option::is_none")]
        beta_slow: Option<f64>,
        /// DeepSeek's coefficient of the logarithm in the numerator of `attention_factor`.
        #[serde(skip_serializing_if = "Option::is_none")]
        mscale: Option<f64>,
        /// The same coefficient in the denominator of `attention_factor`.
        #[serde(skip_serializing_if = "Option::is_none")]
        mscale_all_dim: Option<f64>,
        /// Whether the two bounds are rounded to whole indices of frequencies; `None` for true.
        #[serde(skip_serializing_if = "Option::is_none")]
        truncate: Option<bool>,
    },
    /// Each frequency is divided by a factor of its own (Ding et al. 2024, "LongRoPE").
    Longrope {
        /// The r factors for rows within the original positions.
        short_factor: Vec<f64>,
        /// The r factors for longer rows.
        long_factor: Vec<f64>,
        /// The ratio of the new maximal length to the original one; `None` for `max_position_embeddings` divided by
        /// `original_max_position_embeddings`.
        #[serde(skip_serializing_if = "Option::is_none")]
        factor: Option<f64>,
        /// The maximal length in pretraining.
        original_max_position_embeddings: i64,
        /// The factor by which cosines and sines are multiplied; `None` for the paper's recommendation.
        #[serde(skip_serializing_if = "Option::is_none")]
        attention_factor: Option<f64>,
    },
    /// Frequencies below a bound are divided by the factor, those above another bound are kept, and those between are
    /// interpolated (Llama 3.1).
    Llama3 {
        /// The factor that low frequencies are divided by.
        factor: f64,
        /// Frequencies with wavelengths above `original_max_position_embeddings / low_freq_factor` are divided by the
        /// factor.
        low_freq_factor: f64,
        /// Frequencies with wavelengths below `original_max_position_embeddings / high_freq_factor` are kept.
        high_freq_factor: f64,
        /// The maximal length in pretraining.
        original_max_position_embeddings: i64,
    },
    /// The first frequencies, a fraction of them, are divided by the factor; the others are zero, so that their
    /// dimensions are not rotated (the global layers of Gemma 3n and 4).
    Proportional {
        /// The ratio of the new maximal length to the original one; `None` for 1.
        #[serde(skip_serializing_if = "Option::is_none")]
        factor: Option<f64>,
        /// The fraction of the frequencies that are not zero; `None` for all.
        #[serde(skip_serializing_if = "Option::is_none")]
        partial_rotary_factor: Option<f64>,
    },
}

impl RopeScaling {
    /// The keys of `rope_parameters` that this kind reads, besides `rope_theta`, `rope_type` and the older spelling
    /// `type` of the latter.
    pub fn keys(&self) -> &'static [&'static str] {
        match self {
            Self::Default => &[],
            Self::Linear { .. } | Self::Dynamic { .. } => &["factor"],
            Self::Yarn { .. } => &[
                "factor",
                "original_max_position_embeddings",
                "attention_factor",
                "beta_fast",
                "beta_slow",
                "mscale",
                "mscale_all_dim",
                "truncate",
            ],
            Self::Longrope { .. } => &[
                "short_factor",
                "long_factor",
                "factor",
                "original_max_position_embeddings",
                "attention_factor",
            ],
            Self::Llama3 { .. } => &[
                "factor",
                "low_freq_factor",
                "high_freq_factor",
                "original_max_position_embeddings",
            ],
            Self::Proportional { .. } => &["factor", "partial_rotary_factor"],
        }
    }
}

/// Consecutive tokens of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowPart {
    /// The number of tokens.
    pub count: i64,
    /// The length of the whole row, including tokens that are in a cache.
    pub row_length: i64,
}

/// Rotates queries and keys by angles that depend on their positions.
#[derive(Debug, Clone)]
pub struct Rotary {
    parameters: RopeParameters,
    width: i64,
    max_positions: i64,
}

/// The cosines and sines of the angles of t tokens, `[t, 1, e]` each, fp32.
#[derive(Debug)]
pub struct Rotation {
    cos: Tensor,
    sin: Tensor,
}

impl Rotary {
    /// Rotary position embeddings for heads of width `width` in a model with `max_positions` positions.
    ///
    /// # Errors
    /// If the width is odd or a parameter is out of range; the error names the key.
    pub fn new(parameters: RopeParameters, width: i64, max_positions: i64) -> Result<Self> {
        let bad = |key: &str, reason: String| Err(Error::Config { key: key.to_owned(), reason });
        if width < 2 || width % 2 != 0 {
            return bad("head_dim", format!("is {width}; rotary positions need an even width"));
        }
        let factor = match &parameters.scaling {
            RopeScaling::Linear { factor }
            | RopeScaling::Dynamic { factor }
            | RopeScaling::Llama3 { factor, .. } => Some(*factor),
            RopeScaling::Yarn { factor, .. }
            | RopeScaling::Longrope { factor, .. }
            | RopeScaling::Proportional { factor, .. } => *factor,
            RopeScaling::Default => None,
        };
        // A factor below 1 compresses positions. That is unusual; transformers warns and computes it.
        if factor.is_some_and(|factor| !(factor.is_finite() && factor > 0.0)) {
            return bad("rope_parameters.factor", "must be above 0".to_owned());
        }
        let original = match &parameters.scaling {
            RopeScaling::Yarn { original_max_position_embeddings: original, .. }
            | RopeScaling::Longrope { original_max_position_embeddings: original, .. }
            | RopeScaling::Llama3 { original_max_position_embeddings: original, .. } => *original,
            _ => 1,
        };
        if original < 1 {
            let message = format!("is {original} and must be at least 1");
            return bad("rope_parameters.original_max_position_embeddings", message);
        }
        if !(parameters.rope_theta.is_finite() && parameters.rope_theta > 1.0) {
            return bad("rope_parameters.rope_theta", "must be above 1".to_owned());
        }
        match &parameters.scaling {
            RopeScaling::Longrope { short_factor, long_factor, .. } => {
                let counts = [short_factor.len(), long_factor.len()];
                if counts != [width as usize / 2; 2] {
                    let message = format!("have {counts:?} numbers; each needs {}", width / 2);
                    return bad("rope_parameters.short_factor and long_factor", message);
                }
            }
            RopeScaling::Llama3 { low_freq_factor, high_freq_factor, .. }
                if high_freq_factor <= low_freq_factor =>
            {
                let message = "must be above low_freq_factor".to_owned();
                return bad("rope_parameters.high_freq_factor", message);
            }
            RopeScaling::Dynamic { .. } if width == 2 => {
                let message = "is 2; dynamic positions need wider heads".to_owned();
                return bad("head_dim", message);
            }
            RopeScaling::Proportional { partial_rotary_factor: Some(share), .. }
                if !(0.0..=1.0).contains(share) =>
            {
                let message = "must be from 0 to 1".to_owned();
                return bad("rope_parameters.partial_rotary_factor", message);
            }
            _ => {}
        }
        Ok(Self { parameters, width, max_positions })
    }

    /// The length of the longest row. With [`RopeScaling::Dynamic`] it exceeds the model's positions.
    pub fn max_length(&self) -> i64 {
        match self.parameters.scaling {
            RopeScaling::Dynamic { factor } => (factor.max(1.0) * self.max_positions as f64) as i64,
            _ => self.max_positions,
        }
    }

    /// Whether the frequencies of a row change when it grows from `before` tokens to `after`. Cached keys and values
    /// of the row are then invalid in every layer. Only true of [`RopeScaling::Dynamic`] and
    /// [`RopeScaling::Longrope`].
    pub fn changes(&self, before: i64, after: i64) -> bool {
        self.rate_set(before) != self.rate_set(after)
    }

    /// The rotation of tokens at `positions_t` (`[t]`, int64). `parts` gives the number of tokens of each row, in
    /// order. The frequencies of a row depend on its own length alone, not on the other rows of the batch. Positions
    /// after the last part belong to no row.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn rotation(
        &self,
        positions_t: &Tensor,
        parts: impl IntoIterator<Item = RowPart>,
    ) -> Result<Rotation> {
        let mut sets: Vec<i64> = Vec::new();
        let mut set_of_token: Vec<i64> = Vec::new();
        for RowPart { count, row_length } in parts {
            if count == 0 {
                continue;
            }
            let set = self.rate_set(row_length);
            let place = sets.iter().position(|known| *known == set).unwrap_or_else(|| {
                sets.push(set);
                sets.len() - 1
            });
            set_of_token.extend(std::iter::repeat_n(place as i64, count as usize));
        }
        if sets.is_empty() {
            sets.push(self.rate_set(0));
        }
        let device = positions_t.device();
        let mut rates = Vec::with_capacity(sets.len() * self.width as usize / 2);
        let mut factor = 1.0;
        for set in &sets {
            let (of_set, attention_factor) = self.rates(*set);
            rates.extend(of_set);
            factor = attention_factor;
        }
        let rates = Tensor::f_from_slice(&rates)?.f_to_device(device)?;
        let rates = match sets.len() {
            1 => rates,
            count => {
                set_of_token.resize(positions_t.numel(), 0);
                let set_of_token = Tensor::f_from_slice(&set_of_token)?.f_to_device(device)?;
                rates.f_reshape([count as i64, -1])?.f_index_select(0, &set_of_token)?
            }
        };
        let angles = positions_t.f_to_kind(Kind::Float)?.f_unsqueeze(-1)?.f_mul(&rates)?;
        let angles = Tensor::f_cat(&[&angles, &angles], -1)?.f_unsqueeze(1)?;
        let scaled = |x: Tensor| match factor == 1.0 {
            true => Ok(x),
            false => x.f_mul_scalar(factor),
        };
        Ok(Rotation { cos: scaled(angles.f_cos()?)?, sin: scaled(angles.f_sin()?)? })
    }
}

impl Rotation {
    /// A second handle on the same tensors.
    pub fn handle(&self) -> Self {
        Self { cos: self.cos.shallow_clone(), sin: self.sin.shallow_clone() }
    }

    /// Rotates each head of `[t, h e]` and keeps the type.
    ///
    /// # Errors
    /// If the number of tokens is not t, the width is no multiple of e, or libtorch fails.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let (tokens, width) = x.size2()?;
        let (known, head) = (self.cos.size()[0], self.cos.size()[2]);
        if width % head != 0 || tokens != known {
            let message =
                format!("{tokens} x {width} numbers cannot be rotated as {known} x {head}");
            return Err(Error::Contract(message));
        }
        let heads = x.f_unflatten(1, [-1, head])?;
        let (first, second) =
            (heads.f_narrow(2, 0, head / 2)?, heads.f_narrow(2, head / 2, head / 2)?);
        let across = Tensor::f_cat(&[second.f_neg()?, first], 2)?;
        let turned = heads.f_mul(&self.cos)?.f_add(&across.f_mul(&self.sin)?)?;
        Ok(turned.f_to_kind(x.f_kind()?)?.f_flatten(1, 2)?)
    }
}
