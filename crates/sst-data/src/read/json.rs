//! One JSON value a line, cut into its fields without building it.
//!
//! A field that nobody uses is passed over, whatever it holds: `NaN` and `Infinity` as Python writes them, numbers that
//! fit no type, halves of surrogate pairs, bytes that are not UTF-8, lists of a hundred million numbers. No JSON parser
//! passes over all of these, and the bytes of a field that is kept must not change; so the cutting is done here, and a
//! value that is used is decoded by serde_json.

use std::borrow::Cow;

use memchr::memchr2;

use super::limits::MAX_JSON_DEPTH;

/// What is wrong with a line, and at which byte of it, from 0.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JsonError {
    pub(super) at: usize,
    pub(super) what: &'static str,
}

/// Reads the fields of one object.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    begun: bool,
}

/// A field as it stands in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member<'a> {
    /// The name with its quotes, undecoded.
    pub(super) name: &'a [u8],
    /// The value, undecoded.
    pub(super) value: &'a [u8],
    /// Where the value starts in the line.
    pub(super) at: usize,
}

impl<'a> Fields<'a> {
    /// The fields of the object that is all of `line`, white space aside; `Err` with the first byte of another value.
    pub(super) fn of(line: &'a [u8]) -> Result<Self, Option<u8>> {
        let mut fields = Self { bytes: line, at: 0, begun: false };
        fields.space();
        match fields.peek() {
            Some(b'{') => {
                fields.at += 1;
                Ok(fields)
            }
            other => Err(other),
        }
    }

    /// The next field; `None` after the last, when the line is at its end too.
    pub(super) fn next(&mut self) -> Result<Option<Member<'a>>, JsonError> {
        self.space();
        match (self.begun, self.peek()) {
            (_, Some(b'}')) => {
                self.at += 1;
                self.space();
                return match self.peek() {
                    None => Ok(None),
                    Some(_) => Err(self.fault("there is more after the object")),
                };
            }
            (true, Some(b',')) => {
                self.at += 1;
                self.space();
            }
            (true, _) => return Err(self.fault("expected `,` or `}`")),
            (false, _) => {}
        }
        self.begun = true;
        let start = self.at;
        self.name()?;
        let name_end = self.at;
        self.colon()?;
        self.space();
        let at = self.at;
        self.value()?;
        let name = self.bytes.get(start..name_end).unwrap_or_default();
        let value = self.bytes.get(at..self.at).unwrap_or_default();
        Ok(Some(Member { name, value, at }))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn fault(&self, what: &'static str) -> JsonError {
        let what =
            if self.at >= self.bytes.len() { "the line ends within the object" } else { what };
        JsonError { at: self.at, what }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn name(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => self.string(),
            _ => Err(self.fault("expected a name in quotes")),
        }
    }

    fn colon(&mut self) -> Result<(), JsonError> {
        self.space();
        match self.peek() {
            Some(b':') => {
                self.at += 1;
                Ok(())
            }
            _ => Err(self.fault("expected `:`")),
        }
    }

    /// Passes over a value, by a stack of what is open: `true` for an object.
    fn value(&mut self) -> Result<(), JsonError> {
        let mut open = Vec::new();
        loop {
            self.space();
            let begins = match self.peek() {
                Some(b'{') => Some((true, b'}')),
                Some(b'[') => Some((false, b']')),
                _ => None,
            };
            if let Some((object, end)) = begins {
                if open.len() >= MAX_JSON_DEPTH {
                    return Err(self.fault("it is nested more than 512 levels deep"));
                }
                self.at += 1;
                self.space();
                if self.peek() == Some(end) {
                    self.at += 1;
                } else {
                    open.push(object);
                    if object {
                        self.name()?;
                        self.colon()?;
                    }
                    continue;
                }
            } else {
                self.scalar()?;
            }
            // After a value: what it is in goes on, or ends.
            loop {
                let Some(object) = open.last() else { return Ok(()) };
                self.space();
                match (object, self.peek()) {
                    (true, Some(b',')) => {
                        self.at += 1;
                        self.space();
                        self.name()?;
                        self.colon()?;
                        break;
                    }
                    (false, Some(b',')) => {
                        self.at += 1;
                        break;
                    }
                    (true, Some(b'}')) | (false, Some(b']')) => {
                        self.at += 1;
                        open.pop();
                    }
                    (true, _) => return Err(self.fault("expected `,` or `}`")),
                    (false, _) => return Err(self.fault("expected `,` or `]`")),
                }
            }
        }
    }

