//! Text of tokens as they come, and where it stops.

use sst_data::tokenize::{TokenizeError, Tokenizer};

/// Stands for bytes that are no character, as half of one is not.
const BROKEN: char = '\u{fffd}';

/// The text of a growing sequence of tokens: never half a character, and nothing of a stop string, however the
/// tokens cut it. Together it is what the tokenizer makes of prompt and new tokens at once, less what it makes of the
/// prompt.
#[derive(Debug)]
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    stops: &'a [String],
    /// The prompt and what came after it.
    ids: Vec<u32>,
    /// From here on tokens are decoded together, for a token's text may depend on the one before.
    from: usize,
    /// The tokens before this one have given all of their text.
    done: usize,
    /// The text of the tokens from `from` on, as far as it was given or belongs to the prompt.
    shown: String,
    /// Whether the last token stands for a byte.
    in_bytes: bool,
    text: String,
    /// How much of the text was told.
    told: usize,
    stopped: bool,
}

impl<'a> TextStream<'a> {
    /// A sequence that follows the tokens of `prompt` and ends where its text holds one of `stops`.
    ///
    /// # Errors
    /// If the tokenizer's decoder is broken.
    pub fn new(
        tokenizer: &'a Tokenizer,
        stops: &'a [String],
        prompt: &[u32],
    ) -> Result<Self, TokenizeError> {
        let known = |id: &u32| (*id as usize) < tokenizer.vocab_size();
        let ids: Vec<u32> = prompt.iter().copied().filter(known).collect();
        let (shown, done) = (tokenizer.decode(&ids, true)?, ids.len());
        let (text, told, stopped) = (String::new(), 0, false);
        Ok(Self {
            tokenizer,
            stops,
            ids,
            from: 0,
            done,
            shown,
            in_bytes: false,
            text,
            told,
            stopped,
        })
    }

    /// Adds a token; returns the text that is settled now. An id that the tokenizer does not have, as a model with
    /// a larger vocabulary may give, has no text.
    ///
    /// # Errors
    /// If the tokenizer's decoder is broken.
    pub fn push(&mut self, id: u32) -> Result<&str, TokenizeError> {
        if id as usize >= self.tokenizer.vocab_size() {
            return Ok("");
        }
        self.ids.push(id);
        // Bytes that stand in a row are decoded together, and are no characters if one of them is none. Special
        // tokens between them are left out before.
        if self.tokenizer.special().all.binary_search(&id).is_err() {
            self.in_bytes = self.tokenizer.token(id).is_some_and(|token| is_byte(&token));
        }
        if !self.in_bytes {
            self.advance(false)?;
        }
        Ok(self.settle(false))
    }

    /// Ends the sequence; returns the rest of its text.
    ///
    /// # Errors
    /// If libraries fail.
    pub fn finish(&mut self) -> Result<&str, TokenizeError> {
        if !self.stopped {
            self.advance(true)?;
        }
        Ok(self.settle(true))
    }

    /// Adds the text that no later token changes; at the end, all of it.
    fn advance(&mut self, is_end: bool) -> Result<(), TokenizeError> {
        let after = self.tokenizer.decode(&self.ids[self.from..], true)?;
        // The last character may be a part of one that the next token completes. Those before it are not: the parts
        // of one character become one mark.
        let stable = match is_end {
            true => after.as_str(),
            false => after.strip_suffix(BROKEN).unwrap_or(&after),
        };
        let common = common_prefix(&self.shown, stable);
        self.text.push_str(&stable[common..]);
        let is_settled = stable.len() == after.len();
        if !self.shown.starts_with(stable) {
            self.shown = stable.to_owned();
        }
        // What follows needs some text before it, or a decoder takes its first space away.
        if is_settled && !self.tokenizer.decode(&self.ids[self.done..], true)?.is_empty() {
            self.from = std::mem::replace(&mut self.done, self.ids.len());
            self.shown = self.tokenizer.decode(&self.ids[self.from..], true)?;
        }
        Ok(())
    }

