//! Makes GGUF files.

use tch::Tensor;

/// A value of the metadata.
#[derive(Clone)]
pub(super) enum Meta<'a> {
    Whole(u32),
    Real(f32),
    Flag(bool),
    Text(&'a str),
    Texts(Vec<&'a str>),
    Wholes(&'a [i32]),
    Bytes(usize),
}

/// A tensor of a file: its name, its shape in row-major order, its GGML type and its bytes.
pub(super) struct Raw {
    pub(super) name: String,
    pub(super) shape: Vec<i64>,
    pub(super) kind: u32,
    pub(super) bytes: Vec<u8>,
}

/// A tensor in fp32.
pub(super) fn fp32(name: &str, tensor: &Tensor) -> Raw {
    let numbers = Vec::<f32>::try_from(tensor.contiguous().flatten(0, -1)).unwrap();
    let bytes = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    Raw { name: name.to_owned(), shape: tensor.size(), kind: 0, bytes }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// A file, version 3.
pub(super) fn file(metadata: &[(&str, Meta<'_>)], tensors: &[Raw]) -> Vec<u8> {
    let mut out = b"GGUF".to_vec();
    out.extend(3_u32.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        text(&mut out, key);
        let list = |out: &mut Vec<u8>, kind: u32, count: usize| {
            out.extend([9_u32.to_le_bytes(), kind.to_le_bytes()].concat());
            out.extend((count as u64).to_le_bytes());
        };
        match value {
            Meta::Whole(n) => out.extend([4_u32.to_le_bytes(), n.to_le_bytes()].concat()),
            Meta::Real(x) => out.extend([6_u32.to_le_bytes(), x.to_le_bytes()].concat()),
            Meta::Flag(is_on) => {
                out.extend(7_u32.to_le_bytes());
                out.push(u8::from(*is_on));
            }
            Meta::Text(value) => {
                out.extend(8_u32.to_le_bytes());
                text(&mut out, value);
            }
            Meta::Texts(values) => {
                list(&mut out, 8, values.len());
                values.iter().for_each(|value| text(&mut out, value));
            }
            Meta::Wholes(values) => {
                list(&mut out, 5, values.len());
                values.iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
            Meta::Bytes(count) => {
                list(&mut out, 0, *count);
                out.resize(out.len() + count, 7);
            }
        }
    }
    let mut data = Vec::new();
    for tensor in tensors {
        text(&mut out, &tensor.name);
        out.extend((tensor.shape.len() as u32).to_le_bytes());
        tensor.shape.iter().rev().for_each(|n| out.extend((*n as u64).to_le_bytes()));
        out.extend(tensor.kind.to_le_bytes());
        out.extend((data.len() as u64).to_le_bytes());
        data.extend(&tensor.bytes);
        data.resize(data.len().next_multiple_of(32), 0);
    }
    out.resize(out.len().next_multiple_of(32), 0);
    out.extend(data);
    out
}
