//! Splits an array into its values.

use std::ops::Range;

use super::{Fields, JsonError};

/// A place between two values of an array. It borrows nothing, so that a reader can keep it beside the bytes.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct ArrayCursor {
    at: usize,
    begun: bool,
}

impl ArrayCursor {
    /// The place before the first value of the array that is written at `value` in `bytes`; `None` if this is no array.
    pub(in super::super) fn new(bytes: &[u8], value: &Range<usize>) -> Option<Self> {
        let is_array = bytes.get(value.start) == Some(&b'[');
        is_array.then_some(Self { at: value.start + 1, begun: false })
    }

    /// Where the next value is in `bytes`; `None` at the end of the array.
    pub(in super::super) fn next(
        &mut self,
        bytes: &[u8],
    ) -> Result<Option<Range<usize>>, JsonError> {
        let mut fields = Fields { bytes, at: self.at, begun: self.begun };
        fields.space();
        match (self.begun, fields.peek()) {
            (_, Some(b']')) => return Ok(None),
            (true, Some(b',')) => {
                fields.at += 1;
                fields.space();
            }
            (true, _) => return Err(fields.fault("expected `,` or `]`")),
            (false, _) => {}
        }
        let start = fields.at;
        fields.value()?;
        *self = Self { at: fields.at, begun: true };
        Ok(Some(start..fields.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<&str>, JsonError> {
        let mut cursor = ArrayCursor::new(bytes, &(0..bytes.len())).unwrap();
        let mut values = Vec::new();
        while let Some(range) = cursor.next(bytes)? {
            values.push(std::str::from_utf8(&bytes[range]).unwrap());
        }
        assert!(cursor.next(bytes).unwrap().is_none(), "the end stays the end");
        Ok(values)
    }

    #[test]
    fn values_of_an_array_come_one_by_one() {
        let array = br#"[1 , {"a": [2, 3]},"x]", [] ]"#;
        assert_eq!(all(array).unwrap(), ["1", "{\"a\": [2, 3]}", "\"x]\"", "[]"]);
        assert!(all(b"[ ]").unwrap().is_empty());
        for bad in ["[1 2]", "[1,", "[,]", "[1,]", "[", "[tru]"] {
            assert!(all(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(ArrayCursor::new(b"{}", &(0..2)).is_none());
    }
}
