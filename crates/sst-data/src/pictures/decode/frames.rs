//! Whether a file holds more pictures than the first one: frames of an animation, or pages.

use super::PictureFormat;

/// Whether there is a second frame or page. Only the structure of the file is looked at, and nothing is decoded. A
/// damaged structure counts as one picture; the decoder then says what is wrong.
pub(super) fn has_more_frames(format: PictureFormat, bytes: &[u8]) -> bool {
    match format {
        PictureFormat::Gif => gif_frames(bytes).unwrap_or(0) > 1,
        PictureFormat::Png => is_animated_png(bytes).unwrap_or(false),
        PictureFormat::WebP => {
            bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|flags| flags & 2 != 0)
        }
        PictureFormat::Tiff => has_second_page(bytes).unwrap_or(false),
        PictureFormat::Bmp | PictureFormat::Jpeg => false,
    }
}

/// The number of frames of a GIF, at most 2. `None` if the file ends early.
fn gif_frames(bytes: &[u8]) -> Option<usize> {
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut at = 13 + table(*bytes.get(10)?);
    let mut frames = 0;
    loop {
        match *bytes.get(at)? {
            0x21 => at += 2,
            0x2c => {
                frames += 1;
                if frames == 2 {
                    return Some(frames);
                }
                at += 11 + table(*bytes.get(at + 9)?);
            }
            _ => return Some(frames),
        }
        // The parts of a block, each behind its length.
        loop {
            let length = usize::from(*bytes.get(at)?);
            at += 1 + length;
            if length == 0 {
                break;
            }
        }
    }
}

/// Whether a PNG has the chunk `acTL` before its pixels. `None` if the file ends early.
fn is_animated_png(bytes: &[u8]) -> Option<bool> {
    let mut at = 8_usize;
    loop {
        let length = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
        match bytes.get(at + 4..at + 8)? {
            b"acTL" => return Some(true),
            b"IDAT" | b"IEND" => return Some(false),
            _ => at = at.checked_add(12)?.checked_add(length as usize)?,
        }
    }
}

/// Whether the first directory of a TIFF is followed by another. `None` if the file ends early, or is a BigTIFF.
fn has_second_page(bytes: &[u8]) -> Option<bool> {
    let is_little = bytes.first()? == &b'I';
    let short = |at: usize| -> Option<u16> {
        let two = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if is_little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) })
    };
    let long = |at: usize| -> Option<u32> {
        let four = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if is_little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    };
    if short(2)? != 42 {
        return None;
    }
    let directory = long(4)? as usize;
    let entries = usize::from(short(directory)?);
    Some(long(directory.checked_add(2 + 12 * entries)?)? != 0)
}
