//! Encodes and decodes Apertium's stream format, as far as plain text needs it.
//!
//! Between Apertium's programs, special characters of a text are escaped by `\`, and parts that must not be translated
//! stand in `[` `]`. These parts, called blanks, come back unchanged. A text carries its number through the pipeline
//! in such a blank.

use super::error::excerpt;

/// Characters with a meaning in the stream format.
const ESCAPED: &str = r"\[]{}^$@/<>";

/// The number of a blank that belongs to no text.
pub(super) const NO_TEXT: u64 = 0;

/// Encodes `text` with the number `number`, and the zero byte that makes Apertium translate it at once.
pub(super) fn encode(text: &str, number: u64) -> Vec<u8> {
    let mut out = String::with_capacity(text.len() + 32);
    let text = text.trim();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        // White space other than a single space, and `~`, which the generator would take for a mark of its own, are
        // put in a blank.
        let odd = |c: char| c == '~' || (c.is_whitespace() || c.is_control());
        if c == ' ' && !rest.peek().copied().is_some_and(odd) {
            out.push(c);
        } else if odd(c) {
            out.push('[');
            let mut next = Some(c);
            while let Some(c) = next {
                // A zero byte or a line end would end the text.
                out.push(if c == '\t' || c == '~' || !c.is_control() { c } else { ' ' });
                next = rest.next_if(|c| odd(*c));
            }
            out.push(']');
        } else {
            if ESCAPED.contains(c) {
                out.push('\\');
            }
            out.push(c);
        }
    }
    // The part-of-speech tagger works better on whole sentences, and a `^` before a blank would make Apertium lose the
    // blank. The added full stop is removed by [`decode`].
    if needs_stop(text) {
        out.push('.');
    }
    out += &format!("[][sst {number}]\0");
    out.into_bytes()
}

/// Decodes an answer, without its zero byte, into its number and its text. `stopped` says whether [`encode`] added a
/// full stop.
///
/// # Errors
/// If the answer has no number; the error describes the answer.
pub(super) fn decode(answer: &[u8], stopped: bool) -> Result<(u64, String), String> {
    let answer = std::str::from_utf8(answer).map_err(|_| "bytes that are not UTF-8".to_owned())?;
    let numbered = answer.trim_end().strip_suffix(']').and_then(|rest| rest.rsplit_once("[sst "));
    let number = numbered.and_then(|(body, number)| Some((body, number.parse().ok()?)));
    let Some((body, number)) = number else {
        return Err(format!("`{}`, which has no number", excerpt(answer)));
    };
    let body = body.strip_suffix("[]").unwrap_or(body);
    let body = if stopped { body.strip_suffix('.').unwrap_or(body) } else { body };
    let mut text = String::with_capacity(body.len());
    let mut rest = body.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => text.extend(rest.next()),
            '[' | ']' => {}
            _ => text.push(c),
        }
    }
    // If a pronoun is dropped, its space remains.
    Ok((number, text.trim().to_owned()))
}

/// The bytes to send after a batch. Apertium's script pipes the stream through awk at both ends, and awk writes a text
/// only when the next one begins. Two blanks without a text therefore push out the texts before them.
pub(super) fn push() -> Vec<u8> {
    format!("[][sst {NO_TEXT}]\0").repeat(2).into_bytes()
}

/// Whether `text` lacks the punctuation at the end of a sentence.
pub(super) fn needs_stop(text: &str) -> bool {
    !text.trim_end().ends_with(['.', '!', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_from_a_pipeline_that_changes_nothing() {
        let texts = [
            "a",
            "Yes.",
            "a  b\tc ~d~ ~",
            r"*star [bracket] $5 ^x^ 10/2 \ <b> {a} a@b",
            "[sst 3]",
            "中文 é\u{a0}x",
        ];
        for text in texts {
            let mut sent = encode(text, 7);
            assert_eq!(sent.pop(), Some(0), "{text}");
            assert!(!sent.contains(&0) && !sent.contains(&b'\n'));
            assert_eq!(decode(&sent, needs_stop(text)), Ok((7, text.to_owned())), "{text}");
        }
    }

    #[test]
    fn an_answer_without_a_number_is_told() {
        assert_eq!(decode(b"hola", false).unwrap_err(), "`hola`, which has no number");
        assert!(decode(b"[sst x]", false).is_err() && decode(b"\xff[sst 1]", false).is_err());
    }

    #[test]
    fn line_ends_become_spaces() {
        assert!(encode("a\nb\0c", 1).starts_with(b"a[ ]b[ ]c"));
    }
}