    fn scalar(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                let rest = &self.bytes[self.at..];
                let words: [&[u8]; 5] = [b"true", b"false", b"null", b"NaN", b"Infinity"];
                match words.into_iter().find(|word| rest.starts_with(word)) {
                    Some(word) => {
                        self.at += word.len();
                        Ok(())
                    }
                    None => Err(self.fault("expected a value")),
                }
            }
        }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.bytes[self.at..].starts_with(b"Infinity") {
            self.at += b"Infinity".len();
            return Ok(());
        }
        let zero = self.peek() == Some(b'0');
        let digits = self.digits()?;
        if zero && digits > 1 {
            return Err(self.fault("a number with a leading zero"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<usize, JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        match self.at - start {
            0 => Err(self.fault("expected a digit")),
            count => Ok(count),
        }
    }

    fn string(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        loop {
            let rest = &self.bytes[self.at..];
            let found = memchr2(b'"', b'\\', rest);
            let plain = &rest[..found.unwrap_or(rest.len())];
            if let Some(control) = plain.iter().position(|byte| *byte < 0x20) {
                self.at += control;
                return Err(self.fault("a control character in a string: write it as \\u00.."));
            }
            self.at += plain.len();
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(_) => self.escape()?,
                None => return Err(self.fault("")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 2..self.at + 6);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(self.fault("expected four digits after \\u"));
                }
                self.at += 6;
            }
            Some(_) => return Err(self.fault("an unknown escape in a string")),
            None => {
                self.at += 1;
                return Err(self.fault(""));
            }
        }
        Ok(())
    }
}

/// Why a string cannot be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StringError {
    /// The byte of the string, its opening quote included, that is not UTF-8.
    InvalidUtf8(usize),
    /// Half of a surrogate pair, as written.
    LoneSurrogate(String),
}

/// The text of a string with its quotes, which [`Fields`] has passed over without an error.
pub(super) fn string(raw: &[u8]) -> Result<Cow<'_, str>, StringError> {
    let text =
        std::str::from_utf8(raw).map_err(|error| StringError::InvalidUtf8(error.valid_up_to()))?;
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    match serde_json::from_str(text) {
        Ok(text) => Ok(Cow::Owned(text)),
        // Everything else that can be wrong was looked at before.
        Err(_) => Err(StringError::LoneSurrogate(lone_surrogate(inner))),
    }
}

/// The first escape that is half of a pair.
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

/// A field's name; one that is no text is shown as well as it can be, and is the name of nothing that is used.
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

    fn all(line: &[u8]) -> Result<Vec<(String, String)>, JsonError> {
        let mut fields = Fields::of(line).unwrap();
        let mut found = Vec::new();
        while let Some(member) = fields.next()? {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            found.push((text(member.name), text(member.value)));
        }
        Ok(found)
    }

    #[test]
    fn values_come_as_they_stand() {
        let line = br#" { "a" : [1, {"b": []}, NaN] ,"c":-Infinity,"d\ud83d":"x\udc99\"","e":1E+999, "f":{} } "#;
        let pairs = [
            ("\"a\"", "[1, {\"b\": []}, NaN]"),
            ("\"c\"", "-Infinity"),
            ("\"d\\ud83d\"", "\"x\\udc99\\\"\""),
            ("\"e\"", "1E+999"),
            ("\"f\"", "{}"),
        ];
        assert_eq!(all(line).unwrap(), pairs.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(all(b"{}").unwrap(), []);
    }

    #[test]
    fn what_serde_json_refuses_is_refused() {
        let bad = [
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":1,}",
            "{,}",
            "{\"a\":[1,]}",
            "{\"a\":[1 2]}",
            "{\"a\":{\"b\"}}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":1e}",
            "{\"a\":+1}",
            "{\"a\":tru}",
            "{\"a\":'x'}",
            "{\"a\":\"x}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12\"}",
            "{\"a\":\"\t\"}",
            "{\"a\":1} 2",
            "{a:1}",
            "{\"a\":1]",
            "{\"a\":[1}",
            "{\"a\":-}",
            "{\"a\":\"\\",
        ];
        for line in bad {
            assert!(all(line.as_bytes()).is_err(), "{line}");
            assert!(serde_json::from_str::<serde_json::Value>(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_depth_is_limited() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(all(nested(MAX_JSON_DEPTH).as_bytes()).is_ok());
        let error = all(nested(MAX_JSON_DEPTH + 1).as_bytes()).unwrap_err();
        assert!(error.what.contains("512") && MAX_JSON_DEPTH == 512);
    }

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
