//! Writes small grey pictures as PNG files (W3C Recommendation, second edition, 2003).

use std::io::Write;

use anyhow::{Result, ensure};
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

/// A PNG file of 8 bits of grey with rows of `width` pixels.
pub(super) fn grey(pixels: &[u8], width: usize) -> Result<Vec<u8>> {
    let is_whole = width > 0 && !pixels.is_empty() && pixels.len().is_multiple_of(width);
    ensure!(is_whole, "{} pixels are no rows of {width}", pixels.len());
    let (columns, rows) = (u32::try_from(width)?, u32::try_from(pixels.len() / width)?);
    let mut header = Vec::new();
    header.extend(columns.to_be_bytes());
    header.extend(rows.to_be_bytes());
    // 8 bits a pixel, grey, and the only methods that there are of compression, filtering and interlacing.
    header.extend([8, 0, 0, 0, 0]);
    let mut data = ZlibEncoder::new(Vec::new(), Compression::best());
    for row in pixels.chunks_exact(width) {
        // Each row begins with its filter, of which 0 is none.
        data.write_all(&[0])?;
        data.write_all(row)?;
    }
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut file, b"IHDR", &header)?;
    chunk(&mut file, b"IDAT", &data.finish()?)?;
    chunk(&mut file, b"IEND", &[])?;
    Ok(file)
}

fn chunk(file: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) -> Result<()> {
    let mut crc = Crc::new();
    crc.update(kind);
    crc.update(data);
    file.extend(u32::try_from(data.len())?.to_be_bytes());
    file.extend(kind);
    file.extend(data);
    file.extend(crc.sum().to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::ZlibDecoder;

    use super::*;

    #[test]
    fn chunks_are_as_the_standard_has_them() {
        let file = grey(&[1, 2, 3, 4, 5, 6], 3).unwrap();
        let header = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x03\0\0\0\x02\x08\0\0\0\0";
        assert_eq!(file[..29], header[..]);
        assert_eq!(file[file.len() - 12..], *b"\0\0\0\0IEND\xae\x42\x60\x82");
        let length = u32::from_be_bytes(file[33..37].try_into().unwrap()) as usize;
        assert_eq!(file[37..41], *b"IDAT");
        let mut rows = Vec::new();
        ZlibDecoder::new(&file[41..41 + length]).read_to_end(&mut rows).unwrap();
        assert_eq!(rows, [0, 1, 2, 3, 0, 4, 5, 6]);
        assert_eq!(file.len(), 41 + length + 4 + 12);
        assert!(grey(&[1, 2, 3], 2).is_err() && grey(&[], 2).is_err());
    }
}
