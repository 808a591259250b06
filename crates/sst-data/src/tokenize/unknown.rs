//! Counts the unknown tokens of texts and the characters that they stand for.

use std::collections::HashMap;

use super::{TokenizeError, Tokenizer};
use crate::example::Key;
use crate::ledger::Ledger;

/// The fraction of unknown tokens above which a warning is printed.
const WARN_ABOVE: f64 = 0.01;
/// The name of the count in the ledger.
const UNKNOWN: &str = "tokenize.unknown_tokens";
/// The number of unknown tokens whose characters are examined. Further ones are only counted.
const MAX_EXAMINED: u64 = 10_000;
/// Texts with more bytes are not examined, because the crate `tokenizers` would take a hundred times as much memory.
const MAX_TEXT_BYTES: usize = 1 << 20;
/// The number of characters that are listed.
const LISTED_CHARACTERS: usize = 10;

/// Counts the unknown tokens of texts.
#[derive(Debug, Default)]
pub struct UnknownCount {
    unknown: u64,
    examined: u64,
    characters: HashMap<char, u64>,
}

impl UnknownCount {
    /// A count of zero.
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
        if self.examined >= MAX_EXAMINED || text.len() > MAX_TEXT_BYTES {
            return Ok(());
        }
        self.examined += count;
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

    /// Counts the unknown tokens of `texts` in `ledger`, and warns as [`Self::report`] does.
    ///
    /// # Errors
    /// As for [`Tokenizer::encode`].
    pub fn report_texts(
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
        unknown.report(ledger, tokens);
        Ok(())
    }

    /// The most frequent characters that became unknown tokens, in falling order.
    pub fn most_frequent(&self) -> Vec<String> {
        let mut characters: Vec<_> = self.characters.iter().collect();
        characters.sort_by_key(|(c, count)| (std::cmp::Reverse(**count), **c));
        characters.into_iter().take(LISTED_CHARACTERS).map(|(c, _)| c.to_string()).collect()
    }

    /// Lists the most frequent unknown characters in `ledger`, beside the count.
    pub fn finish(&self, ledger: &Ledger) {
        if self.unknown > 0 {
            ledger.set_items(UNKNOWN, self.most_frequent());
        }
    }

    /// Calls [`Self::finish`] and warns if more than 1 % of `tokens` are unknown.
    pub fn report(&self, ledger: &Ledger, tokens: u64) {
        self.finish(ledger);
        if let Some(warning) = unknown_warning(ledger, tokens) {
            tracing::warn!("{warning}");
        }
    }
}

impl Tokenizer {
    /// How many of `ids` are the unknown token. GPT-2 declares its end-of-text token as the unknown token, which
    /// byte-level BPE never produces, so that token is not counted.
    pub fn count_unknown(&self, ids: &[u32]) -> u64 {
        let unk = self.special().unk.filter(|unk| Some(*unk) != self.special().eos);
        ids.iter().filter(|id| Some(**id) == unk).count() as u64
    }

    /// Whether the vocabulary has a token for this character, or for its lower case.
    fn knows(&self, c: char) -> bool {
        let spelled = |c: &str| {
            let forms = [c.to_owned(), format!("##{c}"), format!("▁{c}")];
            forms.iter().any(|form| self.id(form).is_some())
        };
        spelled(c.encode_utf8(&mut [0; 4])) || spelled(&c.to_lowercase().collect::<String>())
    }
}

/// The warning if, by the counts of `ledger`, more than 1 % of `tokens` are unknown.
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
