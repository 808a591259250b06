//! Cleans Chinese, English and mixed text. Every rule is optional, and everything that a rule changes or drops is
//! counted.
//!
//! The rules always run in this order: Unicode NFC or NFKC, control characters, white space, empty documents, length,
//! duplicates. Cleaning a cleaned text changes nothing.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use unicode_normalization::{UnicodeNormalization, is_nfc, is_nfkc};

use crate::example::Key;
use crate::ledger::Ledger;
use crate::words::{count_length, is_unspaced};

/// The rules that apply. Every default is safe for Chinese and English.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CleanConfig {
    /// Applies Unicode NFC: a letter and its accent become one character where there is one, so that the same word has
    /// one spelling. The text looks the same.
    pub nfc: bool,
    /// Applies Unicode NFKC, which has one form for each character. It is off by default, because it also turns
    /// Chinese punctuation into ASCII (，！？ become ,!?) and … into three full stops.
    pub nfkc: bool,
    /// Removes control and invisible characters: C0 and C1 controls that are not white space, zero-width space, soft
    /// hyphen, byte order mark, direction marks, noncharacters. Joiners (U+200C, U+200D) are kept after a letter or
    /// emoji of a script that uses them, and tags after 🏴.
    pub control: bool,
    /// Replaces every run of white space (including U+3000 and U+00A0) by one space, or by one line end if the run has
    /// one, or by two line ends if it has more. White space at the start and end is removed. White space is never
    /// added where there was none, and never removed completely between two characters.
    pub whitespace: bool,
    /// The fewest characters (mostly Chinese) or words (otherwise) a document may have.
    pub min_length: Option<usize>,
    /// The most characters or words a document may have; longer ones are dropped.
    pub max_length: Option<usize>,
    /// Drops a document that equals an earlier one after the rules above. Documents are compared by 128 bits of
    /// SHA-256, which are kept in memory: about 20 to 40 bytes for each distinct document, 4 GB for 100 million.
    pub dedup: bool,
}

impl Default for CleanConfig {
    fn default() -> Self {
        Self {
            nfc: false,
            nfkc: false,
            control: true,
            whitespace: true,
            min_length: None,
            max_length: None,
            dedup: false,
        }
    }
}

/// A configuration that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CleanConfigError {
    /// No length satisfies both limits.
    #[error("min_length {min} is greater than max_length {max}: no document would be left")]
    Lengths {
        /// `min_length`.
        min: usize,
        /// `max_length`.
        max: usize,
    },
    /// Both normal forms are set.
    #[error("nfc and nfkc are both set, and a text has one normal form: leave one of them out")]
    TwoForms,
}

impl CleanConfig {
    /// Checks the keys against each other.
    ///
    /// # Errors
    /// If `min_length` is greater than `max_length`, or both normal forms are set.
    pub fn check(&self) -> Result<(), CleanConfigError> {
        if self.nfc && self.nfkc {
            return Err(CleanConfigError::TwoForms);
        }
        match (self.min_length, self.max_length) {
            (Some(min), Some(max)) if min > max => Err(CleanConfigError::Lengths { min, max }),
            _ => Ok(()),
        }
    }
}

/// Applies the rules of a [`CleanConfig`] to one document after the other.
///
/// The ledger counts what it changes as `clean.control_characters` (characters), `clean.nfc`, `clean.nfkc` and
/// `clean.whitespace` (documents), and what it drops as `clean.empty`, `clean.too_short`, `clean.too_long` and
/// `clean.duplicate` (documents).
#[derive(Debug)]
pub struct Cleaner {
    config: CleanConfig,
    ledger: Ledger,
    seen: HashSet<u128>,
}

impl Cleaner {
    /// A cleaner that has seen no document yet.
    pub fn new(config: CleanConfig, ledger: Ledger) -> Self {
        Self { config, ledger, seen: HashSet::new() }
    }

    /// The cleaned text, or `None` if the document is dropped.
    pub fn clean(&mut self, key: &Key, text: &str) -> Option<String> {
        self.clean_group(key, &[text])?.pop()
    }

    /// The cleaned texts of a record. The result is `None` if one of them is dropped (if there are several, this also
    /// counts as `pairs.incomplete`), or if all of them together equal those of an earlier record.
    pub fn clean_group(&mut self, key: &Key, texts: &[&str]) -> Option<Vec<String>> {
        let cleaned: Vec<String> = texts.iter().map_while(|text| self.keep(key, text)).collect();
        if cleaned.len() < texts.len() {
            self.ledger.add("pairs.incomplete", u64::from(texts.len() > 1), Some(key));
            return None;
        }
        if self.config.dedup && !self.seen.insert(hash(&cleaned.join("\0"))) {
            self.ledger.add("clean.duplicate", 1, Some(key));
            return None;
        }
        Some(cleaned)
    }

