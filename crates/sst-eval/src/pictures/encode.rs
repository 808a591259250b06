//! Computes the vectors of pictures.
//!
//! Shapes: b pictures of a batch, n pictures, h height, w width, d width of a vector.

use sst_core::{Forward, HeadKind, Modality, Model, Pixels, encode_projected};
use sst_data::pictures::PIXEL_VALUES;
use sst_data::rows::Dataset;
use sst_data::{CollateError, Example, PixelValues};
use tch::{Device, Kind, Tensor};

use super::pool::{PictureVector, pool};
use crate::error::EvalError;

/// Computes the vectors of pictures with the image encoder of a model.
pub struct PictureEncoder<'m> {
    model: &'m dyn Model,
    vector: PictureVector,
    batch_size: usize,
    autocast: Option<Kind>,
}

impl<'m> PictureEncoder<'m> {
    /// An encoder of `batch_size` pictures at a time.
    ///
    /// # Errors
    /// If the model has no image encoder, or not the projection that `vector` asks for.
    pub fn new(
        model: &'m dyn Model,
        vector: PictureVector,
        batch_size: usize,
    ) -> Result<Self, EvalError> {
        model.encoder(Modality::Image)?;
        if vector == PictureVector::Projected {
            model.head(HeadKind::Projection(Modality::Image))?;
        }
        Ok(Self { model, vector, batch_size: batch_size.max(1), autocast: None })
    }

    /// With matrix products of this type, if it differs from that of the weights.
    #[must_use]
    pub fn with_autocast(self, autocast: Option<Kind>) -> Self {
        Self { autocast, ..self }
    }

    /// Calls `each` with the pictures of each batch of `rows`, in order, and their vectors `[b, d]` in fp32 on the CPU.
    ///
    /// # Errors
    /// If a row cannot be read, has no pixels of the model's size, or its vector is not finite; those of `each`.
    pub fn for_each<E: From<EvalError>>(
        &self,
        rows: &dyn Dataset,
        mut each: impl FnMut(&[Example], &Tensor) -> Result<(), E>,
    ) -> Result<(), E> {
        let _weights = sst_kernels::keep_weights();
        let size = self.batch_size as u64;
        for start in (0..rows.len()).step_by(self.batch_size) {
            let end = (start + size).min(rows.len());
            let examples = (start..end).map(|index| rows.get(index, 0));
            let examples =
                examples.collect::<Result<Vec<Example>, _>>().map_err(EvalError::from)?;
            let vectors = tch::no_grad(|| self.batch(&examples))?;
            each(&examples, &vectors)?;
        }
        Ok(())
    }

    /// The vectors `[n, d]` of all pictures of `rows`.
    ///
    /// # Errors
    /// As for [`Self::for_each`], and if there is no picture.
    pub fn vectors(&self, rows: &dyn Dataset) -> Result<Tensor, EvalError> {
        let mut parts = Vec::new();
        self.for_each(rows, |_, vectors| {
            parts.push(vectors.shallow_clone());
            Ok::<_, EvalError>(())
        })?;
        match parts.is_empty() {
            true => Err(EvalError::Nothing("an evaluator of pictures".to_owned())),
            false => Ok(Tensor::f_cat(&parts, 0)?),
        }
    }

    fn batch(&self, examples: &[Example]) -> Result<Tensor, EvalError> {
        let device = self.model.params().device();
        let pixels = pixel_values(examples)?.f_to_device(device)?;
        let _autocast =
            self.autocast.map(|kind| sst_kernels::autocast(device, Some(kind))).transpose()?;
        let vectors = match self.vector {
            PictureVector::Projected => {
                encode_projected(self.model, Pixels::new(&pixels).into(), Forward::EVAL)?
            }
            PictureVector::Pooled(pooling) => {
                let encoder = self.model.encoder(Modality::Image)?;
                let output = encoder.encode(Pixels::new(&pixels).into(), Forward::EVAL)?;
                pool(encoder, &output.hidden_bld, pooling)?
            }
        };
        let vectors = vectors.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?;
        let is_finite_b = vectors.f_isfinite()?.f_all_dim(1, false)?;
        let is_finite = Vec::<bool>::try_from(&is_finite_b)?;
        match examples.iter().zip(is_finite).find(|(_, is_finite)| !is_finite) {
            Some((example, _)) => {
                Err(EvalError::NotFinite(format!("the vector of {}", example.key)))
            }
            None => Ok(vectors),
        }
    }
}

/// The pixels `[b, 3, h, w]` of pictures of one size, in fp32 on the CPU.
///
/// # Errors
/// If a row has no pixels, they are not normalised, or have another size than those of the first row.
pub fn pixel_values(examples: &[Example]) -> Result<Tensor, EvalError> {
    let mut parts = Vec::with_capacity(examples.len());
    let mut size = None;
    for example in examples {
        let pixels = example.pixels(PIXEL_VALUES).ok_or_else(|| EvalError::MissingField {
            key: example.key.clone(),
            field: PIXEL_VALUES.to_owned(),
        })?;
        let unfit = |reason: String| CollateError::BadExample { key: example.key.clone(), reason };
        let (height, width) = *size.get_or_insert((pixels.height, pixels.width));
        if (pixels.height, pixels.width) != (height, width) {
            return Err(unfit(format!(
                "it has {} x {} pixels, and another picture has {height} x {width}: the image processor of the model must \
                 make all of one size",
                pixels.height, pixels.width
            ))
            .into());
        }
        let PixelValues::F32(values) = &pixels.values else {
            return Err(unfit("its pixels are not normalised".to_owned()).into());
        };
        let shape = [1, 3, i64::from(height), i64::from(width)];
        parts.push(Tensor::f_from_slice(values)?.f_reshape(shape)?);
    }
    Ok(Tensor::f_cat(&parts, 0)?)
}
