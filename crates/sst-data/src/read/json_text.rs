//! Decodes the strings of a JSON line that are used.

use std::borrow::Cow;

use crate::example::Field;

/// Why a string cannot be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StringError {
    /// The string is not UTF-8 at this byte. Offsets count from its opening quote.
    InvalidUtf8(usize),
    /// The string contains half of a surrogate pair, given here as written.
    LoneSurrogate(String),
}

/// What is wrong with field `name`, which holds `escape`, and what to do.
pub(super) fn explain_surrogate(name: &str, escape: &str) -> String {
    format!(
        "field `{name}` holds {escape}, half of a surrogate pair and no character: write the text \
         again, in Python with `text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')`"
    )
}

/// A value that is no string; `None` for a null, an array or an object.
pub(super) fn scalar(raw: &[u8]) -> Option<Field> {
    match raw.first()? {
        b't' => Some(Field::Int(1)),
        b'f' => Some(Field::Int(0)),
        b'n' | b'[' | b'{' => None,
        _ => {
            let text = std::str::from_utf8(raw).unwrap_or_default();
            let real = || text.replace("Infinity", "inf").parse().unwrap_or(f64::NAN);
            Some(text.parse().map_or_else(|_| Field::Float(real()), Field::Int))
        }
    }
}

/// The kind of a value, with its article.
pub(super) fn kind_of(value: &[u8]) -> &'static str {
    match value.first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') | None => "null",
        Some(_) => "a number",
    }
}

/// Decodes a string with its quotes, which [`super::json::Fields`] has already split off without an error.
pub(super) fn string(raw: &[u8]) -> Result<Cow<'_, str>, StringError> {
    let text =
        std::str::from_utf8(raw).map_err(|error| StringError::InvalidUtf8(error.valid_up_to()))?;
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    match serde_json::from_str(text) {
        Ok(text) => Ok(Cow::Owned(text)),
        // [`super::json::Fields`] has already checked everything else.
        Err(_) => Err(StringError::LoneSurrogate(lone_surrogate(inner))),
    }
}

/// The first escape that is only half of a surrogate pair.
fn lone_surrogate(inner: &str) -> String {
    let unit = |at: usize| {
        let digits = inner.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut at = 0;
    while let Some(next) = inner.get(at..).and_then(|rest| rest.find('\\')) {
        at += next;
        at += match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => return inner[at..at + 6].to_owned(),
            (Some(_), _) => 6,
            (None, _) => 2,
        };
    }
    inner.chars().take(6).collect()
}

/// Decodes the name of a field. An invalid name is decoded as far as possible; it never equals the name of a used
/// field.
pub(super) fn name(raw: &[u8]) -> Cow<'_, str> {
    match string(raw) {
        Ok(name) => name,
        Err(_) => {
            let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
            Cow::Owned(String::from_utf8_lossy(inner).into_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_decoded_or_their_fault_is_named() {
        assert_eq!(string(br#""a\ud83d\ude00\n""#).unwrap(), "a\u{1f600}\n");
        let lone = |text: &str| Err(StringError::LoneSurrogate(text.to_owned()));
        assert_eq!(string(br#""\\ud83d \ud83d\ude00 \ud83d\n""#), lone("\\ud83d"));
        assert_eq!(string(br#""low \udc99 alone""#), lone("\\udc99"));
        assert_eq!(string(b"\"ab\xff\""), Err(StringError::InvalidUtf8(3)));
        assert_eq!(name(b"\"a\\ud83d\""), "a\\ud83d");
    }
}
