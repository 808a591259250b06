//! `augment`: applies an [augmentation](crate::augment) to a text, with new random numbers in each epoch.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::entry::{Context, Entry, parse};
use super::texts::for_each_text;
use super::{Transform, TransformError};
use crate::augment::{self, Augment, AugmentError, Draw};
use crate::example::Example;
use crate::rng::SeqRng;

pub(super) const ENTRY: Entry = Entry {
    name: "augment",
    summary: "masks, deletes, swaps or replaces words: one of the augmentations, with its keys",
    default_config: || json!(AugmentTransformConfig::default()),
    is_random: true,
    takes_other_keys: true,
    build: |config, context| Ok(Box::new(Augmented::new(config, context)?)),
};

/// The error for `back_translation`, which uses a translation server.
const NEEDS_A_SERVER: &str = "`back_translation` uses a translation server, which is too slow for a transform, and may \
                              answer differently in a resumed run: write the translated texts to a file first, with \
                              `sst data augment`";

/// The keys of `augment`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AugmentTransformConfig {
    /// The text columns to change; empty for all.
    pub columns: Vec<String>,
    /// The kind of augmentation; `sst list augmentations` shows all kinds. `back_translation` is refused, because it uses
    /// a server.
    pub kind: String,
    /// The keys of this kind, such as `rate`.
    #[serde(flatten)]
    pub keys: Map<String, Value>,
}

impl Default for AugmentTransformConfig {
    fn default() -> Self {
        Self { columns: Vec::new(), kind: "deletion".to_owned(), keys: Map::new() }
    }
}

struct Augmented {
    columns: Vec<String>,
    kind: Box<dyn Augment>,
}

impl Augmented {
    fn new(config: &Value, context: &Context) -> Result<Self, TransformError> {
        let AugmentTransformConfig { columns, kind, keys } = parse(ENTRY.name, config)?;
        if kind == "back_translation" {
            let reason = NEEDS_A_SERVER.to_owned();
            return Err(TransformError::Config { transform: ENTRY.name, reason });
        }
        // This refuses keys that the kind does not have.
        let kind = augment::build(&kind, &Value::Object(keys), context)?;
        Ok(Self { columns, kind })
    }
}

impl Transform for Augmented {
    fn apply(&self, example: Example, rng: &mut SeqRng) -> Result<Example, TransformError> {
        for_each_text(example, &self.columns, |example, text| {
            // The augmentation creates its own generator from the seed that is drawn here.
            let draw = Draw { seed: rng.next_u64(), epoch: example.epoch, index: example.index };
            let mut texts = self
                .kind
                .augment(vec![text.to_owned()], &[draw])
                .map_err(|error: AugmentError| TransformError::from(error))?;
            Ok(texts.pop().unwrap_or_default())
        })
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }
}
