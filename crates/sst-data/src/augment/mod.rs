//! Changed views of a text: for contrastive learning, and to have more of little data.
//!
//! A kind of augmentation is a file here and a word in `list.rs`. Those on words never empty a text,
//! change at most `ceil(rate * words)` of its words, leave special tokens (`[MASK]`, `</s>`) as they
//! are, and keep every byte outside of what they change. What a kind draws is keyed by (seed,
//! `augment.NAME`, epoch, index), so a text's view is the same whatever is done to the others.

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

/// What keys the draws made for one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// The seed of the run.
    pub seed: u64,
    /// The epoch, or the number of the copy: another one gives another view.
    pub epoch: u64,
    /// The text's index in its data set.
    pub index: u64,
}

impl Draw {
    fn rng(self, kind: &str) -> SeqRng {
        SeqRng::new(self.seed, &format!("augment.{kind}"), self.epoch, self.index)
    }
}

/// What a kind is built from besides its configuration.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Special tokens of the tokenizer that cannot be told by their form, which [`special_tokens`]
    /// can tell of the usual ones.
    pub special: Vec<String>,
    /// Where what could not be done is counted.
    pub ledger: Ledger,
}

/// One kind of augmentation, ready to use from any thread.
pub trait Augment: Send + Sync {
    /// Its name in the list.
    fn name(&self) -> &'static str;

    /// A view of each of `texts`, in their order; `draws` has one for each of them.
    ///
    /// # Errors
    /// If something outside of this process fails, such as a translator.
    fn augment(&self, texts: Vec<String>, draws: &[Draw]) -> Result<Vec<String>, AugmentError>;
}

/// A kind that works on the words of one text.
trait OnWords: Send + Sync {
    const NAME: &'static str;

    /// Special tokens that cannot be told by their form.
    fn special(&self) -> &[String];

    /// The changed text.
    fn change(&self, text: &Split<'_>, rng: &mut SeqRng) -> String;
}

impl<T: OnWords> Augment for T {
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

/// The configuration of `kind`; absent keys take their defaults.
fn parse<T: DeserializeOwned>(kind: &'static str, config: &Value) -> Result<T, AugmentError> {
    T::deserialize(config).map_err(|error| AugmentError::Config { kind, reason: error.to_string() })
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
