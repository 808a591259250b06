//! The frequencies for each kind of scaling: the formulas of `modeling_rope_utils.py` of transformers 5.23.

use std::f64::consts::PI;

use super::{RopeScaling, Rotary};

impl Rotary {
    /// An identifier of the frequencies of a row of `length` tokens: rows with the same identifier have the same
    /// frequencies.
    pub(super) fn rate_set(&self, length: i64) -> i64 {
        match &self.parameters.scaling {
            RopeScaling::Dynamic { .. } => length.max(self.max_positions),
            RopeScaling::Longrope {
                short_factor,
                long_factor,
                original_max_position_embeddings: original,
                ..
            } => i64::from(length > *original && short_factor != long_factor),
            _ => 0,
        }
    }

    /// The r frequencies, in radians per position, of rows with this [`Rotary::rate_set`], and the factor by which
    /// cosines and sines are multiplied. The factor is the same for all sets.
    pub(super) fn rates(&self, set: i64) -> (Vec<f32>, f64) {
        let (base, width) = (self.parameters.rope_theta, self.width as f64);
        let half = self.width as usize / 2;
        // Computed in fp32, as in the code that the models were trained with.
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
                let grown = factor * set as f64 / self.max_positions as f64 - (factor - 1.0);
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
                // The index of the frequency with this number of rotations within the original positions.
                let wave = |turns: f64| {
                    width * (*original as f64 / (turns * 2.0 * PI)).ln() / (2.0 * base.ln())
                };
                // transformers reads a bound of 0 as the default.
                let bound = |given: &Option<f64>, usual| {
                    given.filter(|turns| *turns != 0.0).unwrap_or(usual)
                };
                let (mut low, mut high) =
                    (wave(bound(beta_fast, 32.0)), wave(bound(beta_slow, 1.0)));
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
                let factors = if set == 1 { long_factor } else { short_factor };
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
            RopeScaling::Proportional { factor, partial_rotary_factor } => {
                let share = partial_rotary_factor.unwrap_or(1.0);
                let turning = (share * width / 2.0).floor() as usize;
                let factor = factor.unwrap_or(1.0) as f32;
                let rates = plain.iter().enumerate();
                let rates = rates.map(|(i, rate)| if i < turning { rate / factor } else { 0.0 });
                (rates.collect(), 1.0)
            }
        }
    }
}
