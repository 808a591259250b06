//! Converts spans from the forms in files to characters, and from characters to tokens.

use serde_json::{Map, Value};

use super::json::{kind_of, label};
use super::value::StoredSpan;
use crate::tokenize::Encoding;

/// A span as it is written: from character `start` up to `end`, or as long as `text`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RawSpan {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) label: Option<String>,
    /// The text that the file states for the span.
    pub(super) text: Option<String>,
}

/// Parses the spans of a field in any of the forms that [`super::ColumnKind::Spans`] lists.
pub(super) fn parse(value: &Value) -> Result<Vec<RawSpan>, String> {
    match value {
        Value::Array(spans) => spans.iter().map(span).collect(),
        Value::Object(object) if object.contains_key("answer_start") => answers(object),
        other => Err(format!(
            "is {}, not a list of spans: write [start, end] or [start, end, label] for each, in CSV and TSV as JSON",
            kind_of(other)
        )),
    }
}

fn place(value: Option<&Value>, what: &str) -> Result<u64, String> {
    let place = value.and_then(Value::as_u64);
    place.ok_or_else(|| format!("has a span without a {what} that is an integer: put it right"))
}

fn span(value: &Value) -> Result<RawSpan, String> {
    let (start, end, name) = match value {
        Value::Array(parts) if (2..=3).contains(&parts.len()) => {
            (parts.first(), parts.get(1), parts.get(2))
        }
        Value::Object(object) => {
            let known = ["start", "end", "label", "text"];
            if let Some(other) = object.keys().find(|key| !known.contains(&key.as_str())) {
                return Err(format!(
                    "has a span with the key `{other}`: a span has start, end, label and text"
                ));
            }
            (object.get("start"), object.get("end"), object.get("label"))
        }
        other => {
            let what = kind_of(other);
            return Err(format!("has {what} where a span is needed: write [start, end, label]"));
        }
    };
    let text = value.get("text").and_then(Value::as_str).map(str::to_owned);
    let name = name.filter(|name| !name.is_null()).map(label).transpose()?;
    Ok(RawSpan { start: place(start, "start")?, end: place(end, "end")?, label: name, text })
}

/// Parses `{"text": [..], "answer_start": [..]}`, the form of SQuAD in the `datasets` library.
fn answers(object: &Map<String, Value>) -> Result<Vec<RawSpan>, String> {
    let list = |name: &str| object.get(name).and_then(Value::as_array);
    let (Some(texts), Some(starts)) = (list("text"), list("answer_start")) else {
        return Err(
            "has no lists `text` and `answer_start`: write the answers as SQuAD does".into()
        );
    };
    if texts.len() != starts.len() {
        let (texts, starts) = (texts.len(), starts.len());
        return Err(format!("has {texts} texts and {starts} starts of answers: put it right"));
    }
    let answer = |(text, start): (&Value, &Value)| {
        let text = text.as_str().ok_or("has an answer that is no text: put it right")?;
        let start = place(Some(start), "start")?;
        let end = start + text.chars().count() as u64;
        Ok(RawSpan { start, end, label: None, text: Some(text.to_owned()) })
    };
    texts.iter().zip(starts).map(answer).collect()
}

