//! `gaussian_blur`: blurs with a bell of random width.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::Picture;
use super::PictureTransform;
use super::Step;
use super::entry::{PictureEntry, parse, require, require_probability};
use crate::rng::SeqRng;
use crate::transform::TransformError;

pub(super) const ENTRY: PictureEntry = PictureEntry {
    name: "gaussian_blur",
    summary: "blurs with a bell of random width",
    default_config: || json!(GaussianBlurConfig::default()),
    is_random: true,
    build: |config| {
        let config: GaussianBlurConfig = parse(ENTRY.name, config)?;
        let ([narrow, wide], kernel) = (config.sigma, config.kernel_size);
        require_probability(ENTRY.name, config.p)?;
        let is_valid = 0.0 < narrow && narrow <= wide && wide.is_finite();
        require(
            ENTRY.name,
            is_valid,
            format!("sigma is [{narrow}, {wide}] and must grow from above 0"),
        )?;
        let is_valid = kernel % 2 == 1 && kernel <= MAX_KERNEL;
        let reason = format!("kernel_size is {kernel} and must be odd and at most {MAX_KERNEL}");
        require(ENTRY.name, is_valid, reason)?;
        Ok(Step::Change(Box::new(GaussianBlur(config))))
    },
};

/// The widest kernel.
const MAX_KERNEL: usize = 255;

/// The keys of `gaussian_blur`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianBlurConfig {
    /// The number of pixels in a row or column that count, which is odd. The default is a tenth of 224, as in SimCLR.
    pub kernel_size: usize,
    /// The least and the greatest standard deviation, in pixels.
    pub sigma: [f64; 2],
    /// The probability.
    pub p: f64,
}

impl Default for GaussianBlurConfig {
    fn default() -> Self {
        Self { kernel_size: 23, sigma: [0.1, 2.0], p: 0.5 }
    }
}

struct GaussianBlur(GaussianBlurConfig);

/// The weights of a kernel of `size` pixels, which add up to 1.
fn kernel(size: usize, sigma: f64) -> Vec<f32> {
    let middle = (size as f64 - 1.0) / 2.0;
    let bell: Vec<f64> =
        (0..size).map(|at| (-0.5 * ((at as f64 - middle) / sigma).powi(2)).exp()).collect();
    let sum: f64 = bell.iter().sum();
    bell.iter().map(|weight| (weight / sum) as f32).collect()
}

/// The position `at` mirrored into `0..length`, without repeating the border.
fn mirrored(at: isize, length: usize) -> usize {
    if length == 1 {
        return 0;
    }
    let period = 2 * (length as isize - 1);
    let at = at.rem_euclid(period);
    at.min(period - at) as usize
}

/// Adds to each sum the values of `values(at)` times weight `at`, for all weights in order.
fn add_weighted<'a>(sums: &mut [f32], weights: &[f32], values: impl Fn(usize) -> &'a [f32]) {
    for (at, weight) in weights.iter().enumerate() {
        sums.iter_mut().zip(values(at)).for_each(|(sum, value)| *sum += weight * value);
    }
}

/// Blurs with a bell of standard deviation `sigma`, which is cut off after `kernel_size` pixels. At the border the
/// picture is mirrored.
#[must_use]
pub fn blur(picture: &Picture, kernel_size: usize, sigma: f64) -> Picture {
    let mut weights = kernel(kernel_size, sigma);
    // Weights that change no value are left out, on both sides alike: a narrow bell has few.
    let counts = weights.iter().take_while(|weight| **weight < 1e-6).count();
    weights.truncate(weights.len() - counts);
    weights.drain(..counts.min(weights.len() / 2));
    let half = (weights.len() / 2) as isize;
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let stride = 3 * width;
    // Each row with what is mirrored at both ends, so that the loops below have no borders.
    let mut row = vec![0.0_f32; stride + 6 * half as usize];
    let mut across = vec![0.0_f32; stride * height];
    for (y, out) in (0..picture.height()).zip(across.chunks_exact_mut(stride)) {
        let (from, _) = picture.row(y).as_chunks::<3>();
        let (wide, _) = row.as_chunks_mut::<3>();
        for (x, pixel) in (-half..).zip(wide) {
            *pixel = from[mirrored(x, width)].map(f32::from);
        }
        add_weighted(out, &weights, |at| &row[3 * at..][..stride]);
    }
    let mut pixels = Vec::with_capacity(stride * height);
    let mut sums = vec![0.0_f32; stride];
    for y in 0..height as isize {
        sums.fill(0.0);
        add_weighted(&mut sums, &weights, |at| {
            &across[mirrored(y - half + at as isize, height) * stride..][..stride]
        });
        pixels.extend(sums.iter().map(|sum| sum.round_ties_even().clamp(0.0, 255.0) as u8));
    }
    Picture::of(picture.width(), picture.height(), pixels)
}

impl PictureTransform for GaussianBlur {
    fn apply(&self, picture: Picture, rng: &mut SeqRng) -> Result<Picture, TransformError> {
        let GaussianBlurConfig { kernel_size, sigma: [narrow, wide], p } = self.0;
        if !rng.chance(p) {
            return Ok(picture);
        }
        Ok(blur(&picture, kernel_size, narrow + (wide - narrow) * rng.uniform()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_mirrored_without_the_border() {
        let places: Vec<usize> = (-3..6).map(|at| mirrored(at, 3)).collect();
        assert_eq!(places, [1, 2, 1, 0, 1, 2, 1, 0, 1]);
        assert_eq!(mirrored(-7, 1), 0);
    }

    #[test]
    fn an_even_picture_stays_as_it_is() {
        let picture = Picture::of(5, 4, vec![77; 60]);
        assert_eq!(blur(&picture, 23, 2.0), picture);
        assert_eq!(blur(&picture, 1, 0.1), picture);
    }
}
