//! `augment`: a kind of [augmentation](crate::augment), another view each time that a text is drawn.

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
    summary: "words masked, deleted, swapped or replaced: a kind of augmentation and its keys",
    default_config: || json!(AugmentTransformConfig::default()),
    is_random: true,
    takes_other_keys: true,
    build: |config, context| Ok(Box::new(Augmented::new(config, context)?)),
};

/// Why a kind that asks a server is none for a transform.
const ASKS_A_SERVER: &str = "`back_translation` asks a server, which is too slow for each draw and may answer otherwise in \
                             a resumed run: write the translated texts to a file first, with `sst data augment`";

/// Which augmentation, of which texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AugmentTransformConfig {
    /// The columns of texts; none for all.
    pub columns: Vec<String>,
    /// The kind, as `sst data augment` lists them; `back_translation` is none here, as it asks a server.
    pub kind: String,
    /// The keys of the kind, such as `rate`.
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
            let reason = ASKS_A_SERVER.to_owned();
            return Err(TransformError::Config { transform: ENTRY.name, reason });
        }
        // It refuses the keys that it does not know.
        let kind = augment::build(&kind, &Value::Object(keys), context)?;
        Ok(Self { columns, kind })
    }
}

impl Transform for Augmented {
    fn apply(&self, example: Example, rng: &mut SeqRng) -> Result<Example, TransformError> {
        for_each_text(example, &self.columns, |example, text| {
            // The kind makes a generator of its own, from a seed that is drawn here.
            let (seed, epoch, index) = (rng.next_u64(), example.epoch, example.index);
            let texts = self.kind.augment(vec![text.to_owned()], &[Draw { seed, epoch, index }]);
            let mut texts = texts.map_err(|error: AugmentError| TransformError::from(error))?;
            Ok(texts.pop().unwrap_or_default())
        })
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }
}
