//! Compressed files: members, bytes after the last member, windows and limits.

use super::*;

#[test]
fn zeros_after_a_member_are_padding() {
    let (one, two) = (b"one\n".as_slice(), b"two\n".as_slice());
    for (name, pack) in [("a.txt.gz", gzip as fn(&[u8]) -> Vec<u8>), ("a.txt.zst", zstandard)] {
        for zeros in [1, 3, 512, 200_000] {
            let padded = [pack(one), vec![0; zeros]].concat();
            check_skip(name, &padded, &["1:one"], &[]);
            let between = [padded, pack(b""), pack(two), vec![0; zeros]].concat();
            check_skip(name, &between, &["1:one", "2:two"], &[]);
        }
    }
}

#[test]
fn other_bytes_after_the_last_member_are_counted() {
    for (name, packed) in [("a.txt.gz", gzip(b"one\n")), ("a.txt.zst", zstandard(b"one\n"))] {
        let first = format!("{name}:1");
        for junk in [b"\n".as_slice(), b"hello", &[7; 100_000], b"\0\0junk"] {
            let bytes = [packed.as_slice(), junk].concat();
            let count = junk.len() - junk.iter().take_while(|byte| **byte == 0).count();
            check_skip(name, &bytes, &["1:one"], &[("read.trailing_bytes", count as u64, &first)]);
        }
    }
    // Data that begins like a member and is not one is damage.
    let broken = [gzip(b"one\n").as_slice(), b"\x1f\x8b\x00"].concat();
    check_skip("a.txt.gz", &broken, &["1:one"], &[("read.damaged_file", 1, "a.txt.gz:1")]);
    check_error(
        "a.txt.gz",
        b"plain text\n",
        "a.txt.gz:1 is damaged or cut short (it does not begin as gzip data does): fetch or write the file again",
    );
}

/// Compresses `bytes` to a frame with a window of `1 << log` bytes that does not state its size.
fn long(bytes: &[u8], log: u32) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(27.min(log)).unwrap();
    encoder.write_all(bytes).unwrap();
    let mut frame = encoder.finish().unwrap();
    // The encoder would need the memory of the window, so the window is set in the header of the frame afterwards (RFC
    // 8878, 3.1.1.1.2).
    assert_eq!(frame[4] & 0x20, 0, "a frame that tells its window");
    frame[5] = ((log - 10) << 3) as u8;
    frame
}

#[test]
fn long_windows_are_read_up_to_a_limit() {
    for log in [20, 27, 28, 30, 31] {
        check("a.txt.zst", &long(b"one\ntwo\n", log), &["1:one", "2:two"]);
    }
    let two = [long(b"one\n", 20), long(b"two\n", 31)].concat();
    check("a.txt.zst", &two, &["1:one", "2:two"]);
    check_error(
        "a.txt.zst",
        &long(b"one\n", 33),
        "a.txt.zst is not read: its zstd data needs a window of 8589934592 bytes, and up to 2 GiB are read: pack \
         it again with at most `zstd --long=31`",
    );
    let line = [b'x'; 1023].as_slice();
    let many = [line, b"\n"].concat().repeat(300 << 10);
    let folder = Folder::new(&[("a.txt.zst", &long(&many, 31)), ("b.txt.zst", &long(&many, 27))]);
    let error =
        folder.source("a.txt.zst").read(&Ledger::new()).unwrap().find_map(Result::err).unwrap();
    assert!(error.to_string().contains("unpacks to more than 256 times its size"), "{error}");
    assert_eq!(folder.source("b.txt.zst").read(&Ledger::new()).unwrap().count(), 300 << 10);
}
