//! Broken text files: a clear error with its place, or a counted skip.

use super::*;

#[test]
fn bad_utf8_is_reported_with_place_and_advice() {
    let latin = b"plain\ncaf\xe9 cr\xe8me\nlast\n";
    check_error(
        "a.txt",
        latin,
        "a.txt:2 is not UTF-8 (byte 9 of the file): it looks like Latin-1: convert the file with \
         `iconv -f LATIN1 -t UTF-8`",
    );
    check_skip("a.txt", latin, &["1:plain", "3:last"], &[("read.invalid_utf8", 1, "a.txt:2")]);
    let bom = b"\xef\xbb\xbfcaf\xe9";
    check_error(
        "a.csv",
        &[bom.as_slice(), b" au lait\n1\n"].concat(),
        "a.csv:1 is not UTF-8 (byte 6 of the file): it looks like Latin-1: convert the file with \
         `iconv -f LATIN1 -t UTF-8`",
    );
    // "分久必合" in GB18030, from Python's codec, as the text of every format of text.
    let chinese = b"\xb7\xd6\xbe\xc3\xb1\xd8\xba\xcf";
    for (name, before, after, byte) in [
        ("a.txt", "ok\n", "\n", 3),
        ("a.csv", "id,text\n1,", "\n", 10),
        ("a.tsv", "id\ttext\n1\t", "\n", 10),
        ("a.jsonl", "{\"id\": 1, \"text\": \"", "\"}\n", 19),
    ] {
        let bytes = [before.as_bytes(), chinese, after.as_bytes()].concat();
        let line = before.lines().count().max(2) - usize::from(name == "a.jsonl");
        let line = if name == "a.txt" { 2 } else { line };
        let expected = format!(
            "{name}:{line} is not UTF-8 (byte {byte} of the file): it looks like Chinese in GB18030 (or GBK): \
             convert the file with `iconv -f GB18030 -t UTF-8`"
        );
        check_error(name, &bytes, &expected);
    }
}

