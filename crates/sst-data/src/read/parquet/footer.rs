//! Checks the schema in the footer before it is decoded. The decoder recurses once for each level of nested types, and
//! a footer of 1 MB could have a hundred thousand of them.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::thrift::Thrift;
use crate::read::limits::MAX_PARQUET_DEPTH;

/// Checks how deep the types of the schema are nested.
///
/// # Errors
/// If they are nested too deep, or the footer is not valid. Everything else is left to the decoder.
pub(super) fn check_depth(file: &File) -> Result<(), String> {
    let footer = read(file).ok_or("it does not end like a Parquet file")?;
    let depth = depth(&footer).ok_or("its footer is not valid")?;
    match depth <= MAX_PARQUET_DEPTH {
        true => Ok(()),
        false => Err(format!("its types are nested more than {MAX_PARQUET_DEPTH} levels deep")),
    }
}

/// The bytes of the footer. The last eight bytes of the file are its length and `PAR1`.
fn read(file: &File) -> Option<Vec<u8>> {
    let size = file.metadata().ok()?.len();
    let mut end = [0; 8];
    file.read_exact_at(&mut end, size.checked_sub(8)?).ok()?;
    let length = u64::from(u32::from_le_bytes([end[0], end[1], end[2], end[3]]));
    let start = size.checked_sub(8)?.checked_sub(length)?;
    let mut footer = vec![0; usize::try_from(length).ok()?];
    file.read_exact_at(&mut footer, start).ok()?;
    Some(footer)
}

/// The nesting depth of the schema. Each element states how many of the following elements are its children.
fn depth(footer: &[u8]) -> Option<usize> {
    let mut thrift = Thrift::new(footer);
    let (mut id, mut deepest) = (0, 0);
    while let Some(kind) = thrift.field(&mut id)? {
        if id != 2 || kind != Thrift::LIST {
            thrift.skip(kind, 0)?;
            continue;
        }
        let (count, _) = thrift.list()?;
        // The number of children that are still to come of each element that has begun.
        let mut open: Vec<i64> = Vec::new();
        for _ in 0..count {
            let children = children(&mut thrift)?;
            if let Some(left) = open.last_mut() {
                *left -= 1;
            }
            if children > 0 {
                open.push(children);
                deepest = deepest.max(open.len());
            }
            while open.last() == Some(&0) {
                open.pop();
            }
            if deepest > MAX_PARQUET_DEPTH {
                return Some(deepest);
            }
        }
    }
    Some(deepest)
}

/// The number of children of the next element.
fn children(thrift: &mut Thrift<'_>) -> Option<i64> {
    let (mut id, mut children) = (0, 0);
    while let Some(kind) = thrift.field(&mut id)? {
        match (id, kind) {
            (5, Thrift::I32) => children = thrift.zigzag()?,
            _ => thrift.skip(kind, 0)?,
        }
    }
    Some(children)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A footer whose second field is a schema with these numbers of children.
    fn footer(children: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x15, 0x02, 0x19, 0xfc];
        let count = children.len();
        bytes.extend([(count & 0x7f) as u8 | 0x80, (count >> 7) as u8]);
        // Field 4 is a name of one byte, and field 5 the number of children in zigzag encoding.
        children.iter().for_each(|n| bytes.extend([0x48, 1, b'a', 0x15, n * 2, 0]));
        bytes.push(0);
        bytes
    }

    #[test]
    fn the_depth_is_that_of_the_deepest_element() {
        assert_eq!(depth(&footer(&[2, 0, 0])), Some(1));
        assert_eq!(depth(&footer(&[3, 1, 0, 2, 1, 0, 0, 0])), Some(3));
        assert_eq!(depth(&footer(&[1; 99])), Some(99));
        assert!(depth(&footer(&[1; 5000])).unwrap() > MAX_PARQUET_DEPTH);
        assert_eq!(depth(&footer(&[2, 0, 0])[..9]), None);
    }
}
