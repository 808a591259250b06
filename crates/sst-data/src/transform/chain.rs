//! A chain of transforms.

use serde_json::Value;

use super::list::{find, names};
use super::{Context, Transform, TransformError};
use crate::example::Example;
use crate::rng::SeqRng;

/// A transform with its name.
struct NamedTransform {
    name: String,
    /// The name of the random stream of the transform.
    stream: String,
    is_random: bool,
    transform: Box<dyn Transform>,
}

/// Transforms that are applied in order, each to the result of the previous one.
#[derive(Default)]
pub struct Transforms {
    seed: u64,
    transforms: Vec<NamedTransform>,
}

impl Transforms {
    /// An empty chain.
    pub fn none() -> Self {
        Self::default()
    }

    /// Builds a chain from `configs`. As in a recipe, each is an object with the key `name` and the keys of that
    /// transform.
    ///
    /// # Errors
    /// If an object has no name, there is no transform of that name, or a key is unknown or has an invalid value.
    pub fn from_configs(
        seed: u64,
        configs: &[Value],
        context: &Context,
    ) -> Result<Self, TransformError> {
        let mut transforms = Self { seed, transforms: Vec::new() };
        for config in configs {
            let mut config = config.clone();
            let name = config.as_object_mut().and_then(|object| object.shift_remove("name"));
            let Some(Value::String(name)) = name else {
                return Err(TransformError::NoName { known: names() });
            };
            let entry = find(&name)?;
            let built = (entry.build)(&config, context)?;
            transforms = transforms.add(entry.name, entry.is_random, built);
        }
        Ok(transforms)
    }

    /// Appends a transform of your own. Its random numbers depend on `name` and on its position in the chain.
    #[must_use]
    pub fn then(self, name: &str, transform: Box<dyn Transform>) -> Self {
        self.add(name, true, transform)
    }

    fn add(mut self, name: &str, is_random: bool, transform: Box<dyn Transform>) -> Self {
        let (name, stream) =
            (name.to_owned(), format!("transform.{}.{name}", self.transforms.len()));
        self.transforms.push(NamedTransform { name, stream, is_random, transform });
        self
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

    /// Whether the chain is empty.
    pub fn is_empty(&self) -> bool {
        self.transforms.is_empty()
    }

    /// The name of each transform, and the text columns that it changes (empty for all).
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.transforms.iter().map(|named| (named.name.as_str(), named.transform.columns()))
    }

    /// Applies all transforms to the example, in order.
    ///
    /// # Errors
    /// The first error of a transform.
    pub fn apply(&self, example: Example) -> Result<Example, TransformError> {
        let (epoch, index) = (example.epoch, example.index);
        self.transforms.iter().try_fold(example, |example, named| {
            let mut rng = SeqRng::new(self.seed, &named.stream, epoch, index);
            named.transform.apply(example, &mut rng)
        })
    }
}

impl std::fmt::Debug for Transforms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&String> = self.transforms.iter().map(|named| &named.name).collect();
        f.debug_struct("Transforms").field("seed", &self.seed).field("transforms", &names).finish()
    }
}
