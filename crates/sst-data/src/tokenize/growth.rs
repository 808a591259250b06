//! Bounds how much longer the rules of a tokenizer can make a text.
//!
//! Each character has a weight: the most characters that it can become once all rules have run. The weights are
//! computed from the last rule to the first. A rule that replaces a text `p` by `s` divides the weight of `s` evenly
//! among the characters of `p`. Weights therefore multiply only where one rule can match the output of another:
//! fourteen rules for typographic signs weigh no more than the largest of them.

use std::collections::HashMap;

use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use super::limits;
use super::spelling::flatten;

/// The weights of characters before the first rule runs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Growth {
    weights: HashMap<char, f64>,
    /// The weight of all characters that `weights` does not list.
    other: f64,
    /// The characters that are added to every text, however short it is.
    added: f64,
    /// Whether characters are decomposed (NFD, NFKD or NFKC), which turns one character into up to 18.
    decomposed: bool,
    lowered: bool,
    /// Whether each byte of a character becomes a character of its own. Every byte-level vocabulary does this once, so
    /// the first time is not counted as growth.
    byte_level: bool,
    /// The largest weight of any character, with decomposition.
    largest: f64,
}

/// The most characters that NFKD makes of one character, which is U+FDFA.
const DECOMPOSED: f64 = 18.0;

impl Default for Growth {
    fn default() -> Self {
        Self {
            weights: HashMap::new(),
            other: 1.0,
            added: 0.0,
            decomposed: false,
            lowered: false,
            byte_level: false,
            largest: 1.0,
        }
    }
}

impl Growth {
    /// The growth caused by the given components of a `tokenizer.json`: the normalizer and the pre-tokenizer, or the
    /// decoder.
    pub(super) fn of(components: &[&Value]) -> Self {
        let steps: Vec<&Value> =
            components.iter().flat_map(|component| flatten(component)).collect();
        let mut growth = Self::default();
        for step in steps.into_iter().rev() {
            growth.before(step);
        }
        growth.largest = growth.rule_weight() * if growth.decomposed { DECOMPOSED } else { 1.0 };
        growth
    }

    /// The weight that rules give `c` itself, without lower-casing and decomposition.
    fn own_weight(&self, c: char) -> f64 {
        self.weights.get(&c).copied().unwrap_or(self.other)
    }

    fn weight(&self, c: char) -> f64 {
        let undecomposed = self.own_weight(c);
        let parts = |c: char| c.nfkd().map(|part| self.own_weight(part)).sum::<f64>();
        let lower =
            || c.to_lowercase().map(|c| if c < '\u{a0}' { self.own_weight(c) } else { parts(c) });
        match (self.lowered && !c.is_ascii_lowercase(), self.decomposed && c >= '\u{a0}') {
            (false, false) => undecomposed,
            (false, true) => undecomposed.max(parts(c)),
            (true, false) if c.is_ascii() => {
                undecomposed.max(self.own_weight(c.to_ascii_lowercase()))
            }
            (true, decomposed) => {
                let lower: f64 = lower().sum();
                undecomposed.max(lower).max(if decomposed { parts(c) } else { 0.0 })
            }
        }
    }

    /// The largest weight of any character.
    pub(super) fn largest(&self) -> f64 {
        self.largest
    }

    /// The most characters that `text` can become.
    fn characters(&self, text: &str) -> f64 {
        self.added + text.chars().map(|c| self.weight(c)).sum::<f64>()
    }

    /// Refuses a text that could become longer than [`limits::GROWN_CHARS`].
    pub(super) fn check(&self, text: &str) -> Result<(), String> {
        let most = limits::GROWN_CHARS as f64;
        if text.len() as f64 * self.largest() + self.added <= most {
            return Ok(());
        }
        let characters = self.characters(text);
        if characters <= most.max(text.len() as f64) {
            return Ok(());
        }
        Err(format!(
            "its rules can make {characters:.0} characters of a text of {} bytes, and the limit is {}: \
             split the text into shorter ones",
            text.len(),
            limits::GROWN_CHARS
        ))
    }