/// Converts a span of `text` to tokens. The second value says whether the tokens cover more than the span, because it
/// begins or ends within a token. The span has the class `label`.
pub(super) fn locate(
    span: &RawSpan,
    label: Option<u32>,
    text: &str,
    encoding: &Encoding,
) -> Result<(StoredSpan, bool), String> {
    let (start, end) = (span.start, span.end);
    // The list has one entry more than there are characters, so that a span may end at the end of the text.
    let byte_of = |character: u64| {
        let places = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        usize::try_from(character).ok().and_then(|character| places.into_iter().nth(character))
    };
    let (Some(from), Some(to)) = (byte_of(start), byte_of(end)) else {
        let characters = text.chars().count();
        return Err(format!(
            "has a span of the characters {start} to {end}, but its text has {characters}: count Unicode characters, from 0"
        ));
    };
    if from >= to {
        return Err(format!(
            "has a span of the characters {start} to {end}, which is empty: remove it"
        ));
    }
    if let Some(expected) = span.text.as_ref().filter(|expected| **expected != text[from..to]) {
        let found = &text[from..to];
        return Err(format!(
            "says that `{expected}` stands at character {start}, where `{found}` stands: count Unicode characters, from 0"
        ));
    }
    let overlaps = |offsets: &(usize, usize)| offsets.0 < to && offsets.1 > from;
    let Some(first) = encoding.offsets.iter().position(overlaps) else {
        let found = &text[from..to];
        return Err(format!("has the span `{found}`, which has no token of its own: remove it"));
    };
    let last = encoding.offsets.iter().rposition(overlaps).unwrap_or(first);
    // A token that only adds white space at an edge does not count as larger.
    let (begin, stop) = (encoding.offsets[first].0, encoding.offsets[last].1);
    let is_larger = begin < from && !text[begin..from].trim().is_empty()
        || stop > to && !text[to..stop].trim().is_empty();
    let characters = (start as u32, end as u32);
    let tokens = (first as u32, last as u32 + 1);
    Ok((StoredSpan { characters, tokens, label }, is_larger))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(value: &Value, expected: &[(u64, u64, Option<&str>)]) {
        let spans = parse(value).unwrap();
        let found: Vec<_> =
            spans.iter().map(|span| (span.start, span.end, span.label.as_deref())).collect();
        assert_eq!(found, expected, "{value}");
    }

    #[test]
    fn every_form_is_read() {
        check(
            &json!([[0, 2, "PER"], [3, 5, 7], [6, 7]]),
            &[(0, 2, Some("PER")), (3, 5, Some("7")), (6, 7, None)],
        );
        check(&json!([{"start": 1, "end": 4, "label": "LOC"}]), &[(1, 4, Some("LOC"))]);
        check(
            &json!({"text": ["三国", "x"], "answer_start": [4, 0]}),
            &[(4, 6, None), (0, 1, None)],
        );
        check(&json!({"text": [], "answer_start": []}), &[]);
        check(&json!([]), &[]);
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for value in [
            json!("PER"),
            json!([3]),
            json!([[1]]),
            json!([[1, 2, "a", 3]]),
            json!([[-1, 2]]),
            json!([[1, 2.5]]),
            json!([{"start": 1}]),
            json!([{"start": 1, "end": 2, "type": "PER"}]),
            json!({"text": ["a"], "answer_start": []}),
            json!({"text": [1], "answer_start": [2]}),
            json!({"answer_start": [2]}),
        ] {
            assert!(parse(&value).is_err(), "{value}");
        }
    }

    /// The encoding of `text` with one token for each byte range in `tokens`.
    fn at(
        text: &str,
        tokens: &[(usize, usize)],
        start: u64,
        end: u64,
    ) -> Result<((u32, u32), bool), String> {
        let encoding = Encoding { offsets: tokens.to_vec(), ..Encoding::default() };
        let span = RawSpan { start, end, label: None, text: None };
        locate(&span, None, text, &encoding).map(|(span, is_larger)| (span.tokens, is_larger))
    }

    #[test]
    fn characters_become_the_tokens_that_hold_them() {
        // 刘 备 | in | Shu
        let (text, tokens) = ("刘备 in Shu", [(0, 3), (3, 6), (6, 9), (9, 13)]);
        assert_eq!(at(text, &tokens, 0, 2), Ok(((0, 2), false)));
        assert_eq!(at(text, &tokens, 1, 2), Ok(((1, 2), false)));
        assert_eq!(at(text, &tokens, 6, 9), Ok(((3, 4), false)), "its space is no part of it");
        assert_eq!(at(text, &tokens, 7, 9), Ok(((3, 4), true)), "within a token");
        assert!(at(text, &tokens, 2, 2).unwrap_err().contains("empty"));
        assert!(at(text, &tokens, 6, 10).unwrap_err().contains("its text has 9"));
        assert!(at("a  b", &[(0, 1), (3, 4)], 1, 3).unwrap_err().contains("no token"));
    }
}
