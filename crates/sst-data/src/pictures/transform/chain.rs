//! A chain of transforms of pictures.

use serde_json::Value;

use super::super::Picture;
use super::list::list;
use super::{Normalize, PictureTransform, Step};
use crate::pixels::{PixelValues, Pixels};
use crate::rng::SeqRng;
use crate::transform::TransformError;

struct NamedTransform {
    name: String,
    is_random: bool,
    /// Its position in the chain, which keys its random numbers.
    position: usize,
    transform: Box<dyn PictureTransform>,
}

/// Transforms that are applied in order, each to the result of the previous one, and the numbers that a model reads at
/// the end.
#[derive(Default)]
pub struct PictureTransforms {
    seed: u64,
    transforms: Vec<NamedTransform>,
    normalize: Option<Normalize>,
}

impl PictureTransforms {
    /// An empty chain, whose result is the pixels from 0 to 255.
    pub fn none() -> Self {
        Self::default()
    }

    /// Builds a chain from `configs`. As in a recipe, each is an object with the key `name` and the keys of that
    /// transform. `normalize` may only be the last one.
    ///
    /// # Errors
    /// If an object has no name, there is no transform of that name, a key is unknown or has an invalid value, or a
    /// transform follows `normalize`.
    pub fn from_configs(seed: u64, configs: &[Value]) -> Result<Self, TransformError> {
        let known = || list().iter().map(|entry| entry.name).collect();
        let mut chain = Self { seed, ..Self::default() };
        for config in configs {
            let mut config = config.clone();
            let name = config.as_object_mut().and_then(|object| object.shift_remove("name"));
            let Some(Value::String(name)) = name else {
                return Err(TransformError::NoName { known: known() });
            };
            let entry = list().iter().find(|entry| entry.name == name);
            let Some(entry) = entry else {
                return Err(TransformError::Unknown { name, known: known() });
            };
            if chain.normalize.is_some() {
                let reason = "it stands after normalize, which must be the last one".to_owned();
                return Err(TransformError::Config { transform: entry.name, reason });
            }
            match (entry.build)(&config)? {
                Step::Change(transform) => chain.add(entry.name, entry.is_random, transform),
                Step::Normalize(normalize) => chain.normalize = Some(normalize),
            }
        }
        Ok(chain)
    }

    /// Appends a transform of your own. Its random numbers depend on `name` and on its position in the chain.
    #[must_use]
    pub fn then(mut self, name: &str, transform: Box<dyn PictureTransform>) -> Self {
        self.add(name, true, transform);
        self
    }

    /// Sets the last step.
    #[must_use]
    pub fn with_normalize(self, normalize: Normalize) -> Self {
        Self { normalize: Some(normalize), ..self }
    }

    pub(in super::super) fn add(
        &mut self,
        name: &str,
        is_random: bool,
        transform: Box<dyn PictureTransform>,
    ) {
        let (name, position) = (name.to_owned(), self.transforms.len());
        self.transforms.push(NamedTransform { name, is_random, position, transform });
    }

    /// Removes the random transforms, for rows that a model is evaluated on. Transforms of your own count as random.
    #[must_use]
    pub fn without_random(mut self) -> Self {
        self.transforms.retain(|named| !named.is_random);
        self
    }

    /// Sets the seed of the random numbers.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The last step; `None` if the result is the pixels from 0 to 255.
    pub fn normalize(&self) -> Option<&Normalize> {
        self.normalize.as_ref()
    }

    /// Applies all transforms but the last step. `view` numbers the views of the same picture, which are drawn
    /// independently.
    ///
    /// # Errors
    /// The first error of a transform.
    pub fn change(
        &self,
        picture: Picture,
        epoch: u64,
        index: u64,
        view: usize,
    ) -> Result<Picture, TransformError> {
        self.transforms.iter().try_fold(picture, |picture, named| {
            let stream = format!("picture.{view}.{}.{}", named.position, named.name);
            let mut rng = SeqRng::new(self.seed, &stream, epoch, index);
            named.transform.apply(picture, &mut rng)
        })
    }

    /// Applies all transforms. The result has the shape `[3, height, width]`.
    ///
    /// # Errors
    /// The first error of a transform.
    pub fn apply(
        &self,
        picture: Picture,
        epoch: u64,
        index: u64,
        view: usize,
    ) -> Result<Pixels, TransformError> {
        let picture = self.change(picture, epoch, index, view)?;
        Ok(match &self.normalize {
            Some(normalize) => normalize.apply(&picture),
            None => planes(&picture),
        })
    }
}

/// The pixels from 0 to 255, channel by channel.
fn planes(picture: &Picture) -> Pixels {
    let (pixels, _) = picture.pixels().as_chunks::<3>();
    let mut values = vec![0; 3 * pixels.len()];
    for (channel, plane) in values.chunks_exact_mut(pixels.len()).enumerate() {
        plane.iter_mut().zip(pixels).for_each(|(value, pixel)| *value = pixel[channel]);
    }
    Pixels { height: picture.height(), width: picture.width(), values: PixelValues::U8(values) }
}

impl std::fmt::Debug for PictureTransforms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&String> = self.transforms.iter().map(|named| &named.name).collect();
        f.debug_struct("PictureTransforms")
            .field("seed", &self.seed)
            .field("transforms", &names)
            .field("normalize", &self.normalize)
            .finish()
    }
}
