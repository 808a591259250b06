//! Whether a JPEG is complete. Its decoder fills what is missing with grey and reports nothing.

/// Whether the marker that ends a JPEG follows its pixels. A thumbnail within the file has an end of its own, and bytes
/// may follow the end.
pub(super) fn has_end(bytes: &[u8]) -> bool {
    end(bytes).is_some()
}

/// The position of the end; `None` if the file ends before.
fn end(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    let mut has_pixels = false;
    loop {
        // Between segments, and among the compressed pixels, everything up to a marker is skipped. A zero after 0xff is
        // a byte of the pixels, and 0xff may be repeated.
        at += memchr::memchr(0xff, bytes.get(at..)?)?;
        match *bytes.get(at + 1)? {
            0xff => at += 1,
            0x00 | 0x01 | 0xd0..=0xd7 => at += 2,
            0xd9 if has_pixels => return Some(at),
            0xd8 | 0xd9 => at += 2,
            kind => {
                has_pixels |= kind == 0xda;
                let length = u16::from_be_bytes(bytes.get(at + 2..at + 4)?.try_into().ok()?);
                at += 2 + usize::from(length).max(2);
            }
        }
    }
}
