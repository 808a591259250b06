//! Transforms of records: what is done to an example each time that it is drawn, before its texts are tokenised.
//!
//! A transform is a file here and a word in `list.rs`. What it draws is keyed by (seed, its place and name, epoch, index), so
//! an example is transformed alike whatever the workers, ranks or restarts, and anew in each epoch.

mod augment;
mod chain;
mod clean;
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
pub use entry::{Context, Entry};
pub use error::TransformError;
pub use list::{build, list};
pub use lowercase::LowercaseConfig;
pub use random_crop::RandomCropConfig;
pub use shuffle_sentences::ShuffleSentencesConfig;
pub use truncate_words::{Keep, TruncateWordsConfig};
pub use units::Unit;

/// Something that is done to an example each time that it is drawn.
pub trait Transform: Send + Sync {
    /// The transformed example. All randomness is from `rng`, which is keyed by the example's epoch and index.
    ///
    /// # Errors
    /// If it cannot be transformed, as when it lacks a field.
    fn apply(&self, example: Example, rng: &mut SeqRng) -> Result<Example, TransformError>;

    /// The columns of texts that it changes; none for every column of texts. Spans of a changed text would no longer fit, so
    /// that such a transform is refused beside them.
    fn columns(&self) -> &[String] {
        &[]
    }
}
