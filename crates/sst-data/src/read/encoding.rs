//! Finds out what a file that is not UTF-8 text contains, by its first bytes or by the invalid line.

/// The kind of file that the first bytes show, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Foreign {
    pub(super) what: &'static str,
    pub(super) advice: &'static str,
}

/// The first bytes of file kinds that are not text.
const MAGIC: [(&[u8], &str, &str); 9] = [
    (b"\x1f\x8b", "gzip data", "end the file's name in .gz"),
    (b"\x28\xb5\x2f\xfd", "zstd data", "end the file's name in .zst"),
    (b"BZh", "bzip2 data", "unpack it with `bunzip2` (.gz and .zst are read as they are)"),
    (b"\xfd7zXZ\0", "xz data", "unpack it with `unxz` (.gz and .zst are read as they are)"),
    (b"\x04\x22\x4d\x18", "lz4 data", "unpack it with `unlz4` (.gz and .zst are read as they are)"),
    (b"PK\x03\x04", "a zip archive", "unpack it with `unzip` and name the files in it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it with `7z x` and name the files in it"),
    (b"PAR1", "Parquet", "set the format to parquet, or end the file's name in .parquet"),
    (b"ARROW1\0\0", "an Arrow file", "write it as Parquet (`datasets`: `to_parquet`)"),
];

/// The kind of a file whose decompressed data begins with `head`; `None` if it may be UTF-8 text.
pub(super) fn foreign(head: &[u8]) -> Option<Foreign> {
    if let Some((_, what, advice)) = MAGIC.iter().find(|(magic, ..)| head.starts_with(magic)) {
        return Some(Foreign { what, advice });
    }
    let found = |what, advice| Some(Foreign { what, advice });
    if head.get(257..262) == Some(b"ustar") {
        return found("a tar archive", "unpack it with `tar -xf` and name the files in it");
    }
    match head {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            found("UTF-32", "convert it with `iconv -f UTF-32 -t UTF-8`")
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            found("UTF-16", "convert it with `iconv -f UTF-16 -t UTF-8`")
        }
        _ => match utf16(head) {
            Some(Order::Little) => found(
                "UTF-16 without a byte order mark",
                "convert it with `iconv -f UTF-16LE -t UTF-8`",
            ),
            Some(Order::Big) => found(
                "UTF-16 without a byte order mark",
                "convert it with `iconv -f UTF-16BE -t UTF-8`",
            ),
            None => None,
        },
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

/// The byte order of `head` if it is UTF-16 without a byte order mark. Text in any other encoding has no zero bytes;
/// in UTF-16 every Latin letter and every line end has one, always in the same half. ASCII with a stray zero is valid
/// UTF-8 with few zeros, and is therefore not mistaken for UTF-16.
fn utf16(head: &[u8]) -> Option<Order> {
    let zeros = head.iter().filter(|byte| **byte == 0).count();
    let broken = std::str::from_utf8(head).is_err_and(|error| error.error_len().is_some());
    if zeros == 0 || (zeros * 10 < head.len() * 3 && !broken) {
        return None;
    }
    // The number of code units that are common in texts and the number of those that are ASCII; `None` unless nearly
    // all units are common.
    let ascii_units = |order: Order| {
        let units = head.chunks_exact(2).map(|pair| match order {
            Order::Little => u16::from_le_bytes([pair[0], pair[1]]),
            Order::Big => u16::from_be_bytes([pair[0], pair[1]]),
        });
        let (count, good) =
            (units.clone().count(), units.clone().filter(|unit| is_common(*unit)).count());
        (count >= 2 && good * 10 >= count * 9).then(|| units.filter(|unit| *unit < 0x80).count())
    };
    match (ascii_units(Order::Little), ascii_units(Order::Big)) {
        (None, None) => None,
        (little, big) if little >= big => Some(Order::Little),
        _ => Some(Order::Big),
    }
}

/// Whether a UTF-16 code unit belongs to a script that most texts use.
fn is_common(unit: u16) -> bool {
    matches!(unit,
        0x09 | 0x0a | 0x0d | 0x20..=0x7e | 0xa0..=0x24f | 0x370..=0x6ff | 0x900..=0xdff | 0xe00..=0xe7f
        | 0x2010..=0x2027 | 0x20ac | 0x3000..=0x30ff | 0x4e00..=0x9fff | 0xac00..=0xd7a3 | 0xff01..=0xff5e)
}

/// The advice for `line`, which is not UTF-8, in a file that begins with `head`.
pub(super) fn advice(line: &[u8], head: &[u8]) -> String {
    let repair = "or drop its bad bytes with `iconv -c -f UTF-8 -t UTF-8`";
    if is_modified_utf8(line) {
        return format!(
            "it holds what Java and CESU-8 write and UTF-8 does not allow: write the text again, {repair}"
        );
    }
    if is_utf8_elsewhere(line) {
        return format!("the rest of it is: repair the line, {repair}");
    }
    let Some((what, name)) = guess(line) else {
        return "find out its encoding, e.g. with `uchardet`, and convert the file with \
                `iconv -f ENCODING -t UTF-8`"
            .to_owned();
    };
    // A file with several encodings cannot be converted as a whole.
    let mut others =
        head.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|other| *other != line);
    if others.any(|other| std::str::from_utf8(other).is_ok() && is_utf8_elsewhere(other)) {
        return format!(
            "it looks like {what}, but other lines are UTF-8: convert this line alone from {name}"
        );
    }
    format!("it looks like {what}: convert the file with `iconv -f {name} -t UTF-8`")
}