#[test]
fn files_of_other_kinds_are_named() {
    let utf16 = |text: &str, mark: bool| -> Vec<u8> {
        let text = if mark { format!("\u{feff}{text}") } else { text.to_owned() };
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    let iconv = |from: &str| format!("convert it with `iconv -f {from} -t UTF-8`");
    for (bytes, expected) in [
        (gzip(b"hello hello"), "gzip data: end the file's name in .gz".to_owned()),
        (zstandard(b"hello"), "zstd data: end the file's name in .zst".to_owned()),
        (b"BZh91AY&SY".to_vec(), "bzip2 data: unpack it with `bunzip2`".to_owned()),
        (b"\xfd7zXZ\0\0".to_vec(), "xz data: unpack it with `unxz`".to_owned()),
        (b"PK\x03\x04..".to_vec(), "a zip archive: unpack it with `unzip`".to_owned()),
        (b"PAR1....".to_vec(), "Parquet: set the format to parquet".to_owned()),
        (utf16("hi", true), format!("UTF-16: {}", iconv("UTF-16"))),
        (
            utf16("hello\nthere\n", false),
            format!("UTF-16 without a byte order mark: {}", iconv("UTF-16LE")),
        ),
        (
            utf16("天下大势\n分久必合\n", false),
            format!("UTF-16 without a byte order mark: {}", iconv("UTF-16LE")),
        ),
    ] {
        for name in ["a.txt", "a.csv", "a.tsv", "a.jsonl"] {
            let folder = Folder::new(&[(name, &bytes)]);
            let error = folder.strip(&read(&folder.source(name)).unwrap_err().to_string());
            assert!(error.starts_with(&format!("{name} is {expected}")), "{error}");
            let first = format!("{name}:1");
            check_skip(name, &bytes, &[], &[("read.foreign_file", 1, &first)]);
        }
        // The same holds within a compressed file.
        let folder = Folder::new(&[("a.txt.gz", &gzip(&bytes))]);
        let error = read(&folder.source("a.txt.gz")).unwrap_err().to_string();
        let expected =
            expected.replace("end the file's name in .gz", "it is packed twice: unpack it once");
        let expected =
            expected.replace("end the file's name in .zst", "it is packed twice: unpack it once");
        assert!(error.contains(&expected), "{error}");
    }
}

/// The second byte of a GB18030 character may be a backslash or a bracket, which breaks JSON.
#[test]
fn an_encoding_that_breaks_the_format_is_still_named() {
    // "俓 天下" as the value, and "文本" as the key, in GB18030.
    for line in
        [b"{\"text\": \"\x82\x5c\xcc\xec\xcf\xc2\"}".as_slice(), b"{\"\xce\xc4\xb1\xbe\": \"a\"}"]
    {
        check_error_kind("a.jsonl", line, |error| {
            matches!(error, ReadError::InvalidUtf8 { .. }) && error.to_string().contains("GB18030")
        });
    }
}

#[test]
fn a_bad_byte_counts_only_where_the_field_is_used() {
    let csv = b"id,text\n\xff,one\n2,t\xffo\n3,\"thr\nee\"\n\"\xff\n\",four\n";
    let counts = [("read.invalid_utf8", 1, "a.csv:3"), ("unused.columns", 1, "")];
    check_skip("a.csv", csv, &["2:one", "4:thr\nee", "6:four"], &counts);
    let tsv = b"id\ttext\n\xff\tone\n2\tt\xffo\n";
    let counts = [("read.invalid_utf8", 1, "a.tsv:3"), ("unused.columns", 1, "")];
    check_skip("a.tsv", tsv, &["2:one"], &counts);
    let jsonl = b"{\"id\": \"\xff\", \"text\": \"one\"}\n{\"text\": \"t\xffo\"}\n{\"\xff\": 1, \"text\": \"three\"}\n";
    let counts = [("read.invalid_utf8", 1, "a.jsonl:2"), ("unused.columns", 2, "")];
    check_skip("a.jsonl", jsonl, &["1:one", "3:three"], &counts);
}

#[test]
fn a_paragraph_with_a_bad_line_is_skipped_whole() {
    let text = b"a\n\xff\n\xff\nb\n\nc\n";
    let counts = [("read.invalid_utf8", 1, "a.txt:2")];
    check_skip_as(Some(Format::Paragraphs), "a.txt", text, &["6:c"], &counts);
}

#[test]
fn bad_jsonl_is_reported_with_place_and_advice() {
    check_error(
        "a.jsonl",
        b"{\"text\": \"x\"}\n{\"text\": \"y\"\n",
        "a.jsonl:2: not valid JSON (the line ends within the object): write one object a line; objects over \
         several lines become such with `jq -c . FILE > FILE.jsonl`",
    );
    let array = "a.jsonl:1: a JSON array, not an object: write one object a line, e.g. with `jq -c '.[]' FILE > FILE.jsonl`";
    check_error("a.jsonl", b"[\n {\"text\": \"x\"}\n]", array);
    check_error("a.jsonl", b"[{\"text\": \"x\"}]", array);
    check_error(
        "a.jsonl",
        b"{\"id\": 1, \"body\": \"x\"}",
        "a.jsonl:1 has no field `text` (it has `id`, `body`): set `text_field` to the one to read",
    );
    check_error(
        "a.jsonl",
        b"{\"text\": null}",
        "a.jsonl:1: field `text` is null, not a string: choose another field or convert it",
    );
    check_skip(
        "a.jsonl",
        b"{}\n{\"text\": 3}\n{\n{\"text\": \"x\"}\n\"\\ud800\"\n\xff\n{\"text\": [1]}",
        &["4:x"],
        &[
            ("read.invalid_utf8", 1, "a.jsonl:6"),
            ("read.malformed", 2, "a.jsonl:3"),
            ("read.missing_field", 1, "a.jsonl:1"),
            ("read.not_text", 2, "a.jsonl:2"),
        ],
    );
    let deep = "[".repeat(100_000);
    check_skip("a.jsonl", deep.as_bytes(), &[], &[("read.malformed", 1, "a.jsonl:1")]);
}

#[test]
fn bad_csv_is_reported_with_place_and_advice() {
    check_error(
        "a.csv",
        b"id;text\n1;x\n",
        "a.csv:2 has no field `text` (it has `id;text`): set `text_field` to the one to read",
    );
    check_error(
        "a.csv",
        b"id,text\n1,\"two\nlines\"\n2,x,y\n",
        "a.csv:4: 3 fields where the header has 2: check the quotes and separators",
    );
    check_error(
        "a.csv",
        b"text\nx\n\"never\nclosed\n",
        "a.csv:3: a quote opened here is never closed: double a quote that is data",
    );
    let twice = |column: &str| {
        format!(
            "a.csv:1: column `{column}` occurs twice in the header: rename or remove one of them"
        )
    };
    check_error("a.csv", b"text,text\n1,2\n", &twice("text"));
    check_error("a.csv", b"a,text, a\n1,2,3\n", &twice("a"));
    // Spreadsheets leave columns without a name at the end.
    check("a.csv", b"text,,\none,,\n", &["2:one"]);
    check_skip(
        "a.csv",
        b"id,text\n1,\"bad \xff\nstill\"\n2,good\n3\n4,also",
        &["4:good", "6:also"],
        &[
            ("read.invalid_utf8", 1, "a.csv:2"),
            ("read.malformed", 1, "a.csv:5"),
            ("unused.columns", 1, ""),
        ],
    );
    let row = |n: usize| (0..n).map(|i| format!("c{i}")).collect::<Vec<_>>().join(",");
    let wide = format!("{0}\n{0}\n", row(100));
    let folder = Folder::new(&[("a.csv", wide.as_bytes())]);
    let source = Source { text_field: "c99".into(), ..folder.source("a.csv") };
    assert_eq!(shown(&read(&source).unwrap()), ["2:c99"]);
}

#[test]
fn files_without_documents_are_named() {
    let message = |name| format!("{name} holds no document: remove the file or write one into it");
    for (name, bytes) in [
        ("a.txt", b"".as_slice()),
        ("b.txt", b"\n \r\n"),
        ("c.txt", b"\xef\xbb\xbf"),
        ("d.txt.gz", b""),
        ("e.jsonl.gz", &gzip(b"")),
        ("f.txt.zst", &zstandard(b"")),
        ("g.csv", b"id,text\n"),
    ] {
        check_error(name, bytes, &message(name));
        let first = format!("{name}:1");
        let blank = ("read.blank_lines", 2, &*first);
        let empty = ("read.empty_file", 1, &*first);
        let counts = match name {
            "b.txt" => vec![blank, empty],
            "g.csv" => vec![empty, ("unused.columns", 1, "")],
            _ => vec![empty],
        };
        check_skip(name, bytes, &[], &counts);
    }
}

#[test]
fn damaged_compression_is_an_error() {
    let text: String = (0..20_000_u64).map(|i| format!("{}\n", i.wrapping_mul(i) % 7919)).collect();
    for (name, whole) in
        [("a.txt.gz", gzip(text.as_bytes())), ("a.txt.zst", zstandard(text.as_bytes()))]
    {
        let folder = Folder::new(&[(name, &whole[..whole.len() - 7])]);
        let mut documents = folder.source(name).read(&Ledger::new()).unwrap();
        let error = documents.find_map(Result::err).expect("a truncated file is an error");
        assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
        let message = folder.strip(&error.to_string());
        assert!(message.starts_with(name) && message.contains("fetch or write"), "{message}");
        assert!(documents.next().is_none(), "nothing comes after an error");
        check_error_kind(name, b"not compressed at all", |e| {
            matches!(e, ReadError::Damaged { .. })
        });
    }
    let half = gzip(b"one\ntwo\n");
    let broken = [half.as_slice(), &half[..half.len() - 4]].concat();
    let counts = [("read.damaged_file", 1, "a.txt.gz:1")];
    check_skip("a.txt.gz", &broken, &["1:one", "2:two", "3:one", "4:two"], &counts);
}

#[test]
fn skipping_continues_with_the_next_file() {
    let folder = Folder::new(&[("1.txt", b""), ("2.txt.gz", b"\x1f\x8bxx"), ("3.txt", b"x\ny\n")]);
    let ledger = Ledger::new();
    let source = Source { on_error: OnError::Skip, ..folder.source("") };
    let examples: Vec<Example> = source.read(&ledger).unwrap().map(Result::unwrap).collect();
    assert_eq!(shown(&examples), ["1:x", "2:y"]);
    assert_eq!(examples.iter().map(|e| e.index).collect::<Vec<_>>(), [0, 1]);
    assert_eq!((ledger.count("read.empty_file"), ledger.count("read.damaged_file")), (1, 1));
}
