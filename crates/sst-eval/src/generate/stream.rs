//! Decodes tokens to text while they are generated, and finds stop strings.

use sst_data::tokenize::{TokenizeError, Tokenizer};

/// The replacement character, to which decoders turn invalid UTF-8 such as a part of a character.
const REPLACEMENT: char = '\u{fffd}';

/// Decodes a growing sequence of tokens. Every returned text ends at a character boundary and holds no part of a stop
/// string, even if characters and stop strings extend over several tokens. The returned texts together are the decoding
/// of prompt and new tokens, without the decoding of the prompt at its start.
#[derive(Debug)]
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    stops: &'a [String],
    /// The tokens of the prompt and the new tokens.
    ids: Vec<u32>,
    /// The tokens from this index on are decoded together, because the text of a token may depend on the token before.
    prefix_offset: usize,
    /// The tokens before this index are completely decoded.
    read_offset: usize,
    /// The part of the text of `ids[prefix_offset..]` that is already in `text` or belongs to the prompt.
    decoded: String,
    /// Whether the last ordinary token is a byte token such as `<0xE5>`.
    ends_in_byte: bool,
    /// The text of the new tokens.
    text: String,
    /// The number of bytes of `text` that have been returned.
    returned: usize,
    stopped: bool,
}

impl<'a> TextStream<'a> {
    /// A stream for the tokens that follow `prompt`. It stops before the first occurrence of one of `stops`.
    ///
    /// # Errors
    /// If the tokenizer cannot decode the prompt.
    pub fn new(
        tokenizer: &'a Tokenizer,
        stops: &'a [String],
        prompt: &[u32],
    ) -> Result<Self, TokenizeError> {
        let is_known = |id: &u32| (*id as usize) < tokenizer.vocab_size();
        let ids: Vec<u32> = prompt.iter().copied().filter(is_known).collect();
        Ok(Self {
            tokenizer,
            stops,
            prefix_offset: 0,
            read_offset: ids.len(),
            decoded: tokenizer.decode(&ids, true)?,
            ids,
            ends_in_byte: false,
            text: String::new(),
            returned: 0,
            stopped: false,
        })
    }

    /// Adds a token and returns the text that no later token can change. An id outside of the tokenizer's vocabulary has
    /// no text; a model with a larger vocabulary may predict one.
    ///
    /// # Errors
    /// If the tokenizer cannot decode the tokens.
    pub fn push(&mut self, id: u32) -> Result<&str, TokenizeError> {
        if id as usize >= self.tokenizer.vocab_size() {
            return Ok("");
        }
        self.ids.push(id);
        // Consecutive byte tokens are decoded together, and all become replacement characters if one of them is invalid.
        // So the text waits for the end of such a run. Special tokens are removed before, so they do not end a run.
        if self.tokenizer.special().all.binary_search(&id).is_err() {
            self.ends_in_byte = self.tokenizer.token(id).is_some_and(|token| is_byte(&token));
        }
        if !self.ends_in_byte {
            self.decode_new(false)?;
        }
        Ok(self.take_text(false))
    }

    /// Ends the sequence and returns the rest of its text.
    ///
    /// # Errors
    /// If the tokenizer cannot decode the tokens.
    pub fn finish(&mut self) -> Result<&str, TokenizeError> {
        if !self.stopped {
            self.decode_new(true)?;
        }
        Ok(self.take_text(true))
    }

    /// Adds the text of new tokens to `text`: at the end all of it, otherwise the part that no later token can change.
    fn decode_new(&mut self, is_end: bool) -> Result<(), TokenizeError> {
        let decoded = self.tokenizer.decode(&self.ids[self.prefix_offset..], true)?;
        // A replacement character at the end may be a part of a character that the next token completes. Earlier
        // replacement characters are final, because the parts of one character become one replacement character.
        let stable = match is_end {
            true => decoded.as_str(),
            false => decoded.strip_suffix(REPLACEMENT).unwrap_or(&decoded),
        };
        let common = common_prefix(&self.decoded, stable);
        self.text.push_str(&stable[common..]);
        let is_complete = stable.len() == decoded.len();
        if !self.decoded.starts_with(stable) {
            self.decoded = stable.to_owned();
        }
        // The tokens after `prefix_offset` must have some text: at the start of a text, decoders remove a space.
        if is_complete && !self.tokenizer.decode(&self.ids[self.read_offset..], true)?.is_empty() {
            self.prefix_offset = std::mem::replace(&mut self.read_offset, self.ids.len());
            self.decoded = self.tokenizer.decode(&self.ids[self.prefix_offset..], true)?;
        }
        Ok(())
    }

