//! Converts spans from the forms in files to characters, and from characters to tokens.

use serde_json::{Map, Value};

use super::json::{kind_of, label};
use super::places::TokenPlaces;
use super::value::StoredSpan;

/// What is wrong with the spans of a record: the rest of a sentence that begins with the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SpanError {
    /// A value that is no span, or a span that is not in the text.
    Bad(String),
    /// The text does not have the span's own text where the span is.
    Misplaced(String),
    /// Two entities that share characters.
    Overlapping(String),
}

impl From<String> for SpanError {
    fn from(reason: String) -> Self {
        Self::Bad(reason)
    }
}

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
pub(super) fn parse(value: &Value) -> Result<Vec<RawSpan>, SpanError> {
    match value {
        Value::Array(spans) => Ok(spans.iter().map(span).collect::<Result<_, _>>()?),
        Value::Object(object) if object.contains_key("answer_start") => answers(object),
        other => Err(SpanError::Bad(format!(
            "is {}, not a list of spans: write [start, end] or [start, end, label] for each, in CSV and TSV as JSON",
            kind_of(other)
        ))),
    }
}

/// Parses spans as [`parse`] does, sorts them, and checks that each has a label and that no two of them overlap.
pub(super) fn parse_entities(value: &Value) -> Result<Vec<RawSpan>, SpanError> {
    let mut spans = parse(value)?;
    spans.sort_by_key(|span| (span.start, span.end));
    if let Some(RawSpan { start, end, .. }) = spans.iter().find(|span| span.label.is_none()) {
        return Err(SpanError::Bad(format!(
            "has a span of the characters {start} to {end} without a label: give each entity one"
        )));
    }
    let overlap = spans.windows(2).find(|pair| pair[1].start < pair[0].end);
    let Some([first, second]) = overlap else { return Ok(spans) };
    let shown = |span: &RawSpan| {
        let label = span.label.as_deref().unwrap_or_default();
        format!("{label} (characters {} to {})", span.start, span.end)
    };
    Err(SpanError::Overlapping(format!(
        "has two entities that overlap, {} and {}: keep one of them",
        shown(first),
        shown(second)
    )))
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
fn answers(object: &Map<String, Value>) -> Result<Vec<RawSpan>, SpanError> {
    let list = |name: &str| object.get(name).and_then(Value::as_array);
    let (Some(texts), Some(starts)) = (list("text"), list("answer_start")) else {
        let reason = "has no lists `text` and `answer_start`: write the answers as SQuAD does";
        return Err(SpanError::Bad(reason.to_owned()));
    };
    if texts.len() != starts.len() {
        let (texts, starts) = (texts.len(), starts.len());
        let reason = format!("has {texts} texts and {starts} starts of answers: put it right");
        return Err(SpanError::Bad(reason));
    }
    let answer = |(text, start): (&Value, &Value)| {
        let no_text = || SpanError::Bad("has an answer that is no text: put it right".to_owned());
        let text = text.as_str().ok_or_else(no_text)?;
        if start.as_i64().is_some_and(|start| start < 0) {
            return Err(SpanError::Misplaced(format!(
                "says that `{text}` stands at character {start}: count Unicode characters, from 0"
            )));
        }
        let start = place(Some(start), "start")?;
        let end = start.saturating_add(text.chars().count() as u64);
        Ok(RawSpan { start, end, label: None, text: Some(text.to_owned()) })
    };
    texts.iter().zip(starts).map(answer).collect()
}

/// Converts a span of a text to tokens. The second value says whether the tokens cover more than the span, because it
/// begins or ends within a token. The span has the class `label`.
pub(super) fn locate(
    span: &RawSpan,
    label: Option<u32>,
    places: &TokenPlaces<'_>,
) -> Result<(StoredSpan, bool), SpanError> {
    let (start, end, text) = (span.start, span.end, places.text());
    let (Some(from), Some(to)) = (places.byte(start), places.byte(end)) else {
        let characters = places.num_characters();
        return Err(SpanError::Bad(format!(
            "has a span of the characters {start} to {end}, but its text has {characters}: count Unicode characters, from 0"
        )));
    };
    if from >= to {
        return Err(SpanError::Bad(format!(
            "has a span of the characters {start} to {end}, which is empty: remove it"
        )));
    }
    let found = &text[from..to];
    if let Some(expected) = span.text.as_ref().filter(|expected| *expected != found) {
        return Err(SpanError::Misplaced(format!(
            "says that `{expected}` stands at character {start}, where `{found}` stands: count Unicode characters, from 0"
        )));
    }
    let Some((first, last)) = places.overlapping(from, to) else {
        let reason = format!("has the span `{found}`, which has no token of its own: remove it");
        return Err(SpanError::Bad(reason));
    };
    let is_larger = places.token(first).0 < from || places.token(last - 1).1 > to;
    let characters = (start as u32, end as u32);
    Ok((StoredSpan { characters, tokens: (first as u32, last as u32), label }, is_larger))
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
        let places = TokenPlaces::new(text, tokens);
        let span = RawSpan { start, end, label: None, text: None };
        match locate(&span, None, &places) {
            Ok((span, is_larger)) => Ok((span.tokens, is_larger)),
            Err(SpanError::Bad(reason)) => Err(reason),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn entities_are_sorted_and_have_labels_and_no_characters_in_common() {
        let entities = parse_entities(&json!([[3, 5, "LOC"], [0, 3, "PER"]])).unwrap();
        let found: Vec<_> = entities.iter().map(|span| (span.start, span.end)).collect();
        assert_eq!(found, [(0, 3), (3, 5)]);
        let refused = |value| parse_entities(&value).unwrap_err();
        assert!(
            matches!(refused(json!([[3, 5]])), SpanError::Bad(reason) if reason.contains("without a label"))
        );
        let answers = json!({"text": ["a"], "answer_start": [0]});
        assert!(matches!(refused(answers), SpanError::Bad(_)));
        let overlapping = SpanError::Overlapping(
            "has two entities that overlap, PER (characters 0 to 3) and LOC (characters 2 to 5): keep one of them"
                .to_owned(),
        );
        assert_eq!(refused(json!([[2, 5, "LOC"], [0, 3, "PER"]])), overlapping);
        for twice in [json!([[0, 3, "A"], [0, 3, "A"]]), json!([[0, 9, "A"], [2, 3, "B"]])] {
            assert!(matches!(refused(twice), SpanError::Overlapping(_)));
        }
    }

    #[test]
    fn an_answer_before_the_text_is_misplaced() {
        let value = json!({"text": ["三国"], "answer_start": [-1]});
        let error = parse(&value).unwrap_err();
        assert!(
            matches!(&error, SpanError::Misplaced(reason) if reason.contains("`三国` stands at character -1"))
        );
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