/// The likely encoding of a line, and its name in iconv.
fn guess(line: &[u8]) -> Option<(&'static str, &'static str)> {
    if is_gb18030(line) {
        return Some(("Chinese in GB18030 (or GBK)", "GB18030"));
    }
    // In Latin-1 text, accented letters are surrounded by ASCII letters.
    let high = line.iter().filter(|byte| **byte >= 0x80).count();
    let pairs = line.windows(2).filter(|pair| pair[0] >= 0x80 && pair[1] >= 0x80).count();
    if high * 2 > line.len() + 1 || pairs * 2 > high {
        return None;
    }
    match line.iter().any(|byte| matches!(byte, 0x80..=0x9f)) {
        true => Some(("the Latin-1 of Windows", "CP1252")),
        false => Some(("Latin-1", "LATIN1")),
    }
}

/// Whether most of the bytes of `line` that are not ASCII form UTF-8 characters that other encodings do not produce by
/// chance: accented letters, and characters of three or more bytes.
fn is_utf8_elsewhere(line: &[u8]) -> bool {
    let high = line.iter().filter(|byte| **byte >= 0x80).count();
    let text = String::from_utf8_lossy(line);
    let is_evidence =
        |c: &char| matches!(c, '\u{c0}'..='\u{17f}') || (c.len_utf8() > 2 && *c != '\u{fffd}');
    text.chars().filter(is_evidence).map(char::len_utf8).sum::<usize>() * 2 > high
}

/// Whether `bytes` contain a zero as Java writes it, or half of a surrogate pair as in CESU-8.
fn is_modified_utf8(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\xc0\x80")
        || bytes.windows(3).any(|three| matches!(three, [0xed, 0xa0..=0xbf, 0x80..=0xbf]))
}

/// Whether `bytes` are valid GB18030 and most of the characters are of GB 2312, as in Chinese text.
fn is_gb18030(bytes: &[u8]) -> bool {
    let (mut pairs, mut common, mut at) = (0, 0, 0);
    while let Some(&lead) = bytes.get(at) {
        match (lead, bytes.get(at + 1)) {
            (..=0x7f, _) => at += 1,
            (0x81..=0xfe, Some(0x40..=0x7e | 0x80..=0xfe)) => {
                pairs += 1;
                let trail = bytes[at + 1];
                let usual = matches!(lead, 0xa1 | 0xa3 | 0xb0..=0xf7) && trail >= 0xa1;
                common += usize::from(usual);
                at += 2;
            }
            (0x81..=0xfe, Some(0x30..=0x39)) => {
                let rest = bytes.get(at + 2..at + 4);
                if !matches!(rest, Some([0x81..=0xfe, 0x30..=0x39])) {
                    return false;
                }
                (pairs, at) = (pairs + 1, at + 4);
            }
            _ => return false,
        }
    }
    pairs > 0 && common * 10 >= pairs * 6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16_bytes(text: &str, order: Order) -> Vec<u8> {
        let bytes = |unit: u16| match order {
            Order::Little => unit.to_le_bytes(),
            Order::Big => unit.to_be_bytes(),
        };
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn utf_16_without_a_mark_is_told_from_text() {
        for text in ["hello there\nsecond\n", "三国演义\n第一回 宴桃园\n", "id,text\n1,天下大势\n"]
        {
            for order in [Order::Little, Order::Big] {
                assert_eq!(utf16(&utf16_bytes(text, order)), Some(order), "{text}");
            }
            assert_eq!(utf16(text.as_bytes()), None);
        }
        assert_eq!(utf16(b"a\0b is text with a zero in it\n"), None);
    }

    #[test]
    fn the_encoding_of_a_line_is_named() {
        // "天下大势" and "话说天下大势，分久必合" in GB18030, from Python's codec.
        let chinese = b"\xcc\xec\xcf\xc2\xb4\xf3\xca\xc6";
        let mixed = b"1,\xbb\xb0\xcb\xb5\xa3\xac\xb7\xd6\xbe\xc3\xb1\xd8\xba\xcf,ok";
        for line in [chinese.as_slice(), mixed] {
            assert!(advice(line, b"").contains("-f GB18030 "), "{}", advice(line, b""));
        }
        for line in [b"caf\xe9 cr\xe8me".as_slice(), b"\xe9t\xe9", b"na\xefve fa\xe7ade, Stra\xdfe"]
        {
            assert!(advice(line, line).contains("-f LATIN1 "), "{}", advice(line, line));
        }
        assert!(advice(b"a \x93quoted\x94 word", b"").contains("-f CP1252 "));
        assert!(
            advice("三国\u{e9}".as_bytes().split_last().unwrap().1, b"")
                .contains("iconv -c -f UTF-8")
        );
        assert!(advice(b"\xc0\x80 null", b"").contains("Java"));
        assert!(advice(b"half \xed\xa0\xbd of a pair", b"").contains("CESU-8"));
        let mixed = "caf\u{e9}\n三国".as_bytes();
        assert!(
            advice(b"caf\xe9", mixed)
                .ends_with("but other lines are UTF-8: convert this line alone from LATIN1")
        );
        // "привет, мир" in KOI8-R.
        let russian = b"\xd0\xd2\xc9\xd7\xc5\xd4, \xcd\xc9\xd2";
        assert!(
            advice(russian, russian).starts_with("find out its encoding"),
            "{}",
            advice(russian, b"")
        );
    }
}
