//! Rotary positions (Su et al. 2021, "RoFormer"), with the published ways to stretch them to longer rows.
//!
//! Shapes: t tokens, h heads, e width of a head, r = e / 2 rotations.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::error::{Error, Result};

/// How fast each pair of numbers turns: the keys of `rope_parameters` in a config.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RopeParameters {
    /// The base of the wavelengths.
    pub rope_theta: f64,
    /// How they are stretched.
    #[serde(flatten)]
    pub scaling: RopeScaling,
}

/// How wavelengths are stretched to rows longer than those of the first training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rope_type", rename_all = "lowercase")]
pub enum RopeScaling {
    /// Not at all.
    Default,
    /// All by one factor (Chen et al. 2023, "Extending Context Window of Large Language Models via Positional
    /// Interpolation").
    Linear {
        /// How much longer rows may be.
        factor: f64,
    },
    /// The base grows with the row beyond the model's positions ("NTK-aware" scaling, its dynamic form).
    Dynamic {
        /// How much longer rows may be.
        factor: f64,
    },
    /// Long waves are stretched and short ones are not (Peng et al. 2023, "YaRN").
    Yarn {
        /// How much longer rows may be; `None` for the model's positions over the original ones.
        #[serde(skip_serializing_if = "Option::is_none")]
        factor: Option<f64>,
        /// The positions of the first training.
        original_max_position_embeddings: i64,
        /// What cosines and sines are multiplied by; `None` for what the paper recommends.
        #[serde(skip_serializing_if = "Option::is_none")]
        attention_factor: Option<f64>,
        /// Waves that turn more often in the original positions are not stretched.
        #[serde(skip_serializing_if = "Option::is_none")]
        beta_fast: Option<f64>,
        /// Waves that turn less often are stretched fully.
        #[serde(skip_serializing_if = "Option::is_none")]
        beta_slow: Option<f64>,
        /// DeepSeek's share of the logarithm in `attention_factor`.
        #[serde(skip_serializing_if = "Option::is_none")]
        mscale: Option<f64>,
        /// What that is divided by.
        #[serde(skip_serializing_if = "Option::is_none")]
        mscale_all_dim: Option<f64>,
        /// Whether the bounds become whole numbers; `None` for yes.
        #[serde(skip_serializing_if = "Option::is_none")]
        truncate: Option<bool>,
    },
    /// A factor of its own for each wave (Ding et al. 2024, "LongRoPE").
    Longrope {
        /// The factors of rows within the original positions, r of them.
        short_factor: Vec<f64>,
        /// Those of longer rows.
        long_factor: Vec<f64>,
        /// How much longer rows may be; `None` for the model's positions over the original ones.
        #[serde(skip_serializing_if = "Option::is_none")]
        factor: Option<f64>,
        /// The positions of the first training.
        original_max_position_embeddings: i64,
        /// What cosines and sines are multiplied by; `None` for what the paper recommends.
        #[serde(skip_serializing_if = "Option::is_none")]
        attention_factor: Option<f64>,
    },
    /// Waves longer than a bound are stretched, those shorter than another are not, and between it is a mix
    /// (Llama 3.1).
    Llama3 {
        /// How much the long waves are stretched.
        factor: f64,
        /// Waves longer than the original positions over this are.
        low_freq_factor: f64,
        /// Waves shorter than the original positions over this are not.
        high_freq_factor: f64,
        /// The positions of the first training.
        original_max_position_embeddings: i64,
    },
}

/// Turns queries and keys by their positions.
#[derive(Debug, Clone)]
pub struct Rotary {
    parameters: RopeParameters,
    width: i64,
    max_positions: i64,
}

/// The cosines and sines of some tokens, `[t, 1, e]` each, fp32.
#[derive(Debug)]
pub struct Rotation {
    cos: Tensor,
    sin: Tensor,
}

impl Rotary {
    /// For heads of width `width` in a model of `max_positions` positions.
    ///
    /// # Errors
    /// If the width is odd or a parameter cannot be, with its key.
    pub fn new(parameters: RopeParameters, width: i64, max_positions: i64) -> Result<Self> {
        let bad = |key: &str, reason: String| Err(Error::Config { key: key.to_owned(), reason });
        if width < 2 || width % 2 != 0 {
            return bad("head_dim", format!("is {width}; rotary positions need an even width"));
        }
        let factor = match &parameters.scaling {
            RopeScaling::Linear { factor }
            | RopeScaling::Dynamic { factor }
            | RopeScaling::Llama3 { factor, .. } => Some(*factor),
            RopeScaling::Yarn { factor, .. } | RopeScaling::Longrope { factor, .. } => *factor,
            RopeScaling::Default => None,
        };
        if factor.is_some_and(|factor| !(factor.is_finite() && factor >= 1.0)) {
            return bad("rope_parameters.factor", "must be at least 1".to_owned());
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
            _ => {}
        }
        Ok(Self { parameters, width, max_positions })
    }

    /// The longest row: of [`RopeScaling::Dynamic`] more than the model's positions.
    pub fn max_length(&self) -> i64 {
        match self.parameters.scaling {
            RopeScaling::Dynamic { factor } => (factor * self.max_positions as f64) as i64,
            _ => self.max_positions,
        }
    }

