//! The embeddings of the patches of images.
//!
//! Shapes: b batch, c channels, h height, w width, p side of a patch, n patches of an image, k visible ones, d hidden
//! size.

use sst_core::nn::linear;
use sst_core::{Error, Init, InputSpec, PatchGrid, Pixels, Result, Scope};
use tch::{Kind, Tensor};

/// How the parameters of the embeddings are named, and which of them there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parameters {
    /// Those of ViT: `cls_token` and `position_embeddings` with leading dimensions of 1, `patch_embeddings.projection`.
    Vit,
    /// Those of ViTMAE, whose positions are fixed sinusoids.
    VitMae,
    /// Those of CLIP: `class_embedding`, `position_embedding.weight`, `patch_embedding` without a bias.
    Clip,
    /// Those of SigLIP, which has no class token, and a bias.
    Siglip,
}

/// The sizes and initial values of the embeddings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EmbeddingConfig {
    pub(crate) spec: InputSpec,
    pub(crate) width: i64,
    pub(crate) parameters: Parameters,
    /// The standard deviations of the initial class token, patch embeddings and positions.
    pub(crate) stds: [f64; 3],
}

/// Patch embeddings, position embeddings and, if the model has one, the class token.
#[derive(Debug)]
pub(crate) struct ImageEmbeddings {
    grid: PatchGrid,
    size: [i64; 2],
    /// `[d, c, p, p]`, the weight of a convolution whose stride is its kernel size.
    weight: Tensor,
    bias: Option<Tensor>,
    /// d numbers.
    class_token: Option<Tensor>,
    /// d numbers for the class token, if there is one, and for each patch.
    positions: Tensor,
    width: i64,
}

impl ImageEmbeddings {
    /// Makes the parameters in `scope`.
    pub(crate) fn new(scope: &Scope<'_>, config: EmbeddingConfig) -> Result<Self> {
        let EmbeddingConfig { spec, width, parameters, stds: [class, patches, places] } = config;
        let grid = PatchGrid::new(spec)?;
        let InputSpec::Image { size, channels, patch } = spec else {
            return Err(Error::Contract("a text has no patches".into()));
        };
        let (count, kernel) = (grid.num_patches(), [width, channels, patch, patch]);
        let [class, places] = [class, places].map(Init::Normal);
        // The layer is initialised as a linear one (Glorot and Bengio 2010), as in the code of the paper.
        let inputs = channels * patch * patch;
        let glorot = Init::Uniform((6.0 / (inputs + width) as f64).sqrt());
        let projection = match parameters {
            Parameters::Vit | Parameters::VitMae => scope.sub("patch_embeddings.projection"),
            Parameters::Clip | Parameters::Siglip => scope.sub("patch_embedding"),
        };
        let token = |name: &str, shape: &[i64]| scope.param(name, shape, class);
        let (class_token, positions) = match parameters {
            Parameters::Vit => {
                let shape = [1, count + 1, width];
                let positions = scope.param("position_embeddings", &shape, places)?;
                (Some(token("cls_token", &[1, 1, width])?), positions)
            }
            Parameters::VitMae => {
                let (shape, init) = ([1, count + 1, width], Init::Grid { size: grid.size });
                let positions = scope.fixed("position_embeddings", &shape, init)?;
                (Some(token("cls_token", &[1, 1, width])?), positions)
            }
            Parameters::Clip => {
                let table = scope.sub("position_embedding");
                let positions = table.param("weight", &[count + 1, width], places)?;
                (Some(token("class_embedding", &[width])?), positions)
            }
            Parameters::Siglip => {
                let table = scope.sub("position_embedding");
                (None, table.param("weight", &[count, width], places)?)
            }
        };
        let init = if parameters == Parameters::VitMae { glorot } else { Init::Normal(patches) };
        let weight = projection.param("weight", &kernel, init)?;
        let bias = match parameters {
            Parameters::Clip => None,
            _ => Some(projection.param("bias", &[width], Init::Zeros)?),
        };
        Ok(Self { grid, size, weight, bias, class_token, positions, width })
    }

    /// The images that fit.
    pub(crate) fn spec(&self) -> InputSpec {
        let PatchGrid { channels, patch, .. } = self.grid;
        InputSpec::Image { size: self.size, channels, patch }
    }

