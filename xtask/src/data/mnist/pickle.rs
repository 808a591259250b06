//! Reads tuples of NumPy arrays from a pickle (protocol 2) without executing it.
//!
//! A pickle is a program for a stack machine, and can call any function of Python. Here three names are known: that of the
//! function that makes an empty array, and those of the classes of arrays and data types. They only say what is on the
//! stack; any other name, and any instruction that such a file does not need, is an error.

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};

/// What lies on the stack.
#[derive(Debug, Clone)]
pub(super) enum Value {
    None,
    Bool,
    Int(i64),
    Bytes(Vec<u8>),
    Tuple(Vec<Value>),
    Global(Global),
    DataType(DataType),
    Array(Array),
    /// The beginning of a tuple.
    Mark,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    Reconstruct,
    NdArray,
    DataType,
}

/// Little-endian values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataType {
    F32,
    I64,
}

/// An array in row-major order.
#[derive(Debug, Clone)]
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    kind: DataType,
    data: Vec<u8>,
}

impl Array {
    /// Its values, which must be float32.
    pub(super) fn floats(&self) -> Result<Vec<f32>> {
        ensure!(self.kind == DataType::F32, "an array holds {:?} instead of float32", self.kind);
        let values = self.data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        Ok(values.collect())
    }

    /// Its values, which must be int64.
    pub(super) fn integers(&self) -> Result<Vec<i64>> {
        ensure!(self.kind == DataType::I64, "an array holds {:?} instead of int64", self.kind);
        let values = self.data.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes));
        Ok(values.collect())
    }
}

/// The value that the pickle describes.
pub(super) fn read(bytes: &[u8]) -> Result<Value> {
    let mut machine = Machine { rest: bytes, stack: Vec::new(), memo: HashMap::new() };
    loop {
        let place = bytes.len() - machine.rest.len();
        let step = machine.step().with_context(|| format!("byte {place} of the pickle"))?;
        if let Some(value) = step {
            return Ok(value);
        }
    }
}

struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Value>,
    /// Names and data types that later instructions take again. Arrays and tuples are never taken again.
    memo: HashMap<u8, Value>,
}

impl<'a> Machine<'a> {
    /// Carries out one instruction. The last one gives the value.
    fn step(&mut self) -> Result<Option<Value>> {
        match self.byte()? {
            // PROTO
            0x80 => {
                let version = self.byte()?;
                ensure!(version == 2, "it has protocol {version} instead of 2");
            }
            // GLOBAL
            b'c' => {
                let names = [self.line()?, self.line()?];
                self.stack.push(Value::Global(match names.map(String::from_utf8_lossy) {
                    [module, name] if module == "numpy" && name == "ndarray" => Global::NdArray,
                    [module, name] if module == "numpy" && name == "dtype" => Global::DataType,
                    [module, name]
                        if module == "numpy.core.multiarray" && name == "_reconstruct" =>
                    {
                        Global::Reconstruct
                    }
                    [module, name] => bail!("it names {module}.{name}, which is not an array"),
                }));
            }
            // BININT1, BININT2, BININT
            b'K' => self.integer::<1>()?,
            b'M' => self.integer::<2>()?,
            b'J' => self.integer::<4>()?,
            // SHORT_BINSTRING, BINSTRING
            b'U' => {
                let length = usize::from(self.byte()?);
                self.string(length)?;
            }
            b'T' => {
                let length = u32::from_le_bytes(*self.array()?);
                self.string(usize::try_from(length)?)?;
            }
            b'N' => self.stack.push(Value::None),
            // NEWTRUE, NEWFALSE
            0x88 | 0x89 => self.stack.push(Value::Bool),
            // MARK, TUPLE, TUPLE1, TUPLE2, TUPLE3
            b'(' => self.stack.push(Value::Mark),
            b't' => {
                let mark = self.stack.iter().rposition(|value| matches!(value, Value::Mark));
                let mark = mark.context("a tuple has no beginning")?;
                let values = self.stack.split_off(mark + 1);
                self.stack.pop();
                self.stack.push(Value::Tuple(values));
            }
            code @ 0x85..=0x87 => {
                let at = self.stack.len().checked_sub(usize::from(code - 0x84));
                let values = self.stack.split_off(at.context("a tuple has too few values")?);
                self.stack.push(Value::Tuple(values));
            }
            // BINPUT, BINGET
            b'q' => {
                let place = self.byte()?;
                if let Some(value @ (Value::Global(_) | Value::DataType(_))) = self.stack.last() {
                    self.memo.insert(place, value.clone());
                }
            }
            b'h' => {
                let place = self.byte()?;
                let value = self.memo.get(&place).context("it takes again what it may not")?;
                self.stack.push(value.clone());
            }
            // REDUCE: a call
            b'R' => {
                let [function, arguments] = self.pop_two()?;
                self.stack.push(call(&function, &arguments)?);
            }
            // BUILD: the state of an array or a data type
            b'b' => {
                let [value, state] = self.pop_two()?;
                self.stack.push(build(value, state)?);
            }
            // STOP
            b'.' => {
                let value = self.stack.pop().context("it holds nothing")?;
                ensure!(self.stack.is_empty(), "more than one value is left");
                return Ok(Some(value));
            }
            code => bail!("it has the instruction {code:#04x}, which tuples of arrays do not need"),
        }
        Ok(None)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(length).context("it ends too early")?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N]> {
        self.take(N)?.first_chunk().context("it ends too early")
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn line(&mut self) -> Result<&'a [u8]> {
        let length = self.rest.iter().position(|byte| *byte == b'\n');
        let line = self.take(length.context("a line does not end")?)?;
        self.take(1)?;
        Ok(line)
    }