    /// Turns the weights after `step` into those before it.
    fn before(&mut self, step: &Value) {
        let text = |key: &str| step.get(key).and_then(Value::as_str).unwrap_or_default();
        match step.get("type").and_then(Value::as_str).unwrap_or_default() {
            "Replace" => {
                let made: f64 = text("content").chars().map(|c| self.weight(c)).sum();
                let pattern = step.get("pattern").unwrap_or(&Value::Null);
                match pattern.get("String").or(Some(pattern)).and_then(Value::as_str) {
                    Some(pattern) => self.replaces(pattern, made),
                    None => {
                        let regex =
                            pattern.get("Regex").and_then(Value::as_str).unwrap_or_default();
                        self.matches(regex, made);
                    }
                }
            }
            "Prepend" => {
                self.added += text("prepend").chars().map(|c| self.weight(c)).sum::<f64>();
            }
            "NFD" | "NFKD" => self.decomposed = true,
            kind @ ("NFC" | "NFKC") => {
                // A later rule may replace a composed character, which this step can make of any character.
                let composed = |c: char| c.nfd().ne([c]);
                let heavy =
                    self.weights.iter().filter(|(c, _)| composed(**c)).map(|(_, weight)| *weight);
                let heaviest = heavy.fold(0.0, f64::max);
                self.raise_all(heaviest);
                self.decomposed |= kind == "NFKC";
            }
            "Lowercase" => self.lowered = true,
            "Precompiled" => {
                // The table of SentencePiece is NFKC with a few changes.
                self.decomposed = true;
                let longest = longest_replacement(text("precompiled_charsmap"));
                if longest > DECOMPOSED {
                    self.raise_all(self.rule_weight() * longest);
                }
            }
            "BertNormalizer" => {
                self.lowered = true;
                self.decomposed = true;
                // The normalizer puts a space on both sides of a Han character.
                let space = self.own_weight(' ');
                if space > 1.0 {
                    self.raise_all(self.rule_weight() + 2.0 * space);
                }
            }
            "ByteLevel" => {
                self.added += self.own_weight('Ġ').max(self.own_weight(' '));
                if self.byte_level || self.rule_weight() > 1.0 {
                    self.raise_all(self.rule_weight() * 4.0);
                }
                self.byte_level = true;
            }
            "Metaspace" => {
                let mark = text("replacement").chars().next().unwrap_or('▁');
                let weight = self.own_weight(mark).max(self.own_weight(' '));
                self.added += weight;
                self.weights.insert(' ', weight);
            }
            _ => {}
        }
    }

    /// The largest weight that rules give a character, without decomposition.
    fn rule_weight(&self) -> f64 {
        self.weights.values().fold(self.other, |most, weight| most.max(*weight))
    }

    /// Gives every character at least this weight.
    fn raise_all(&mut self, least: f64) {
        self.other = self.other.max(least);
        self.weights.retain(|_, weight| *weight > least);
    }

    fn raise(&mut self, c: char, least: f64) {
        let weight = self.weight(c).max(least);
        self.weights.insert(c, weight);
    }

    fn replaces(&mut self, pattern: &str, made: f64) {
        let length = pattern.chars().count();
        if length == 0 {
            // An empty pattern matches between all characters.
            let least = self.rule_weight() + made;
            self.added += made;
            self.raise_all(least);
        }
        for c in pattern.chars() {
            self.raise(c, made / length as f64);
        }
    }

    fn matches(&mut self, regex: &str, made: f64) {
        let Some((least, characters)) = matched(regex) else { return self.replaces("", made) };
        if least == 0 {
            return self.replaces("", made);
        }
        match characters {
            Some(characters) => {
                for c in characters {
                    self.raise(c, made / least as f64);
                }
            }
            None => self.raise_all(made / least as f64),
        }
    }
}

/// The fewest characters that `regex` matches, and the characters that can occur in a match, if they are few enough to
/// list. `None` for a pattern that only the regular expressions of the crate `tokenizers` support.
fn matched(regex: &str) -> Option<(usize, Option<Vec<char>>)> {
    if regex.len() > limits::REGEX_BYTES {
        return None;
    }
    let hir = regex_syntax::parse(regex).ok()?;
    // The length is in bytes, and a character has at most four bytes.
    let least = hir.properties().minimum_len().unwrap_or(0).div_ceil(4);
    let mut characters = Vec::new();
    let few = collect(&hir, &mut characters);
    characters.sort_unstable();
    characters.dedup();
    Some((least, few.then_some(characters)))
}

