//! Images as patches, and the part of a model that reconstructs them.
//!
//! Shapes: b batch, c channels, h height, w width, n patches of an image, k visible ones, p side of a patch, d hidden
//! size.

use tch::{Kind, Tensor};

use crate::error::{Error, Result};
use crate::forward::Forward;
use crate::input::InputSpec;

/// Reconstructs images from some of their patches (He et al. 2021, "Masked Autoencoders Are Scalable Vision Learners").
pub trait PatchDecoder {
    /// All patches `[b, n, p * p * c]` from the encoder's hidden states `[b, 1 + k, d]`: that of the class token, then
    /// those of the patches with the numbers `visible_bk` (int64, in the order of the hidden states).
    ///
    /// # Errors
    /// If the shapes do not fit the model, or libtorch fails.
    fn decode(&self, hidden_bkd: &Tensor, visible_bk: &Tensor, forward: Forward) -> Result<Tensor>;

    /// Whether it reconstructs patches that are normalised by their own mean and variance ([`PatchGrid::normalize`]).
    fn norm_pix(&self) -> bool;
}

/// How images of one size are cut into patches. Pixels at the right and at the bottom that fill no patch are left out, as by
/// the convolution of transformers' models. A patch is its rows of pixels one after the other, with the channels of
/// a pixel side by side: the order of transformers' ViTMAE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatchGrid {
    /// Patches in a column and in a row.
    pub size: [i64; 2],
    /// p, height and width of a patch in pixels.
    pub patch: i64,
    /// c, the number of channels.
    pub channels: i64,
}

impl PatchGrid {
    /// The patches of the images of an encoder.
    ///
    /// # Errors
    /// If the encoder reads no images, or a patch is larger than they are.
    pub fn new(spec: InputSpec) -> Result<Self> {
        let InputSpec::Image { size: [height, width], channels, patch } = spec else {
            return Err(Error::Contract("a text has no patches".into()));
        };
        if patch < 1 || patch > height.min(width) {
            return Err(Error::Contract(format!(
                "images of {height} x {width} pixels have no patch of {patch} x {patch}"
            )));
        }
        Ok(Self { size: [height / patch, width / patch], patch, channels })
    }

    /// n, the number of patches of an image.
    pub fn num_patches(&self) -> i64 {
        self.size[0] * self.size[1]
    }

    /// The part `[b, c, rows * p, columns * p]` of images `[b, c, h, w]` that patches fill.
    ///
    /// # Errors
    /// If the images are smaller.
    pub fn filled(&self, images_bchw: &Tensor) -> Result<Tensor> {
        let [height, width] = self.size.map(|count| count * self.patch);
        Ok(images_bchw.f_narrow(2, 0, height)?.f_narrow(3, 0, width)?)
    }

    /// The patches `[b, n, p * p * c]` of images `[b, c, h, w]`.
    ///
    /// # Errors
    /// If the images have another size, or libtorch fails.
    pub fn cut(&self, images_bchw: &Tensor) -> Result<Tensor> {
        let ([rows, columns], p, c) = (self.size, self.patch, self.channels);
        let b = images_bchw.size()[0];
        let cut = self.filled(images_bchw)?.f_reshape([b, c, rows, p, columns, p])?;
        // Axes b, row, column, pixel row, pixel column, channel.
        let cut = cut.f_permute([0, 2, 4, 3, 5, 1])?;
        Ok(cut.f_reshape([b, rows * columns, p * p * c])?)
    }

    /// The images `[b, c, rows * p, columns * p]` of patches `[b, n, p * p * c]`.
    ///
    /// # Errors
    /// If the patches have another size, or libtorch fails.
    pub fn join(&self, patches_bnd: &Tensor) -> Result<Tensor> {
        let ([rows, columns], p, c) = (self.size, self.patch, self.channels);
        let b = patches_bnd.size()[0];
        let patches = patches_bnd.f_reshape([b, rows, columns, p, p, c])?;
        let patches = patches.f_permute([0, 5, 1, 3, 2, 4])?;
        Ok(patches.f_reshape([b, c, rows * p, columns * p])?)
    }

    /// Each patch less its mean, divided by its standard deviation (unbiased, with 1e-6 added to the variance). Returns
    /// the mean and the standard deviation `[b, n, 1]` as well.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn normalize(patches_bnd: &Tensor) -> Result<[Tensor; 3]> {
        let (variance, mean) = patches_bnd.f_var_mean_dim([-1_i64].as_slice(), true, true)?;
        let deviation = variance.f_add_scalar(1e-6)?.f_sqrt()?;
        let normal = patches_bnd.f_sub(&mean)?.f_div(&deviation)?;
        Ok([normal, mean, deviation])
    }

    /// 1 for each of the n patches that is not in `visible_bk`, and 0 for the others: `[b, n]`, fp32.
    ///
    /// # Errors
    /// If a number is out of range, or libtorch fails.
    pub fn masked(&self, visible_bk: &Tensor) -> Result<Tensor> {
        let (b, _) = visible_bk.size2()?;
        let ones = Tensor::f_ones([b, self.num_patches()], (Kind::Float, visible_bk.device()))?;
        Ok(ones.f_scatter_value(1, visible_bk, 0.0)?)
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn patches_hold_rows_of_pixels_and_join_to_the_image_again() {
        let spec = InputSpec::Image { size: [4, 6], channels: 3, patch: 2 };
        let grid = PatchGrid::new(spec).unwrap();
        assert_eq!(grid.num_patches(), 6);
        let images =
            Tensor::arange(2 * 3 * 4 * 6, (Kind::Float, Device::Cpu)).reshape([2, 3, 4, 6]);
        let patches = grid.cut(&images).unwrap();
        assert_eq!(patches.size(), [2, 6, 12]);
        // The second patch of the first image begins at row 0 and column 2: channels 0, 1, 2 are 24 apart.
        let second = Vec::<f32>::try_from(patches.get(0).get(1)).unwrap();
        assert_eq!(second, [2., 26., 50., 3., 27., 51., 8., 32., 56., 9., 33., 57.]);
        assert_eq!(grid.join(&patches).unwrap(), images);
    }

    #[test]
    fn masked_patches_are_those_that_are_not_visible() {
        let spec = InputSpec::Image { size: [4, 4], channels: 3, patch: 2 };
        let grid = PatchGrid::new(spec).unwrap();
        let visible = Tensor::from_slice(&[3_i64, 0, 1, 2]).reshape([2, 2]);
        let masked = grid.masked(&visible).unwrap();
        let masked = Vec::<f32>::try_from(masked.flatten(0, -1)).unwrap();
        assert_eq!(masked, [0., 1., 1., 0., 1., 0., 0., 1.]);
    }

    #[test]
    fn pixels_that_fill_no_patch_are_left_out() {
        let grid = |size: [i64; 2], patch: i64| {
            PatchGrid::new(InputSpec::Image { size, channels: 1, patch })
        };
        for (size, patch) in [([1, 4], 2), ([4, 1], 2), ([4, 4], 0)] {
            assert!(grid(size, patch).is_err(), "{size:?} {patch}");
        }
        let images = Tensor::arange(35, (Kind::Float, Device::Cpu)).reshape([1, 1, 5, 7]);
        let filled = images.narrow(2, 0, 4).narrow(3, 0, 6);
        let (odd, even) = (grid([5, 7], 2).unwrap(), grid([4, 6], 2).unwrap());
        assert_eq!(odd, even);
        assert_eq!(odd.cut(&images).unwrap(), even.cut(&filled).unwrap());
        assert_eq!(odd.join(&odd.cut(&images).unwrap()).unwrap(), filled);
    }
}