    fn string(&mut self, length: usize) -> Result<()> {
        let bytes = self.take(length)?.to_vec();
        self.stack.push(Value::Bytes(bytes));
        Ok(())
    }

    /// A whole number of one or two bytes without a sign, or of four with one.
    fn integer<const N: usize>(&mut self) -> Result<()> {
        let mut bytes = [0; 4];
        bytes[..N].copy_from_slice(self.array::<N>()?);
        self.stack.push(Value::Int(i64::from(i32::from_le_bytes(bytes))));
        Ok(())
    }

    fn pop_two(&mut self) -> Result<[Value; 2]> {
        match (self.stack.pop(), self.stack.pop()) {
            (Some(last), Some(first)) => Ok([first, last]),
            _ => bail!("the stack is empty"),
        }
    }
}

/// An empty array, or a data type.
fn call(function: &Value, arguments: &Value) -> Result<Value> {
    let (Value::Global(function), Value::Tuple(arguments)) = (function, arguments) else {
        bail!("it calls what is not a function")
    };
    match (function, arguments.as_slice()) {
        (
            Global::Reconstruct,
            [Value::Global(Global::NdArray), Value::Tuple(_), Value::Bytes(_)],
        ) => {
            let (shape, kind, data) = (vec![0], DataType::F32, Vec::new());
            Ok(Value::Array(Array { shape, kind, data }))
        }
        (Global::DataType, [Value::Bytes(name), ..]) => match name.as_slice() {
            b"f4" => Ok(Value::DataType(DataType::F32)),
            b"i8" => Ok(Value::DataType(DataType::I64)),
            name => bail!("the data type {:?} is not known", String::from_utf8_lossy(name)),
        },
        _ => bail!("a call has other arguments than an array needs"),
    }
}

/// Gives an array its shape and values. Of a data type only the order of bytes is looked at.
fn build(value: Value, state: Value) -> Result<Value> {
    let Value::Tuple(state) = state else { bail!("a state is no tuple") };
    match (value, state.as_slice()) {
        (Value::DataType(kind), [Value::Int(3), Value::Bytes(order), ..]) => {
            ensure!(order == b"<", "the values are not little-endian");
            Ok(Value::DataType(kind))
        }
        (
            Value::Array(_),
            [
                Value::Int(1),
                Value::Tuple(shape),
                Value::DataType(kind),
                Value::Bool,
                Value::Bytes(_),
            ],
        ) => {
            let kind = *kind;
            let shape: Vec<usize> = shape.iter().map(size).collect::<Result<_>>()?;
            let width = if kind == DataType::F32 { 4 } else { 8 };
            let bytes = shape.iter().try_fold(width, |bytes: usize, size| bytes.checked_mul(*size));
            let Some(Value::Bytes(data)) = state.into_iter().next_back() else {
                bail!("an array has no values")
            };
            ensure!(
                bytes == Some(data.len()),
                "an array of {shape:?} has {} bytes of values",
                data.len()
            );
            Ok(Value::Array(Array { shape, kind, data }))
        }
        _ => bail!("a state is not that of an array"),
    }
}