/// Adds the characters that `hir` can match; false if there are too many to list.
fn collect(hir: &Hir, characters: &mut Vec<char>) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => {
                characters.extend(text.chars());
                true
            }
            Err(_) => false,
        },
        HirKind::Class(Class::Unicode(class)) => {
            let size: usize = class.iter().map(|range| range.len()).sum();
            let few = size + characters.len() <= limits::REGEX_CHARS;
            if few {
                characters.extend(class.iter().flat_map(|range| range.start()..=range.end()));
            }
            few
        }
        HirKind::Class(Class::Bytes(_)) => false,
        HirKind::Repetition(repetition) => collect(&repetition.sub, characters),
        HirKind::Capture(capture) => collect(&capture.sub, characters),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().all(|part| collect(part, characters))
        }
    }
}

/// The most characters by which a normalization table of SentencePiece replaces a text. The table is base64 of the
/// size of an index, the index, and the replacements, each of which ends in a zero byte.
fn longest_replacement(table: &str) -> f64 {
    let Some(bytes) = decode_base64(table) else { return DECOMPOSED };
    let size = bytes.first_chunk::<4>().map_or(0, |size| u32::from_le_bytes(*size) as usize);
    let texts = bytes.get(4 + size.min(bytes.len())..).unwrap_or(&bytes);
    let longest =
        texts.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).chars().count());
    longest.max().unwrap_or(1).max(1) as f64
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        bits = (bits << 6) | u32::from(digit(byte)?);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn replace(pattern: &str, content: &str) -> Value {
        json!({"type": "Replace", "pattern": {"String": pattern}, "content": content})
    }

    fn regex(pattern: &str, content: &str) -> Value {
        json!({"type": "Replace", "pattern": {"Regex": pattern}, "content": content})
    }

    fn largest(steps: Vec<Value>) -> f64 {
        Growth::of(&[&json!({"type": "Sequence", "normalizers": steps})]).largest()
    }

    #[test]
    fn rules_multiply_only_where_one_matches_what_another_made() {
        let signs = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳".chars();
        assert_eq!(largest(signs.map(|c| replace(&c.to_string(), "(1)")).collect()), 3.0);
        assert_eq!(largest(vec![replace("a", "bb"), replace("b", "cc"), replace("c", "dd")]), 8.0);
        assert_eq!(largest(vec![replace("c", "dd"), replace("b", "cc"), replace("a", "bb")]), 2.0);
        assert_eq!(largest(vec![replace("’s", " is"), replace("ab", "a")]), 1.5);
        assert_eq!(largest((0..12).map(|_| replace("a", "aa")).collect()), 4096.0);
        assert_eq!(largest(vec![regex("[“”]", "''"), regex(r"\s+", " "), regex("…", "...")]), 3.0);
        assert_eq!(largest(vec![regex("x*", "yy")]), 3.0);
        assert_eq!(largest(vec![regex(r"(?<=a)b", "ccc")]), 4.0);
        assert_eq!(largest(vec![regex(r"\w", "ab"), regex("a", "cc")]), 3.0);
    }

    #[test]
    fn a_text_is_weighed_by_its_own_characters() {
        let growth = Growth::of(&[&replace("a", &"b".repeat(4096))]);
        let most = limits::GROWN_CHARS / 4096;
        assert!(growth.check(&"a".repeat(most)).is_ok());
        assert!(growth.check(&"b".repeat(most * 100)).is_ok());
        let error = growth.check(&"a".repeat(most + 1)).unwrap_err();
        assert!(error.contains("split the text"), "{error}");
        let spelled = Growth::of(&[&json!({"type": "NFKC"})]);
        assert!(spelled.check(&"中文".repeat(2 << 20)).is_ok());
        assert!(spelled.check(&"\u{fdfa}".repeat(limits::GROWN_CHARS / 18 + 1)).is_err());
    }
}
