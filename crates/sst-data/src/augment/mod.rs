//! Augmentations make changed views of a text, for contrastive learning or to enlarge a small data set.
//!
//! Each augmentation is a file here and an entry in `list.rs`. Those that change words never make a text empty, change
//! at most `ceil(rate * words)` of its words, keep special tokens (`[MASK]`, `</s>`), and keep every byte outside the
//! changed words. Random draws are keyed by (seed, `augment.NAME`, epoch, index), so the view of a text does not
//! depend on other texts.

mod back_translation;
mod chain;
mod crop;
mod deletion;
mod entry;
mod error;
mod list;
mod mask;
mod pick;
mod special;
mod split;
mod stop;
mod swap;
mod synonym;
pub mod thesaurus;
pub mod translate;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config_problem;
use crate::ledger::Ledger;
use crate::rng::SeqRng;

pub use back_translation::{BackTranslation, BackTranslationConfig};
pub use chain::Chain;
pub use crop::CropConfig;
pub use deletion::DeletionConfig;
pub use entry::Entry;
pub use error::AugmentError;
pub use list::{build, list};
pub use mask::MaskConfig;
pub use special::special_tokens;
pub use swap::SwapConfig;
pub use synonym::{Synonym, SynonymConfig};

use split::Split;

/// The key of the random draws for one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// The seed of the run.
    pub seed: u64,
    /// The epoch, or the number of the copy. Each number gives another view.
    pub epoch: u64,
    /// The index of the text in its data set.
    pub index: u64,
}

impl Draw {
    fn rng(self, kind: &str) -> SeqRng {
        SeqRng::new(self.seed, &format!("augment.{kind}"), self.epoch, self.index)
    }
}

/// The context that an augmentation is built with, besides its configuration.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Special tokens of the tokenizer that [`special_tokens`] does not recognise by their form.
    pub special: Vec<String>,
    /// The ledger that counts texts which could not be augmented.
    pub ledger: Ledger,
}

/// An augmentation that can be used from any thread.
pub trait Augment: Send + Sync {
    /// The name in the list.
    fn name(&self) -> &'static str;

    /// A view of each text, in the same order. `draws` has one entry for each text.
    ///
    /// # Errors
    /// If something outside this process fails, such as a translator.
    fn augment(&self, texts: Vec<String>, draws: &[Draw]) -> Result<Vec<String>, AugmentError>;
}

/// An augmentation that changes the words of one text.
trait WordAugment: Send + Sync {
    const NAME: &'static str;

    /// Special tokens that are not recognised by their form.
    fn special(&self) -> &[String];

    /// The changed text.
    fn change(&self, text: &Split<'_>, rng: &mut SeqRng) -> String;
}

impl<T: WordAugment> Augment for T {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn augment(&self, texts: Vec<String>, draws: &[Draw]) -> Result<Vec<String>, AugmentError> {
        let change = |(text, draw): (&String, &Draw)| {
            self.change(&Split::new(text, self.special()), &mut draw.rng(T::NAME))
        };
        Ok(texts.iter().zip(draws).map(change).collect())
    }
}

/// Parses the configuration of `kind`. Missing keys have their defaults.
fn parse<T: DeserializeOwned>(kind: &'static str, config: &Value) -> Result<T, AugmentError> {
    T::deserialize(config).map_err(|error| {
        let (_, reason) = config_problem::<T>(config, &error);
        AugmentError::Config { kind, reason }
    })
}

/// Refuses a rate outside `0..=1`.
fn check_rate(kind: &'static str, rate: f64) -> Result<(), AugmentError> {
    match (0.0..=1.0).contains(&rate) {
        true => Ok(()),
        false => Err(AugmentError::Config {
            kind,
            reason: format!("rate is {rate} and must be from 0 to 1"),
        }),
    }
}