    /// d.
    pub(crate) fn width(&self) -> i64 {
        self.width
    }

    /// The embeddings `[b, n, d]`, or `[b, 1 + n, d]` with the class token first; of the k visible patches instead of all
    /// n, if the input names them.
    pub(crate) fn forward(&self, pixels: Pixels<'_>) -> Result<Tensor> {
        let images = pixels.pixel_values;
        self.check(images)?;
        let count = self.grid.num_patches();
        let b = images.size()[0];
        let mut patches = self.cut(images)?;
        let first = i64::from(self.class_token.is_some());
        let table = self.positions.f_reshape([-1, self.width])?;
        let mut places = table.f_narrow(0, first, count)?;
        let mut k = count;
        if let Some(visible_bk) = pixels.visible {
            self.check_visible(visible_bk, b)?;
            k = visible_bk.size()[1];
            let starts = Tensor::f_arange(b, (Kind::Int64, visible_bk.device()))?;
            let starts_b1 = starts.f_mul_scalar(count)?.f_unsqueeze(1)?;
            patches = patches.f_index_select(0, &visible_bk.f_add(&starts_b1)?.f_flatten(0, 1)?)?;
            places = places.f_index_select(0, &visible_bk.f_flatten(0, 1)?)?;
        }
        let weight = self.weight.f_flatten(1, -1)?;
        let patches = linear(&patches, &weight, self.bias.as_ref())?;
        let rows = patches.f_reshape([b, k, self.width])?;
        let rows = rows.f_add(&places.f_reshape([-1, k, self.width])?)?;
        let Some(token) = &self.class_token else { return Ok(rows) };
        let token = token.f_reshape([1, 1, self.width])?.f_add(&table.f_narrow(0, 0, 1)?)?;
        Ok(Tensor::f_cat(&[&token.f_expand([b, 1, self.width], false)?, &rows], 1)?)
    }

    /// The patches `[b * n, c * p * p]`: the pixels of one channel after those of another, as in the weight.
    fn cut(&self, images: &Tensor) -> Result<Tensor> {
        let PatchGrid { size: [rows, columns], patch: p, channels: c } = self.grid;
        let images = self.grid.filled(images)?.f_to_kind(self.weight.f_kind()?)?;
        let cut = images.f_reshape([-1, c, rows, p, columns, p])?;
        // Axes b, row, column, channel, pixel row, pixel column.
        Ok(cut.f_permute([0, 2, 4, 1, 3, 5])?.f_reshape([-1, c * p * p])?)
    }

    fn check(&self, images: &Tensor) -> Result<()> {
        let ([height, width], channels) = (self.size, self.grid.channels);
        let found = images.size();
        if found.len() != 4 || found[1..] != [channels, height, width] {
            return Err(Error::Contract(format!(
                "`pixel_values` have shape {found:?}, and the model reads [batch, {channels}, {height}, {width}] (channels, \
                 height, width): resize the images, or use a model for images of this size"
            )));
        }
        let kind = images.f_kind()?;
        if !matches!(kind, Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16) {
            return Err(Error::Contract(format!(
                "`pixel_values` have type {kind:?}, and the model reads normalised pixels, which are floating-point numbers"
            )));
        }
        Ok(())
    }

    /// A number that is out of range would be a patch of another image.
    fn check_visible(&self, visible_bk: &Tensor, b: i64) -> Result<()> {
        let (size, count) = (visible_bk.size(), self.grid.num_patches());
        if size.len() != 2 || size[0] != b || size[1] < 1 || visible_bk.f_kind()? != Kind::Int64 {
            return Err(Error::Contract(format!(
                "`visible` must hold int64 numbers of patches of shape [{b}, k], not shape {size:?}"
            )));
        }
        let least = visible_bk.f_min()?.f_int64_value(&[])?;
        let most = visible_bk.f_max()?.f_int64_value(&[])?;
        if least < 0 || most >= count {
            return Err(Error::Contract(format!(
                "`visible` holds numbers from {least} to {most}, and an image has patches 0 to {}",
                count - 1
            )));
        }
        Ok(())
    }
}
