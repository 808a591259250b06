//! Splits a line of JSON into its fields, and an array into its values, without decoding them.
//!
//! Values of unused fields are skipped, whatever they contain: `NaN` and `Infinity` as Python writes them, numbers
//! that fit no type, halves of surrogate pairs, bytes that are not UTF-8, lists of a hundred million numbers. No JSON
//! parser skips all of these, and the bytes of a field that is copied must not change. Therefore this module splits
//! the line, and [`super::json_text`] decodes the strings that are used.

mod array;

use memchr::memchr2;

use super::limits::MAX_JSON_DEPTH;
pub(super) use array::ArrayCursor;

/// The error of a line, and the offset in bytes where it occurs, from 0.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JsonError {
    pub(super) at: usize,
    pub(super) what: &'static str,
}

/// An iterator over the fields of one object.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    begun: bool,
}

/// A field as it is written in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member<'a> {
    /// The name with its quotes, not decoded.
    pub(super) name: &'a [u8],
    /// The value, not decoded.
    pub(super) value: &'a [u8],
    /// The offset of the value in the line.
    pub(super) at: usize,
}

impl<'a> Fields<'a> {
    /// The fields of the object in `line`, which may have white space around it. If the line does not begin with an
    /// object, the error holds its first byte.
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

    /// The next field; `None` at the end of the object, which must be the end of the line.
    pub(super) fn next(&mut self) -> Result<Option<Member<'a>>, JsonError> {
        self.space();
        match (self.begun, self.peek()) {
            (_, Some(b'}')) => {
                self.at += 1;
                self.space();
                return match self.peek() {
                    None => Ok(None),
                    Some(_) => Err(self.fault("there is more text after the object")),
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

    /// Skips a value. The stack holds the open brackets: `true` for an object, `false` for an array.
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
            // After a value, the enclosing array or object continues or ends.
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
}