    /// The cleaned text; `None` if it is empty, too short or too long.
    fn keep(&self, key: &Key, text: &str) -> Option<String> {
        let text = self.rewrite(key, text);
        let drop = |name| {
            self.ledger.add(name, 1, Some(key));
            None
        };
        if text.trim().is_empty() {
            return drop("clean.empty");
        }
        if self.config.min_length.is_some() || self.config.max_length.is_some() {
            let length = count_length(&text).count();
            if self.config.min_length.is_some_and(|min| length < min) {
                return drop("clean.too_short");
            }
            if self.config.max_length.is_some_and(|max| length > max) {
                return drop("clean.too_long");
            }
        }
        Some(text)
    }

    /// Applies the rules that change a text; those that drop it follow later.
    fn rewrite(&self, key: &Key, original: &str) -> String {
        let mut text = Cow::Borrowed(original);
        let (mut removed, mut composed) = (0, false);
        loop {
            if self.config.nfkc && !is_nfkc(&text) {
                text = Cow::Owned(text.nfkc().collect());
                composed = true;
            }
            if self.config.nfc && !is_nfc(&text) {
                text = Cow::Owned(text.nfc().collect());
                composed = true;
            }
            let now = if self.config.control { remove_control(&mut text) } else { 0 };
            removed += now;
            // Characters that are now neighbours may compose, so normalization has to run again.
            if now == 0 || !(self.config.nfkc || self.config.nfc) {
                break;
            }
        }
        let form = if self.config.nfc { "clean.nfc" } else { "clean.nfkc" };
        self.ledger.add(form, u64::from(composed), Some(key));
        self.ledger.add("clean.control_characters", removed, Some(key));
        if self.config.whitespace {
            let collapsed = collapse_whitespace(&text);
            self.ledger.add("clean.whitespace", u64::from(collapsed != text), Some(key));
            return collapsed;
        }
        text.into_owned()
    }
}

/// Removes invisible characters and returns their number.
fn remove_control(text: &mut Cow<'_, str>) -> u64 {
    // Most texts have none, and are not copied.
    if !text.chars().any(is_invisible) {
        return 0;
    }
    let mut kept = String::with_capacity(text.len());
    let mut removed = 0;
    let mut last = None;
    for c in text.chars() {
        if is_invisible(c) && !last.is_some_and(|last| belongs_after(c, last)) {
            removed += 1;
        } else {
            kept.push(c);
            last = Some(c);
        }
    }
    if removed > 0 {
        *text = Cow::Owned(kept);
    }
    removed
}

/// Controls, format characters and noncharacters. White space is never among them.
pub(crate) fn is_invisible(c: char) -> bool {
    (c.is_control() && !c.is_whitespace())
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fdd0}'..='\u{fdef}'
            | '\u{fff9}'..='\u{fffc}' | '\u{e0000}'..='\u{e007f}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// Whether the invisible character `c` has a meaning after `last`: a joiner in Arabic, Indic scripts and emoji, or a
/// tag in the flag of England.
fn belongs_after(c: char, last: char) -> bool {
    match c {
        '\u{200c}' | '\u{200d}' => {
            last >= '\u{590}'
                && !is_unspaced(last)
                && !is_invisible(last)
                && !last.is_whitespace()
                && !matches!(last,
                    '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' | '\u{3001}'..='\u{303f}'
                    | '\u{ac00}'..='\u{d7a3}' | '\u{ff01}'..='\u{ffef}')
        }
        '\u{e0020}'..='\u{e007f}' => matches!(last, '\u{1f3f4}' | '\u{e0020}'..='\u{e007e}'),
        _ => false,
    }
}

fn collapse_whitespace(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    let (mut spaces, mut lines) = (false, 0_usize);
    let mut previous = None;
    for c in text.chars() {
        if c.is_whitespace() {
            spaces = true;
            let ends_line = matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}');
            // CRLF counts as one line end; U+2029 counts as a paragraph end.
            lines += match c {
                '\n' if previous == Some('\r') => 0,
                '\u{2029}' => 2,
                _ => usize::from(ends_line),
            };
        } else {
            if spaces && !collapsed.is_empty() {
                collapsed.push_str(match lines {
                    0 => " ",
                    1 => "\n",
                    _ => "\n\n",
                });
            }
            (spaces, lines) = (false, 0);
            collapsed.push(c);
        }
        previous = Some(c);
    }
    collapsed
}

/// The first 128 bits of the SHA-256 of `text`.
fn hash(text: &str) -> u128 {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(16).fold(0, |hash, byte| hash << 8 | u128::from(*byte))
}