    /// Whether a stop string occurred.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// The whole text of the new tokens, up to the first stop string.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Cuts `text` at a stop string, and returns the part of it that has not been returned yet.
    fn take_text(&mut self, is_end: bool) -> &str {
        let stop = self
            .stops
            .iter()
            .filter(|stop| !stop.is_empty())
            .filter_map(|stop| self.text.find(stop.as_str()))
            .min();
        if let Some(at) = stop {
            self.text.truncate(at);
            self.stopped = true;
        }
        // The end of the text is held back while it may become a stop string.
        let held_back = if self.stopped || is_end { 0 } else { self.partial_stop() };
        let (start, end) = (self.returned.min(self.text.len()), self.text.len() - held_back);
        self.returned = end.max(start);
        &self.text[start..self.returned]
    }

    /// The length in bytes of the longest suffix of the text that is a proper prefix of a stop string.
    fn partial_stop(&self) -> usize {
        let longest_prefix = |stop: &String| {
            let lengths = stop.char_indices().map(|(at, _)| at).skip(1);
            lengths.filter(|length| self.text.ends_with(&stop[..*length])).max().unwrap_or(0)
        };
        self.stops.iter().map(longest_prefix).max().unwrap_or(0)
    }
}

/// Whether a token represents one byte in the notation of byte fallback, such as `<0xE5>`.
fn is_byte(token: &str) -> bool {
    let digits = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && u8::from_str_radix(digits, 16).is_ok())
}

/// The length in bytes of the longest common prefix.
fn common_prefix(a: &str, b: &str) -> usize {
    let equal = a.chars().zip(b.chars()).take_while(|(a, b)| a == b);
    equal.map(|(a, _)| a.len_utf8()).sum()
}

#[cfg(test)]
mod tests {
    use sst_data::tokenize::{Algorithm, SpecialNames, TrainConfig, train};

    use super::*;

    fn byte_tokenizer() -> Tokenizer {
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

    /// The non-empty texts that a stream returned, its whole text, and whether it stopped.
    fn stream_text(text: &str, stops: &[&str]) -> (Vec<String>, String, bool) {
        let tokenizer = byte_tokenizer();
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
        let tokenizer = byte_tokenizer();
        let mut stream = TextStream::new(&tokenizer, &[], &[]).unwrap();
        assert_eq!(stream.push(50_000).unwrap(), "");
        for id in tokenizer.encode("ab").unwrap() {
            stream.push(id).unwrap();
        }
        stream.finish().unwrap();
        assert_eq!(stream.text(), "ab");
    }

    #[test]
    fn characters_of_several_tokens_are_returned_whole() {
        let (parts, text, stopped) = stream_text("天下🚀é!", &[]);
        assert_eq!(parts, ["天", "下", "🚀", "é", "!"]);
        assert!(!stopped && text == "天下🚀é!");
    }

    #[test]
    fn the_text_ends_before_a_stop_string_of_several_tokens() {
        assert_eq!(
            stream_text("one. Two", &[". T"]),
            (vec!["o".into(), "n".into(), "e".into()], "one".into(), true)
        );
        assert_eq!(stream_text("abcabd", &["abd"]).1, "abc");
        assert_eq!(stream_text("天下大势", &["大"]).1, "天下");
        // An incomplete stop string is returned at the end.
        assert_eq!(
            stream_text("one. ", &[". T"]),
            (vec!["o".into(), "n".into(), "e".into(), ". ".into()], "one. ".into(), false)
        );
    }
}
