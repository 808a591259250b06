//! Finds special tokens in a text by their form.

use std::ops::Range;

/// Special tokens in angle brackets of RoBERTa, T5, Llama and others, without the brackets.
const ANGLED: &[&str] =
    &["s", "/s", "pad", "unk", "mask", "bos", "eos", "cls", "sep", "start_of_turn", "end_of_turn"];
/// The longest special token of these forms, in bytes.
const LONGEST: usize = 64;

/// The ranges of special tokens in `text`, in order: `[MASK]` and other capitals in square brackets, `[unused7]`,
/// tokens like `<s>`, tokens like `<|endoftext|>`, and those of `more`.
pub fn special_tokens(text: &str, more: &[String]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let given = more.iter().filter(|token| !token.is_empty() && rest.starts_with(*token));
        let length = given.map(String::len).max().or_else(|| match c {
            '[' => bracketed(rest),
            '<' => angled(rest),
            _ => None,
        });
        if let Some(length) = length {
            found.push(at..at + length);
        }
        at += length.unwrap_or(c.len_utf8());
    }
    found
}

/// The length of the token in square brackets at the start of `text`.
fn bracketed(text: &str) -> Option<usize> {
    let (inner, _) = text[1..].split_once(']')?;
    let capitals = inner.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        && inner.bytes().any(|b| b.is_ascii_uppercase());
    let number = inner.strip_prefix("unused");
    let unused = number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()));
    ((capitals || unused) && inner.len() < LONGEST).then_some(inner.len() + 2)
}

/// The length of the token in angle brackets at the start of `text`.
fn angled(text: &str) -> Option<usize> {
    let (inner, _) = text[1..].split_once('>')?;
    let named = ANGLED.contains(&inner);
    let bars = inner.len() > 2 && inner.starts_with('|') && inner.ends_with('|');
    let plain = !inner.contains(char::is_whitespace) && inner.len() < LONGEST;
    (named || (bars && plain)).then_some(inner.len() + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, more: &[&str], expected: &[&str]) {
        let more: Vec<String> = more.iter().map(ToString::to_string).collect();
        let found: Vec<&str> =
            special_tokens(text, &more).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn special_tokens_are_told_by_their_form() {
        check("[CLS] a [MASK]b[SEP]", &[], &["[CLS]", "[MASK]", "[SEP]"]);
        check("<s>我</s><mask> <|endoftext|>", &[], &["<s>", "</s>", "<mask>", "<|endoftext|>"]);
        check("[unused12] [E1] [1] [sic] [] [A b] <b> <|> x < y", &[], &["[unused12]", "[E1]"]);
        check("a ▁x▁ [[MASK]]", &["▁x▁", ""], &["▁x▁", "[MASK]"]);
    }
}
