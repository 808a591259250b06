//! Which share of the tokens of texts is unknown, and which characters they were.

use std::collections::HashMap;

use super::{TokenizeError, Tokenizer};
use crate::example::Key;
use crate::ledger::Ledger;

/// The share of unknown tokens above which a warning is due.
const WARN_ABOVE: f64 = 0.01;
/// The name of the count in the ledger.
const UNKNOWN: &str = "tokenize.unknown_tokens";
/// Unknown tokens whose characters are looked at; the rest are counted.
const LOOKED_AT: u64 = 10_000;
/// Longer texts are not looked into, in bytes: the library would take a hundred times as much.
const LONGEST: usize = 1 << 20;
/// Characters that are told.
const TOLD: usize = 10;

/// Counts the unknown tokens of texts.
#[derive(Debug, Default)]
pub struct UnknownCount {
    unknown: u64,
    looked_at: u64,
    characters: HashMap<char, u64>,
}

impl UnknownCount {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts `count` unknown tokens of `text`, and adds them to `ledger`.
    ///
    /// # Errors
    /// As for [`Tokenizer::encoding`].
    pub fn add(
        &mut self,
        tokenizer: &Tokenizer,
        text: &str,
        count: u64,
        key: Option<&Key>,
        ledger: &Ledger,
    ) -> Result<(), TokenizeError> {
        if count == 0 {
            return Ok(());
        }
        self.unknown += count;
        ledger.add(UNKNOWN, count, key);
        if self.looked_at >= LOOKED_AT || text.len() > LONGEST {
            return Ok(());
        }
        self.looked_at += count;
        let encoding = tokenizer.encoding(text)?;
        for (id, (start, end)) in encoding.ids.iter().zip(encoding.offsets) {
            let Some(word) = text.get(start..end).filter(|_| Some(*id) == tokenizer.special().unk)
            else {
                continue;
            };
            for c in word.chars().filter(|c| !c.is_whitespace() && !tokenizer.knows(*c)) {
                *self.characters.entry(c).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Counts the unknown tokens of `texts` in `ledger`, with a warning as [`Self::tell`] gives it.
    ///
    /// # Errors
    /// As for [`Tokenizer::encode`].
    pub fn tell_texts(
        tokenizer: &Tokenizer,
        texts: &[String],
        ledger: &Ledger,
    ) -> Result<(), TokenizeError> {
        let (mut unknown, mut tokens) = (Self::new(), 0);
        for text in texts {
            let ids = tokenizer.encode(text)?;
            tokens += ids.len() as u64;
            unknown.add(tokenizer, text, tokenizer.count_unknown(&ids), None, ledger)?;
        }
        unknown.tell(ledger, tokens);
        Ok(())
    }

    /// The commonest characters that became unknown, the commonest first.
    pub fn commonest(&self) -> Vec<String> {
        let mut characters: Vec<_> = self.characters.iter().collect();
        characters.sort_by_key(|(c, count)| (std::cmp::Reverse(**count), **c));
        characters.into_iter().take(TOLD).map(|(c, _)| c.to_string()).collect()
    }

    /// Lists the commonest characters in `ledger`, beside the count.
    pub fn finish(&self, ledger: &Ledger) {
        if self.unknown > 0 {
            ledger.set_items(UNKNOWN, self.commonest());
        }
    }

    /// [`Self::finish`], and a warning if more than a hundredth of `tokens` is unknown.
    pub fn tell(&self, ledger: &Ledger, tokens: u64) {
        self.finish(ledger);
        if let Some(warning) = unknown_warning(ledger, tokens) {
            tracing::warn!("{warning}");
        }
    }
}

impl Tokenizer {
    /// How many of `ids` are the unknown token. GPT-2 names its end of a text for it, which its bytes never need: that is
    /// not counted.
    pub fn count_unknown(&self, ids: &[u32]) -> u64 {
        let unk = self.special().unk.filter(|unk| Some(*unk) != self.special().eos);
        ids.iter().filter(|id| Some(**id) == unk).count() as u64
    }

    /// Whether a token spells this character, in lower case too.
    fn knows(&self, c: char) -> bool {
        let spelled = |c: &str| {
            let forms = [c.to_owned(), format!("##{c}"), format!("▁{c}")];
            forms.iter().any(|form| self.id(form).is_some())
        };
        spelled(c.encode_utf8(&mut [0; 4])) || spelled(&c.to_lowercase().collect::<String>())
    }
}

/// A warning if more than a hundredth of `tokens` is unknown, by the counts of `ledger`.
pub fn unknown_warning(ledger: &Ledger, tokens: u64) -> Option<String> {
    let entry = ledger.entries().remove(UNKNOWN)?;
    let share = entry.count as f64 / tokens.max(1) as f64;
    if share <= WARN_ABOVE {
        return None;
    }
    let characters = match entry.items.is_empty() {
        true => String::new(),
        false => format!(": mostly {}", entry.items.join(" ")),
    };
    let percent = share * 100.0;
    Some(format!(
        "{percent:.1} % of the tokens are unknown to the tokenizer{characters}; train one on this text, or choose another"
    ))
}
