//! `back_translation`: translates a text into another language and back (Sennrich et al. 2016, "Improving Neural
//! Machine Translation Models with Monolingual Data"; Xie et al. 2020, "Unsupervised Data Augmentation").
//!
//! Each line of a text is translated by itself, so line ends and the white space around lines are kept. Nothing is
//! random: a text has the same view in every epoch.

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

/// The translator, and the two languages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackTranslationConfig {
    /// `apertium`, the path of an Apertium program, or the address of a LibreTranslate server (`http://...`,
    /// `https://...`).
    pub translator: String,
    /// The language of the texts and the other language, such as `eng-spa`, by the names that the translator uses.
    pub pair: String,
    /// The folder in which translations are cached; without one they are not cached.
    pub cache: Option<PathBuf>,
    /// The most seconds that a program may be silent, or that a server may take for a request.
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

/// The augmentation with its two translators.
pub struct BackTranslation {
    special: Vec<String>,
    ledger: Ledger,
    /// The translators into the other language and back. Only one thread at a time uses a process or a server.
    translators: Mutex<[Box<dyn Translator>; 2]>,
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
        let forward = open(&config, &format!("{from}:{to}"), timeout)?;
        let backward = open(&config, &format!("{to}:{from}"), timeout)?;
        Ok(Self::new(forward, backward, context))
    }

    /// An augmentation that translates with `forward` into another language, and with `backward` from it.
    ///
    /// If the special tokens of a text change on the way, the text is kept as it is, and counted under
    /// `augment.back_translation.special_tokens`.
    pub fn new(
        forward: Box<dyn Translator>,
        backward: Box<dyn Translator>,
        context: &Context,
    ) -> Self {
        let (special, ledger) = (context.special.clone(), context.ledger.clone());
        Self { special, ledger, translators: Mutex::new([forward, backward]) }
    }

    fn special_tokens_in<'a>(&self, text: &'a str) -> Vec<&'a str> {
        special_tokens(text, &self.special).into_iter().map(|range| &text[range]).collect()
    }
}

/// Opens the translator of `pair`.
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
        // A line without a letter is not translated.
        let lines = texts.iter().flat_map(|text| text.split('\n'));
        let lines = lines.filter(|line| line.contains(char::is_alphabetic));
        let mut lines: Vec<String> = lines.map(|line| line.trim().to_owned()).collect();
        for translator in self.translators.lock().unwrap_or_else(PoisonError::into_inner).iter_mut()
        {
            let asked = lines.len();
            lines = translator.translate(&lines)?;
            if lines.len() != asked {
                let (by, answered) = (translator.name().to_owned(), lines.len());
                return Err(TranslateError::Count { by, asked, answered }.into());
            }
        }
        let mut translated = lines.into_iter();
        let mut views = Vec::with_capacity(texts.len());
        for text in texts {
            let view: Vec<String> =
                text.split('\n').map(|line| replace_words(line, &mut translated)).collect();
            let view = view.join("\n");
            if self.special_tokens_in(&view) == self.special_tokens_in(&text) {
                views.push(view);
            } else {
                self.ledger.add("augment.back_translation.special_tokens", 1, None);
                views.push(text);
            }
        }
        Ok(views)
    }
}

/// Replaces the words of `line` by the next translation. A line without a letter is returned as it is.
fn replace_words(line: &str, translated: &mut impl Iterator<Item = String>) -> String {
    if !line.contains(char::is_alphabetic) {
        return line.to_owned();
    }
    let words = line.trim();
    let before = &line[..line.len() - line.trim_start().len()];
    let after = &line[line.trim_end().len()..];
    // There is exactly one translation for each line that has a letter.
    let new = translated.next().unwrap_or_else(|| words.to_owned());
    format!("{before}{}{after}", new.replace(['\n', '\r'], " ").trim())
}
