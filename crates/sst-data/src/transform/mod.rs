//! Transforms of records. They change an example each time that the loader reads it, before its texts are tokenised.
//!
//! Each transform is one file here and one word in `list.rs`. Its random numbers depend on (seed, position in the list of
//! transforms, name, epoch, index). So an example is transformed in the same way with any number of workers and ranks and
//! after a restart, and differently in each epoch.

mod augment;
mod chain;
mod clean;
mod drop_phrases;
mod entry;
mod error;
mod list;
mod lowercase;
mod random_crop;
mod shuffle_sentences;
mod texts;
mod truncate_words;
mod units;

use crate::example::Example;
use crate::rng::SeqRng;

pub use augment::AugmentTransformConfig;
pub use chain::Transforms;
pub use clean::CleanTransformConfig;
pub use drop_phrases::DropPhrasesConfig;
#[cfg(feature = "pictures")]
pub(crate) use entry::parse;
pub use entry::{Context, Entry};
pub use error::TransformError;
pub use list::{build, list};
pub use lowercase::LowercaseConfig;
pub use random_crop::RandomCropConfig;
pub use shuffle_sentences::ShuffleSentencesConfig;
pub use truncate_words::{Keep, TruncateWordsConfig};
pub use units::Unit;

/// A change of an example, applied each time that the loader reads the example.
pub trait Transform: Send + Sync {
    /// Returns the transformed example. All random numbers must come from `rng`, which is seeded for the epoch and the
    /// index of the example.
    ///
    /// # Errors
    /// If the example cannot be transformed, for example because it lacks a field.
    fn apply(&self, example: Example, rng: &mut SeqRng) -> Result<Example, TransformError>;

    /// The text columns that the transform changes; empty for all text columns. A column with spans into its text must not
    /// be changed, because the spans would no longer fit; such a transform is refused.
    fn columns(&self) -> &[String] {
        &[]
    }
}
