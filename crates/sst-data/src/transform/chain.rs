//! Several transforms, one after the other.

use serde_json::Value;

use super::list::{find, names};
use super::{Context, Transform, TransformError};
use crate::example::Example;
use crate::rng::SeqRng;

/// A transform, its name, and the name of its stream of random numbers.
struct Named {
    name: String,
    stream: String,
    is_random: bool,
    transform: Box<dyn Transform>,
}

/// Transforms that are applied in order, each to what the one before it made.
#[derive(Default)]
pub struct Transforms {
    seed: u64,
    transforms: Vec<Named>,
}

impl Transforms {
    /// No transform.
    pub fn none() -> Self {
        Self::default()
    }

    /// The transforms that `configs` describe: for each an object with its `name`, and its keys
    /// beside it.
    ///
    /// # Errors
    /// If one has no name, there is none of that name, or a key is unknown or cannot be.
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

    /// The same transforms, and then one of your own. What it draws is keyed by `name` and its place in the order.
    #[must_use]
    pub fn then(self, name: &str, transform: Box<dyn Transform>) -> Self {
        self.add(name, true, transform)
    }

    fn add(mut self, name: &str, is_random: bool, transform: Box<dyn Transform>) -> Self {
        let (name, stream) =
            (name.to_owned(), format!("transform.{}.{name}", self.transforms.len()));
        self.transforms.push(Named { name, stream, is_random, transform });
        self
    }

    /// The same transforms without those that draw at random, for rows that a model is measured on. One of your own counts
    /// as random.
    #[must_use]
    pub fn without_random(mut self) -> Self {
        self.transforms.retain(|named| !named.is_random);
        self
    }

    /// Transforms with draws of another seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.transforms.is_empty()
    }

    /// The name of each transform, and the columns of texts that it changes (none for all).
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.transforms.iter().map(|named| (named.name.as_str(), named.transform.columns()))
    }

    /// The transformed example.
    ///
    /// # Errors
    /// The first of a transform's.
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