    /// What tokens at `positions_t` (int64) are turned by.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn rotation(&self, positions_t: &Tensor) -> Result<Rotation> {
        let depends = matches!(
            self.parameters.scaling,
            RopeScaling::Dynamic { .. } | RopeScaling::Longrope { .. }
        );
        let longest = match depends && positions_t.numel() > 0 {
            true => positions_t.f_max()?.f_int64_value(&[])? + 1,
            false => 0,
        };
        let (rates, factor) = self.rates(longest);
        let rates = Tensor::f_from_slice(&rates)?.f_to_device(positions_t.device())?;
        let angles = positions_t.f_to_kind(Kind::Float)?.f_unsqueeze(-1)?.f_mul(&rates)?;
        let angles = Tensor::f_cat(&[&angles, &angles], -1)?.f_unsqueeze(1)?;
        let scaled = |x: Tensor| match factor == 1.0 {
            true => Ok(x),
            false => x.f_mul_scalar(factor),
        };
        Ok(Rotation { cos: scaled(angles.f_cos()?)?, sin: scaled(angles.f_sin()?)? })
    }

    /// Radians a position of each of the r waves, and what cosines and sines are multiplied by, where the longest
    /// row has `longest` tokens.
    fn rates(&self, longest: i64) -> (Vec<f32>, f64) {
        let (base, width) = (self.parameters.rope_theta, self.width as f64);
        let half = self.width as usize / 2;
        // In fp32 as the models were trained.
        let rate =
            |base: f64, i: usize| 1.0 / (base as f32).powf((2 * i) as f32 / self.width as f32);
        let plain: Vec<f32> = (0..half).map(|i| rate(base, i)).collect();
        let stretch = |factor: &Option<f64>, original: i64| {
            factor.unwrap_or(self.max_positions as f64 / original as f64)
        };
        match &self.parameters.scaling {
            RopeScaling::Default => (plain, 1.0),
            RopeScaling::Linear { factor } => {
                (plain.into_iter().map(|rate| rate / *factor as f32).collect(), 1.0)
            }
            RopeScaling::Dynamic { factor } => {
                let length = longest.max(self.max_positions) as f64;
                let grown = factor * length / self.max_positions as f64 - (factor - 1.0);
                let base = base * grown.powf(width / (width - 2.0));
                ((0..half).map(|i| rate(base, i)).collect(), 1.0)
            }
            RopeScaling::Yarn {
                factor,
                original_max_position_embeddings: original,
                attention_factor,
                beta_fast,
                beta_slow,
                mscale,
                mscale_all_dim,
                truncate,
            } => {
                let factor = stretch(factor, *original);
                let magnitude = |share: f64| match factor <= 1.0 {
                    true => 1.0,
                    false => 0.1 * share * factor.ln() + 1.0,
                };
                let recommended = match (mscale, mscale_all_dim) {
                    (Some(a), Some(b)) if *a != 0.0 && *b != 0.0 => magnitude(*a) / magnitude(*b),
                    _ => magnitude(1.0),
                };
                // The wave that turns so many times in the original positions.
                let wave = |turns: f64| {
                    width * (*original as f64 / (turns * 2.0 * PI)).ln() / (2.0 * base.ln())
                };
                let (mut low, mut high) =
                    (wave(beta_fast.unwrap_or(32.0)), wave(beta_slow.unwrap_or(1.0)));
                if truncate.unwrap_or(true) {
                    (low, high) = (low.floor(), high.ceil());
                }
                let (low, mut high) = (low.max(0.0), high.min(width - 1.0));
                if low == high {
                    high += 0.001;
                }
                let mixed = plain.iter().enumerate().map(|(i, rate)| {
                    let stretched = (((i as f64) - low) / (high - low)).clamp(0.0, 1.0) as f32;
                    rate / factor as f32 * stretched + rate * (1.0 - stretched)
                });
                (mixed.collect(), attention_factor.unwrap_or(recommended))
            }
            RopeScaling::Longrope {
                short_factor,
                long_factor,
                factor,
                original_max_position_embeddings: original,
                attention_factor,
            } => {
                let factor = stretch(factor, *original);
                let recommended = match factor <= 1.0 {
                    true => 1.0,
                    false => (1.0 + factor.ln() / (*original as f64).ln()).sqrt(),
                };
                let factors = if longest > *original { long_factor } else { short_factor };
                let rates = plain.iter().zip(factors).map(|(rate, by)| rate / *by as f32);
                (rates.collect(), attention_factor.unwrap_or(recommended))
            }
            RopeScaling::Llama3 {
                factor,
                low_freq_factor: low,
                high_freq_factor: high,
                original_max_position_embeddings: original,
            } => {
                let original = *original as f64;
                let stretched = plain.iter().map(|rate| {
                    let wave = 2.0 * PI / f64::from(*rate);
                    if wave > original / low {
                        rate / *factor as f32
                    } else if wave < original / high {
                        *rate
                    } else {
                        let smooth = ((original / wave - low) / (high - low)) as f32;
                        (1.0 - smooth) * rate / *factor as f32 + smooth * rate
                    }
                });
                (stretched.collect(), 1.0)
            }
        }
    }
}

impl Rotation {
    /// Another handle on the same.
    pub fn handle(&self) -> Self {
        Self { cos: self.cos.shallow_clone(), sin: self.sin.shallow_clone() }
    }

    /// Turns each head of `[t, h e]`; the type stays.
    ///
    /// # Errors
    /// If there are not as many tokens, the width is no multiple of e, or libtorch fails.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let (tokens, width) = x.size2()?;
        let (known, head) = (self.cos.size()[0], self.cos.size()[2]);
        if width % head != 0 || tokens != known {
            let message =
                format!("{tokens} x {width} numbers cannot be turned as {known} x {head}");
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