fn size(value: &Value) -> Result<usize> {
    match value {
        Value::Int(size) => Ok(usize::try_from(*size)?),
        _ => bail!("a shape has something else than a number"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const RECONSTRUCT: &[u8] =
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R";

    fn integer(value: usize) -> Vec<u8> {
        [b"J".to_vec(), (value as i32).to_le_bytes().to_vec()].concat()
    }

    fn array(shape: &[usize], name: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = [RECONSTRUCT, b"(K\x01("].concat();
        shape.iter().for_each(|size| bytes.extend(integer(*size)));
        bytes.extend(b"tcnumpy\ndtype\nU\x02");
        bytes.extend(name.as_bytes());
        bytes.extend(b"K\0K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89T");
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(data);
        bytes.extend(b"tb");
        bytes
    }

    /// A tuple of pairs of arrays, written as pickle writes it in protocol 2.
    pub(in super::super) fn pickled(parts: &[(Vec<f32>, Vec<i64>)], width: usize) -> Vec<u8> {
        let mut bytes = b"\x80\x02(".to_vec();
        for (values, labels) in parts {
            let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            bytes.extend(array(&[values.len() / width, width], "f4", &data));
            let data: Vec<u8> = labels.iter().flat_map(|label| label.to_le_bytes()).collect();
            bytes.extend(array(&[labels.len()], "i8", &data));
            bytes.push(0x86);
        }
        bytes.extend(b"t.");
        bytes
    }

    #[test]
    fn arrays_are_read() {
        let bytes = pickled(&[(vec![0.5, -1.0, 2.0, 0.0], vec![7, -8])], 2);
        let Value::Tuple(parts) = read(&bytes).unwrap() else { panic!() };
        let [Value::Tuple(pair)] = parts.as_slice() else { panic!("{parts:?}") };
        let [Value::Array(values), Value::Array(labels)] = pair.as_slice() else { panic!() };
        assert_eq!((values.shape.as_slice(), labels.shape.as_slice()), (&[2, 2][..], &[2][..]));
        assert_eq!(values.floats().unwrap(), [0.5, -1.0, 2.0, 0.0]);
        assert_eq!(labels.integers().unwrap(), [7, -8]);
        assert!(values.integers().is_err() && labels.floats().is_err());
    }

    #[test]
    fn what_is_put_away_is_taken_again() {
        // Two arrays of one number each. The names and the data type stand once, as Python writes them.
        let head = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\0\x85U\x01b\x87Rq\x03(K\x01K\x01\x85\
            cnumpy\ndtype\nq\x04U\x02i8K\0K\x01\x87Rq\x05(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89U\x08\x2a\0\0\0\0\0\0\0tb";
        let tail =
            b"h\x01h\x02K\0\x85U\x01b\x87Rq\x06(K\x01K\x01\x85h\x05\x89U\x08\x2b\0\0\0\0\0\0\0tb\x86.";
        let Value::Tuple(pair) = read(&[&head[..], &tail[..]].concat()).unwrap() else { panic!() };
        let [Value::Array(one), Value::Array(two)] = pair.as_slice() else { panic!("{pair:?}") };
        assert_eq!((one.integers().unwrap(), two.integers().unwrap()), (vec![42], vec![43]));
    }

    fn check_error(bytes: &[u8], part: &str) {
        let error = format!("{:#}", read(bytes).unwrap_err());
        assert!(error.contains(part), "{error}");
    }

    #[test]
    fn nothing_is_executed() {
        check_error(b"\x80\x02cos\nsystem\nU\x02ls\x85R.", "it names os.system");
        check_error(b"\x80\x02cbuiltins\neval\nU\x011\x85R.", "it names builtins.eval");
        check_error(b"\x80\x02cnumpy\ndtype\nU\x02O8\x85R.", "data type \"O8\"");
        check_error(b"\x80\x04.", "protocol 4");
        check_error(b"\x80\x02}.", "instruction 0x7d");
    }

    #[test]
    fn damage_is_an_error() {
        let whole = pickled(&[(vec![0.5; 4], vec![7, 8])], 2);
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length} bytes");
        }
        // Every single changed byte gives a value or an error, and never a panic.
        for place in 0..whole.len() {
            for value in [0, 0x28, 0x52, 0x62, 0x74, 0x85, 0xff] {
                let mut changed = whole.clone();
                changed[place] = value;
                let _ = read(&changed);
            }
        }
        check_error(b"\x80\x02t.", "no beginning");
        check_error(b"\x80\x02K\x01R.", "stack is empty");
        check_error(b"\x80\x02K\x01K\x02.", "more than one value");
        check_error(b"\x80\x02h\x01.", "may not");
        let short = array(&[3], "i8", &[0; 16]);
        check_error(&[b"\x80\x02", &short[..], b"."].concat(), "has 16 bytes of values");
    }
}
