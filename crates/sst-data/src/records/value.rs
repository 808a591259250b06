//! The value of a column as a store keeps it.

/// A value of one column of one record.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    /// The number of a class.
    Label(u32),
    /// The numbers of classes.
    Labels(Vec<u32>),
    Number(f64),
    Spans(Vec<StoredSpan>),
}

impl Value {
    /// The numbers of its classes.
    pub(super) fn labels(&self) -> Vec<u32> {
        match self {
            Self::Label(label) => vec![*label],
            Self::Labels(labels) => labels.clone(),
            Self::Spans(spans) => spans.iter().filter_map(|span| span.label).collect(),
            Self::Text(_) | Self::Number(_) => Vec::new(),
        }
    }
}

/// A span of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoredSpan {
    /// The first character and the position after the last one, in Unicode code points.
    pub(super) characters: (u32, u32),
    /// The first token and the position after the last one, counted in the whole text without special tokens.
    pub(super) tokens: (u32, u32),
    /// The number of its class.
    pub(super) label: Option<u32>,
}

/// Appends `value` to `bytes`.
pub(super) fn write(bytes: &mut Vec<u8>, value: &Value) {
    let mut number = |number: u32| bytes.extend(number.to_le_bytes());
    match value {
        Value::Text(text) => {
            number(text.len() as u32);
            bytes.extend(text.as_bytes());
        }
        Value::Label(label) => number(*label),
        Value::Labels(labels) => {
            number(labels.len() as u32);
            labels.iter().for_each(|label| number(*label));
        }
        Value::Number(real) => bytes.extend(real.to_le_bytes()),
        Value::Spans(spans) => {
            number(spans.len() as u32);
            for StoredSpan { characters, tokens, label } in spans {
                [characters.0, characters.1, tokens.0, tokens.1].into_iter().for_each(&mut number);
                number(label.unwrap_or(u32::MAX));
            }
        }
    }
}

/// Reads the values of a record one after the other.
pub(super) struct ValueReader<'a> {
    rest: &'a [u8],
}

impl<'a> ValueReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether all bytes were read.
    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.rest.split_first_chunk::<4>()?;
        self.rest = rest;
        Some(u32::from_le_bytes(*number))
    }

    pub(super) fn text(&mut self) -> Option<String> {
        let length = self.number()? as usize;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    pub(super) fn label(&mut self) -> Option<u32> {
        self.number()
    }

    pub(super) fn labels(&mut self) -> Option<Vec<u32>> {
        let count = self.number()?;
        (0..count).map(|_| self.number()).collect()
    }

    pub(super) fn real(&mut self) -> Option<f64> {
        let (real, rest) = self.rest.split_first_chunk::<8>()?;
        self.rest = rest;
        Some(f64::from_le_bytes(*real))
    }

    pub(super) fn spans(&mut self) -> Option<Vec<StoredSpan>> {
        let count = self.number()?;
        let span = |_| {
            let characters = (self.number()?, self.number()?);
            let tokens = (self.number()?, self.number()?);
            let label = Some(self.number()?).filter(|label| *label != u32::MAX);
            Some(StoredSpan { characters, tokens, label })
        };
        (0..count).map(span).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let span = (any::<[u32; 4]>(), prop::option::of(0..u32::MAX)).prop_map(|(n, label)| {
            StoredSpan { characters: (n[0], n[1]), tokens: (n[2], n[3]), label }
        });
        prop_oneof![
            ".*".prop_map(Value::Text),
            any::<u32>().prop_map(Value::Label),
            prop::collection::vec(any::<u32>(), 0..5).prop_map(Value::Labels),
            (-1e9..1e9).prop_map(Value::Number),
            prop::collection::vec(span, 0..5).prop_map(Value::Spans),
        ]
    }

    fn read(reader: &mut ValueReader<'_>, like: &Value) -> Option<Value> {
        Some(match like {
            Value::Text(_) => Value::Text(reader.text()?),
            Value::Label(_) => Value::Label(reader.label()?),
            Value::Labels(_) => Value::Labels(reader.labels()?),
            Value::Number(_) => Value::Number(reader.real()?),
            Value::Spans(_) => Value::Spans(reader.spans()?),
        })
    }

    proptest! {
        #[test]
        fn values_come_back_and_a_cut_is_noticed(values in prop::collection::vec(any_value(), 1..6)) {
            let mut bytes = Vec::new();
            values.iter().for_each(|value| write(&mut bytes, value));
            let mut reader = ValueReader::new(&bytes);
            for value in &values {
                let found = read(&mut reader, value);
                prop_assert_eq!(found.as_ref(), Some(value));
            }
            prop_assert!(reader.is_done());
            let mut reader = ValueReader::new(&bytes[..bytes.len() - 1]);
            prop_assert!(values.iter().any(|value| read(&mut reader, value).is_none()));
        }
    }
}
