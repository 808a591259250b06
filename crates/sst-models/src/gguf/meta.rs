//! Values of GGUF metadata.

/// A metadata value.
#[derive(Debug, Clone, PartialEq)]
pub enum MetaValue {
    /// An integer.
    Whole(i128),
    /// A floating-point number.
    Real(f64),
    /// A boolean.
    Bool(bool),
    /// A text.
    Text(String),
    /// A list of numbers or booleans.
    Numbers(Numbers),
    /// A list of texts.
    Texts(Vec<String>),
    /// A list of lists.
    Lists(Vec<MetaValue>),
}

/// A list of numbers of one type, in the bytes of the file, so that a list of bytes does not grow in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    pub(super) kind: NumberKind,
    pub(super) bytes: Vec<u8>,
}

/// The number types, by their GGUF type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberKind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    U64,
    I64,
    F64,
}

impl NumberKind {
    pub(super) fn of(kind: u32) -> Option<Self> {
        Some(match kind {
            0 => Self::U8,
            1 => Self::I8,
            2 => Self::U16,
            3 => Self::I16,
            4 => Self::U32,
            5 => Self::I32,
            6 => Self::F32,
            7 => Self::Bool,
            10 => Self::U64,
            11 => Self::I64,
            12 => Self::F64,
            _ => return None,
        })
    }

    pub(super) fn bytes(self) -> u64 {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

impl Numbers {
    /// The number of elements.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.kind.bytes() as usize
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The first element.
    pub fn first(&self) -> Option<MetaValue> {
        self.iter().next()
    }

    /// The elements, as values.
    pub fn iter(&self) -> impl Iterator<Item = MetaValue> {
        self.bytes.chunks_exact(self.kind.bytes() as usize).map(|bytes| {
            let mut wide = [0; 8];
            wide[..bytes.len()].copy_from_slice(bytes);
            let unsigned = u64::from_le_bytes(wide);
            // The number has fewer than eight bytes, and its sign bit is in the last of them.
            let unused = 64 - 8 * bytes.len() as u32;
            let signed = (unsigned << unused) as i64 >> unused;
            match self.kind {
                NumberKind::U8 | NumberKind::U16 | NumberKind::U32 | NumberKind::U64 => {
                    MetaValue::Whole(unsigned.into())
                }
                NumberKind::I8 | NumberKind::I16 | NumberKind::I32 | NumberKind::I64 => {
                    MetaValue::Whole(signed.into())
                }
                NumberKind::F32 => MetaValue::Real(f32::from_bits(unsigned as u32).into()),
                NumberKind::F64 => MetaValue::Real(f64::from_bits(unsigned)),
                NumberKind::Bool => MetaValue::Bool(unsigned != 0),
            }
        })
    }
}

impl MetaValue {
    /// A description for error messages, which does not list the elements of a list.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Whole(n) => format!("the whole number {n}"),
            Self::Real(x) => format!("the number {x}"),
            Self::Bool(is_on) => format!("{is_on}"),
            Self::Text(text) => {
                let start: String = text.chars().take(40).collect();
                format!("the text {start:?}")
            }
            Self::Numbers(numbers) => format!("a list of {} numbers", numbers.len()),
            Self::Texts(texts) => format!("a list of {} texts", texts.len()),
            Self::Lists(lists) => format!("a list of {} lists", lists.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_kind_keep_their_sign_and_value() {
        let check = |kind, bytes: &[u8], want: &[MetaValue]| {
            let numbers = Numbers { kind, bytes: bytes.to_vec() };
            assert_eq!(numbers.iter().collect::<Vec<_>>(), want, "{kind:?}");
            assert_eq!(numbers.len(), want.len());
        };
        let whole = MetaValue::Whole;
        check(NumberKind::U8, &[0, 255], &[whole(0), whole(255)]);
        check(NumberKind::I8, &[0, 255, 128], &[whole(0), whole(-1), whole(-128)]);
        check(NumberKind::U16, &[255, 255], &[whole(65_535)]);
        check(NumberKind::I16, &[254, 255], &[whole(-2)]);
        check(NumberKind::U32, &u32::MAX.to_le_bytes(), &[whole(u32::MAX.into())]);
        check(NumberKind::I32, &(-7_i32).to_le_bytes(), &[whole(-7)]);
        check(NumberKind::U64, &u64::MAX.to_le_bytes(), &[whole(u64::MAX.into())]);
        check(NumberKind::I64, &i64::MIN.to_le_bytes(), &[whole(i64::MIN.into())]);
        check(NumberKind::F32, &(-2.5_f32).to_le_bytes(), &[MetaValue::Real(-2.5)]);
        check(NumberKind::F64, &0.1_f64.to_le_bytes(), &[MetaValue::Real(0.1)]);
        check(NumberKind::Bool, &[1, 0], &[MetaValue::Bool(true), MetaValue::Bool(false)]);
    }
}