    /// Whether a stop string came.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// All of the text, without a stop string and what follows it.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn settle(&mut self, is_end: bool) -> &str {
        let found = self.stops.iter().filter(|stop| !stop.is_empty());
        let found = found.filter_map(|stop| self.text.find(stop.as_str())).min();
        if let Some(at) = found {
            self.text.truncate(at);
            self.stopped = true;
        }
        // What may become a stop string is not told yet.
        let held = if self.stopped || is_end { 0 } else { self.begun() };
        let (from, to) = (self.told.min(self.text.len()), self.text.len() - held);
        self.told = to.max(from);
        &self.text[from..self.told]
    }

    /// The length of the longest end of the text that begins a stop string.
    fn begun(&self) -> usize {
        let begins = |stop: &String| {
            let ends = stop.char_indices().map(|(at, _)| at).skip(1);
            ends.filter(|at| self.text.ends_with(&stop[..*at])).max().unwrap_or(0)
        };
        self.stops.iter().map(begins).max().unwrap_or(0)
    }
}

/// Whether a token stands for one byte, as tokenizers with a byte fallback write it: `<0xE5>`.
fn is_byte(token: &str) -> bool {
    let digits = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && u8::from_str_radix(digits, 16).is_ok())
}

/// The bytes of the characters that both begin with.
fn common_prefix(a: &str, b: &str) -> usize {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b);
    same.map(|(a, _)| a.len_utf8()).sum()
}

#[cfg(test)]
mod tests {
    use sst_data::tokenize::{Algorithm, SpecialNames, TrainConfig, train};

    use super::*;

    fn bytes() -> Tokenizer {
        let special =
            SpecialNames { eos: Some("<|endoftext|>".to_owned()), ..SpecialNames::default() };
        let config = TrainConfig {
            algorithm: Algorithm::Bpe,
            vocab_size: 257,
            lowercase: false,
            special,
            ..TrainConfig::default()
        };
        train(&config, ["a b".to_owned()].into_iter()).unwrap()
    }

    /// What was told token by token, and the whole text.
    fn told(text: &str, stops: &[&str]) -> (Vec<String>, String, bool) {
        let tokenizer = bytes();
        let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        let mut stream = TextStream::new(&tokenizer, &stops, &[]).unwrap();
        let mut parts = Vec::new();
        for id in tokenizer.encode(text).unwrap() {
            parts.push(stream.push(id).unwrap().to_owned());
            if stream.stopped() {
                break;
            }
        }
        parts.push(stream.finish().unwrap().to_owned());
        parts.retain(|part| !part.is_empty());
        assert_eq!(parts.concat(), stream.text());
        let stopped = stream.stopped();
        (parts, stream.text().to_owned(), stopped)
    }

    #[test]
    fn an_unknown_id_has_no_text() {
        let tokenizer = bytes();
        let mut stream = TextStream::new(&tokenizer, &[], &[]).unwrap();
        assert_eq!(stream.push(50_000).unwrap(), "");
        let told: Vec<u32> = tokenizer.encode("ab").unwrap();
        told.into_iter().for_each(|id| drop(stream.push(id).unwrap().to_owned()));
        stream.finish().unwrap();
        assert_eq!(stream.text(), "ab");
    }

    #[test]
    fn characters_come_whole() {
        let (parts, text, stopped) = told("天下🚀é!", &[]);
        assert_eq!(parts, ["天", "下", "🚀", "é", "!"]);
        assert!(!stopped && text == "天下🚀é!");
    }

    #[test]
    fn a_stop_string_across_tokens_ends_the_text_before_it() {
        assert_eq!(
            told("one. Two", &[". T"]),
            (vec!["o".into(), "n".into(), "e".into()], "one".into(), true)
        );
        assert_eq!(told("abcabd", &["abd"]).1, "abc");
        assert_eq!(told("天下大势", &["大"]).1, "天下");
        // What only began as one is told in the end.
        assert_eq!(
            told("one. ", &[". T"]),
            (vec!["o".into(), "n".into(), "e".into(), ". ".into()], "one. ".into(), false)
        );
    }
}
