//! `back_translation`: into another language and back (Sennrich et al. 2016, "Improving Neural Machine
//! Translation Models with Monolingual Data"; Xie et al. 2020, "Unsupervised Data Augmentation").
//!
//! Each line of a text is translated by itself, so line ends and the space around lines stay. Nothing
//! is drawn: the same text has the same view in every epoch.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::entry::Entry;
use super::special::special_tokens;
use super::translate::{Apertium, Cached, LibreTranslate, TranslateError, Translator, split_pair};
use super::{Augment, AugmentError, Context, Draw, parse};
use crate::ledger::Ledger;

pub(super) const ENTRY: Entry = Entry {
    name: BackTranslation::NAME,
    summary: "translate into another language and back",
    default_config: || json!(BackTranslationConfig::default()),
    build: |config, context| Ok(Box::new(BackTranslation::load(config, context)?)),
};

/// Which translator, and between which languages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackTranslationConfig {
    /// `apertium`, the path of one, or the address of a LibreTranslate server (`http://...`, `https://...`).
    pub translator: String,
    /// From the language of the texts to the other, in the translator's own names.
    pub pair: String,
    /// The folder in which translations are kept; none are if it is not set.
    pub cache: Option<PathBuf>,
    /// How long a program may be silent, or a server take for a request, in seconds.
    pub timeout: f64,
}

impl Default for BackTranslationConfig {
    fn default() -> Self {
        Self {
            translator: "apertium".to_owned(),
            pair: "eng-spa".to_owned(),
            cache: None,
            timeout: 60.0,
        }
    }
}

/// The kind, over two translators.
pub struct BackTranslation {
    special: Vec<String>,
    ledger: Ledger,
    /// There, and back. A process or a server is asked by one thread at a time.
    ways: Mutex<[Box<dyn Translator>; 2]>,
}

impl BackTranslation {
    const NAME: &'static str = "back_translation";

    fn load(config: &Value, context: &Context) -> Result<Self, AugmentError> {
        let config: BackTranslationConfig = parse(Self::NAME, config)?;
        let timeout =
            Duration::try_from_secs_f64(config.timeout).ok().filter(|time| !time.is_zero());
        let Some(timeout) = timeout else {
            let reason = format!("timeout is {} and must be above 0, in seconds", config.timeout);
            return Err(AugmentError::Config { kind: Self::NAME, reason });
        };
        let (from, to) = split_pair(&config.pair)?;
        let there = open(&config, &format!("{from}:{to}"), timeout)?;
        let back = open(&config, &format!("{to}:{from}"), timeout)?;
        Ok(Self::new(there, back, context))
    }

    /// The kind over `there`, into another language, and `back` from it.
    ///
    /// A text whose special tokens do not come back as they went is left as it is, and counted under
    /// `augment.back_translation.special_tokens`.
    pub fn new(there: Box<dyn Translator>, back: Box<dyn Translator>, context: &Context) -> Self {
        let (special, ledger) = (context.special.clone(), context.ledger.clone());
        Self { special, ledger, ways: Mutex::new([there, back]) }
    }

    fn special_of<'a>(&self, text: &'a str) -> Vec<&'a str> {
        special_tokens(text, &self.special).into_iter().map(|range| &text[range]).collect()
    }
}

/// The translator of `pair`.
fn open(
    config: &BackTranslationConfig,
    pair: &str,
    timeout: Duration,
) -> Result<Box<dyn Translator>, TranslateError> {
    fn keep<T: Translator + Sync + 'static>(
        translator: T,
        config: &BackTranslationConfig,
    ) -> Box<dyn Translator> {
        match &config.cache {
            Some(folder) => Box::new(Cached::new(translator, folder)),
            None => Box::new(translator),
        }
    }
    if config.translator.contains("://") {
        return Ok(keep(LibreTranslate::new(&config.translator, pair, timeout)?, config));
    }
    Ok(keep(Apertium::new(&config.translator, pair, timeout)?, config))
}

impl Augment for BackTranslation {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn augment(&self, texts: Vec<String>, _: &[Draw]) -> Result<Vec<String>, AugmentError> {
        // What has no letter has nothing to translate.
        let lines = texts.iter().flat_map(|text| text.split('\n'));
        let lines = lines.filter(|line| line.contains(char::is_alphabetic));
        let mut lines: Vec<String> = lines.map(|line| line.trim().to_owned()).collect();
        for way in self.ways.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            let asked = lines.len();
            lines = way.translate(&lines)?;
            if lines.len() != asked {
                let (by, answered) = (way.name().to_owned(), lines.len());
                return Err(TranslateError::Count { by, asked, answered }.into());
            }
        }
        let mut translated = lines.into_iter();
        let mut views = Vec::with_capacity(texts.len());
        for text in texts {
            let view: Vec<String> =
                text.split('\n').map(|line| put_in(line, &mut translated)).collect();
            let view = view.join("\n");
            if self.special_of(&view) == self.special_of(&text) {
                views.push(view);
            } else {
                self.ledger.add("augment.back_translation.special_tokens", 1, None);
                views.push(text);
            }
        }
        Ok(views)
    }
}

/// `line` with its next translation in the place of its words, or as it is if it has none.
fn put_in(line: &str, translated: &mut impl Iterator<Item = String>) -> String {
    if !line.contains(char::is_alphabetic) {
        return line.to_owned();
    }
    let words = line.trim();
    let before = &line[..line.len() - line.trim_start().len()];
    let after = &line[line.trim_end().len()..];
    // One for each line that has a letter went out, and as many came back.
    let new = translated.next().unwrap_or_else(|| words.to_owned());
    format!("{before}{}{after}", new.replace(['\n', '\r'], " ").trim())
}
