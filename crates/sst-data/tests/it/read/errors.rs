//! Broken text files: a clear error with its place, or a counted skip.

use super::*;

#[test]
fn bad_utf8_is_placed_and_explained() {
    let latin = b"plain\ncaf\xe9 cr\xe8me\nlast\n";
    check_error(
        "a.txt",
        latin,
        "a.txt:2 is not UTF-8 (byte 9 of the file): convert the file, e.g. with `iconv -f LATIN1 -t UTF-8` \
         (or GB18030 for Chinese)",
    );
    check_skip("a.txt", latin, &["1:plain", "3:last"], &[("read.invalid_utf8", 1, "a.txt:2")]);
    let bom = b"\xef\xbb\xbfab\xff";
    check_error(
        "a.csv",
        &[bom.as_slice(), b"\n1\n"].concat(),
        "a.csv:1 is not UTF-8 (byte 5 of the file): convert the file, e.g. with `iconv -f LATIN1 -t UTF-8` \
         (or GB18030 for Chinese)",
    );
    check_error(
        "a.txt",
        &gzip(b"hello hello"),
        "a.txt:1 is not UTF-8 (byte 1 of the file): it is gzip data: end the file's name in .gz",
    );
    check_error(
        "a.txt",
        b"\xff\xfeh\0i\0",
        "a.txt:1 is not UTF-8 (byte 0 of the file): it is UTF-16: convert it, e.g. with \
         `iconv -f UTF-16 -t UTF-8`",
    );
}

#[test]
fn a_paragraph_with_a_bad_line_is_skipped_whole() {
    let text = b"a\n\xff\n\xff\nb\n\nc\n";
    let counts = [("read.invalid_utf8", 1, "a.txt:2")];
    check_skip_as(Some(Format::Paragraphs), "a.txt", text, &["6:c"], &counts);
}

#[test]
fn bad_jsonl_is_placed_and_explained() {
    check_error(
        "a.jsonl",
        b"{\"text\": \"x\"}\n{\"text\": \"y\"\n",
        "a.jsonl:2: not valid JSON (EOF while parsing an object, column 12): write one object a line",
    );
    let array =
        "a.jsonl:1: a JSON array, not an object: write one object a line, e.g. with `jq -c '.[]'`";
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
fn bad_csv_is_placed_and_explained() {
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
    check_error("a.csv", b"text,text\n1,2\n", "a.csv:1: column `text` stands twice in the header");
    check_skip(
        "a.csv",
        b"id,text\n1,\"bad \xff\nstill\"\n2,good\n3\n4,also",
        &["4:good", "6:also"],
        &[("read.invalid_utf8", 1, "a.csv:2"), ("read.malformed", 1, "a.csv:5")],
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
        let counts = if name == "b.txt" { vec![blank, empty] } else { vec![empty] };
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
fn skipping_goes_on_with_the_next_file() {
    let folder = Folder::new(&[("1.txt", b""), ("2.txt.gz", b"\x1f\x8bxx"), ("3.txt", b"x\ny\n")]);
    let ledger = Ledger::new();
    let source = Source { on_error: OnError::Skip, ..folder.source("") };
    let examples: Vec<Example> = source.read(&ledger).unwrap().map(Result::unwrap).collect();
    assert_eq!(shown(&examples), ["1:x", "2:y"]);
    assert_eq!(examples.iter().map(|e| e.index).collect::<Vec<_>>(), [0, 1]);
    assert_eq!((ledger.count("read.empty_file"), ledger.count("read.damaged_file")), (1, 1));
}
