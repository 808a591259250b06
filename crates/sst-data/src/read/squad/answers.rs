//! Reads the answers of a question and writes them as the `datasets` library has them: `{"text": [..], "answer_start":
//! [..]}`.

use std::ops::Range;

use super::super::json::ArrayCursor;
use super::super::json_text::{self, kind_of};
use super::Members;

const TEXT: &str = "text";
const START: &str = "answer_start";

/// The answers of a question.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) json: String,
    pub(super) count: usize,
    /// The number of answers whose start was found from their text.
    pub(super) without_start: u64,
    /// The names of what is not used.
    pub(super) unused: Vec<String>,
}

/// Reads the answers at `range` of `bytes`: a list of objects or of texts, or lists of texts and starts in an object.
/// `context` is the text of the paragraph as it is written. The error says what is wrong and what to do.
pub(super) fn read(bytes: &[u8], range: &Range<usize>, context: &[u8]) -> Result<Answers, String> {
    let raw = &bytes[range.clone()];
    match raw.first() {
        Some(b'n') => Ok(Answers { json: "null".to_owned(), ..Answers::default() }),
        Some(b'{') => lists(bytes, range),
        Some(b'[') => list(bytes, range, context),
        _ => Err(format!("`answers` is {}, not a list: check the format", kind_of(raw))),
    }
}

/// Lists of texts and starts, which are left as they are.
fn lists(bytes: &[u8], range: &Range<usize>) -> Result<Answers, String> {
    let mut members =
        Members::read(bytes, range).map_err(|reason| format!("`answers` {reason}"))?;
    let texts = members.take(&[TEXT]);
    let cursor = texts.and_then(|texts| ArrayCursor::new(bytes, &texts));
    let mut cursor =
        cursor.ok_or("`answers` is an object without a list `text`: check the format")?;
    let mut count = 0;
    while next(&mut cursor, bytes)?.is_some() {
        count += 1;
    }
    Ok(Answers { json: utf8(&bytes[range.clone()])?.to_owned(), count, ..Answers::default() })
}

fn list(bytes: &[u8], range: &Range<usize>, context: &[u8]) -> Result<Answers, String> {
    let (mut texts, mut starts, mut answers) = (String::new(), String::new(), Answers::default());
    let cursor = ArrayCursor::new(bytes, range);
    let mut cursor = cursor.ok_or("`answers` is not a list: check the format")?;
    while let Some(range) = next(&mut cursor, bytes)? {
        let raw = &bytes[range.clone()];
        let (text, start) = match raw.first() {
            Some(b'"') => (range, None),
            Some(b'{') => {
                let members = Members::read(bytes, &range);
                let mut members = members.map_err(|reason| format!("an answer {reason}"))?;
                let text = members.take(&[TEXT]);
                let text = text.ok_or("an answer has no `text`: fill it in")?;
                let start = members.take(&[START]);
                answers.unused.extend(members.rest("answers.").map(|(name, _)| name));
                (text, start)
            }
            _ => {
                let kind = kind_of(raw);
                return Err(format!(
                    "an answer is {kind}, not an object with `text` and `answer_start`"
                ));
            }
        };
        let text = &bytes[text];
        if text.first() != Some(&b'"') {
            return Err(format!("the `text` of an answer is {}, not a text", kind_of(text)));
        }
        if answers.count > 0 {
            texts.push_str(", ");
            starts.push_str(", ");
        }
        texts.push_str(utf8(text)?);
        match start {
            Some(start) => {
                let start = utf8(&bytes[start])?;
                let number = start.parse::<i64>();
                number.map_err(|_| {
                    format!("the `answer_start` of an answer is {start}, not an integer")
                })?;
                starts.push_str(start);
            }
            None => {
                starts.push_str(&find(text, context)?.to_string());
                answers.without_start += 1;
            }
        }
        answers.count += 1;
    }
    answers.json = format!("{{\"text\": [{texts}], \"answer_start\": [{starts}]}}");
    Ok(answers)
}

/// The character of the context at which a text first stands; -1 if it does not.
fn find(text: &[u8], context: &[u8]) -> Result<i64, String> {
    let decode = |raw| json_text::string(raw).ok();
    let (Some(text), Some(context)) = (decode(text), decode(context)) else {
        return Err(
            "the text of an answer or its context cannot be decoded: write them again".to_owned()
        );
    };
    let at = context.find(&*text);
    Ok(at.map_or(-1, |at| context[..at].chars().count() as i64))
}

fn next(cursor: &mut ArrayCursor, bytes: &[u8]) -> Result<Option<Range<usize>>, String> {
    let next = cursor.next(bytes);
    next.map_err(|error| {
        format!("`answers` is not valid JSON ({}): write the file again", error.what)
    })
}

fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "an answer is not UTF-8: convert the file".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answers: &str, json: &str, count: usize, without_start: u64) {
        let context = "\"in \\u5df4\\u9ece, 巴黎\"".as_bytes();
        let found = read(answers.as_bytes(), &(0..answers.len()), context).unwrap();
        assert_eq!((&*found.json, found.count, found.without_start), (json, count, without_start));
        assert!(serde_json::from_str::<serde_json::Value>(json).is_ok());
    }

    #[test]
    fn every_form_becomes_lists_of_texts_and_starts() {
        let lists = r#"{"text": ["巴黎", "in"], "answer_start": [3, 0]}"#;
        check(
            r#"[{"text": "巴黎", "answer_start": 3}, {"answer_start": 0, "text": "in"}]"#,
            lists,
            2,
            0,
        );
        check(r#"["巴黎", "in"]"#, lists, 2, 2);
        check(lists, lists, 2, 0);
        check(r#"[{"text": "\u9ece"}]"#, r#"{"text": ["\u9ece"], "answer_start": [4]}"#, 1, 1);
        check(r#"["London"]"#, r#"{"text": ["London"], "answer_start": [-1]}"#, 1, 1);
        check("[]", r#"{"text": [], "answer_start": []}"#, 0, 0);
        check("null", "null", 0, 0);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for (answers, expected) in [
            ("3", "`answers` is a number"),
            ("[3]", "an answer is a number"),
            (r#"[{"answer_start": 3}]"#, "has no `text`"),
            (r#"[{"text": 3, "answer_start": 3}]"#, "is a number, not a text"),
            (r#"[{"text": "a", "answer_start": 3.5}]"#, "is 3.5, not an integer"),
            (r#"[{"text": "a", "answer_start": "3"}]"#, "not an integer"),
            (r#"[{"text": "a", "text": "b"}]"#, "`text` twice"),
            (r#"{"text": "a"}"#, "without a list `text`"),
            (r#"["\ud83d"]"#, "cannot be decoded"),
        ] {
            let error = read(answers.as_bytes(), &(0..answers.len()), b"\"a\"").unwrap_err();
            assert!(error.contains(expected), "{answers}: {error}");
        }
        let others = r#"[{"text": "a", "answer_start": 0, "kind": 1}]"#;
        assert_eq!(
            read(others.as_bytes(), &(0..others.len()), b"\"a\"").unwrap().unused,
            ["answers.kind"]
        );
    }
}
