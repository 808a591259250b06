//! Checks the headers of pages before anything is decompressed. A header states the decompressed size, and the decoder
//! allocates it.

use std::fs::File;
use std::os::unix::fs::FileExt;

use parquet::arrow::ProjectionMask;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

use super::thrift::Thrift;
use crate::read::limits::{
    MAX_PARQUET_GROUP_BYTES, MAX_PARQUET_PAGE_BYTES, MAX_PARQUET_PAGE_VALUES,
};

/// The number of bytes that are read for a header at first. Headers with long statistics need more.
const HEADER_BYTES: usize = 512;
const MAX_HEADER_BYTES: usize = 16 << 20;

/// Checks the pages of the columns of a row group that are read.
///
/// # Errors
/// If a page goes beyond a limit, with advice; or if a header is not valid.
pub(super) fn check(
    file: &File,
    group: &RowGroupMetaData,
    mask: &ProjectionMask,
) -> Result<(), String> {
    let mut together = 0;
    let columns = group.columns().iter().enumerate();
    for (_, column) in columns.filter(|(leaf, _)| mask.leaf_included(*leaf)) {
        together += largest_page(file, column)?;
        if together > MAX_PARQUET_GROUP_BYTES {
            return Err(format!(
                "the pages of a row group have more than {MAX_PARQUET_GROUP_BYTES} bytes at a time: write the file \
                 again with smaller pages"
            ));
        }
    }
    Ok(())
}

/// The decompressed size of the largest page of a column.
fn largest_page(file: &File, column: &ColumnChunkMetaData) -> Result<u64, String> {
    let broken =
        || format!("the page headers of column `{}` are not valid", column.column_path().string());
    let (mut at, length) = column_range(column).ok_or_else(broken)?;
    let end = at.checked_add(length).ok_or_else(broken)?;
    let (mut largest, mut seen) = (0, 0);
    // Like the decoder, this ignores bytes after the last value.
    let values = u64::try_from(column.num_values()).unwrap_or(0);
    while at < end && seen < values {
        let page = header_at(file, at, end - at).ok_or_else(broken)?;
        if page.unpacked > MAX_PARQUET_PAGE_BYTES || page.values > MAX_PARQUET_PAGE_VALUES {
            return Err(format!(
                "column `{}` has a page of {} bytes with {} values, and up to {MAX_PARQUET_PAGE_BYTES} bytes and \
                 {MAX_PARQUET_PAGE_VALUES} values are read: write the file again with smaller pages",
                column.column_path().string(),
                page.unpacked,
                page.values
            ));
        }
        largest = largest.max(page.unpacked);
        seen += if page.is_data { page.values } else { 0 };
        at += page.header + page.packed;
    }
    Ok(largest)
}

/// The offset and the length of the pages of a column, in bytes.
fn column_range(column: &ColumnChunkMetaData) -> Option<(u64, u64)> {
    let start = match column.dictionary_page_offset() {
        Some(dictionary) => dictionary,
        None => column.data_page_offset(),
    };
    Some((u64::try_from(start).ok()?, u64::try_from(column.compressed_size()).ok()?))
}

/// The contents of a page header.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    /// The size of the header in bytes.
    header: u64,
    unpacked: u64,
    packed: u64,
    values: u64,
    /// Whether it is a data page and not a dictionary page.
    is_data: bool,
}

fn header_at(file: &File, at: u64, rest: u64) -> Option<Page> {
    let mut size = HEADER_BYTES;
    loop {
        let mut bytes = vec![0; size.min(usize::try_from(rest).ok()?)];
        let mut read = 0;
        while read < bytes.len() {
            match file.read_at(&mut bytes[read..], at + read as u64) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(_) => return None,
            }
        }
        bytes.truncate(read);
        if let Some(page) = parse(&bytes) {
            return Some(page);
        }
        if bytes.len() < size || size >= MAX_HEADER_BYTES {
            return None;
        }
        size *= 16;
    }
}

/// Parses the page header at the start of `bytes`, in Thrift's compact protocol; `None` if it does not end within
/// them.
fn parse(bytes: &[u8]) -> Option<Page> {
    let mut thrift = Thrift::new(bytes);
    let (mut unpacked, mut packed, mut values, mut is_data) = (None, None, 0, false);
    let mut id = 0;
    while let Some(kind) = thrift.field(&mut id)? {
        match (id, kind) {
            (1, Thrift::I32) => is_data = matches!(thrift.zigzag()?, 0 | 3),
            (2, Thrift::I32) => unpacked = u64::try_from(thrift.zigzag()?).ok(),
            (3, Thrift::I32) => packed = u64::try_from(thrift.zigzag()?).ok(),
            // These fields are the headers of a data page, a dictionary page and a data page of version 2.
            (5 | 7 | 8, Thrift::STRUCT) => {
                let mut inner = 0;
                while let Some(kind) = thrift.field(&mut inner)? {
                    match (inner, kind) {
                        (1, Thrift::I32) => values = u64::try_from(thrift.zigzag()?).ok()?,
                        _ => thrift.skip(kind, 0)?,
                    }
                }
            }
            _ => thrift.skip(kind, 0)?,
        }
    }
    Some(Page { header: thrift.at() as u64, unpacked: unpacked?, packed: packed?, values, is_data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_whatever_else_is_in_it() {
        // The header has the fields 1 (type 0), 2 (decompressed size 300), 3 (compressed size 200) and 5: a struct of
        // num_values 7, a list of i32, and a string.
        let header = [
            0x15, 0x00, 0x15, 0xd8, 0x04, 0x15, 0x90, 0x03, 0x2c, 0x15, 0x0e, 0x19, 0x25, 0x02,
            0x04, 0x18, 0x02, b'h', b'i', 0x00, 0x00,
        ];
        let page = Page { header: 21, unpacked: 300, packed: 200, values: 7, is_data: true };
        assert_eq!(parse(&[&header[..], b"the page"].concat()), Some(page));
        for cut in 0..header.len() {
            assert_eq!(parse(&header[..cut]), None);
        }
        // Negative sizes and structs without an end are not valid.
        assert_eq!(parse(&[0x15, 0x00, 0x15, 0x01, 0x15, 0x02, 0x00]), None);
        assert_eq!(parse(&[0x1c; 100]), None);
    }
}
