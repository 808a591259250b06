//! The documents that each format gives.

use super::*;

#[test]
fn text_is_a_document_a_line() {
    check("a.txt", b"one\n\n  \ntwo\nthree", &["1:one", "4:two", "5:three"]);
    check("a.txt", b"\xef\xbb\xbfone\r\n\r\ntwo\r\n", &["1:one", "3:two"]);
    check("a.txt", b"\xef\xbb\xbf\xef\xbb\xbfx", &["1:x"]);
    check("a.txt", b"x", &["1:x"]);
    check("a.TXT.GZ", &gzip("天下大勢".as_bytes()), &["1:天下大勢"]);
}

#[test]
fn paragraphs_are_separated_by_blank_lines() {
    let text = b"\n\na\r\nb\r\n \t\r\n\r\n\r\nc\r\n";
    check_as(Some(Format::Paragraphs), "a.txt", text, &["3:a\nb", "8:c"]);
    check_as(Some(Format::Paragraphs), "a.txt.zst", &zstandard(b"a\nb"), &["1:a\nb"]);
}

#[test]
fn lines_end_in_lf_crlf_or_cr() {
    for end in ["\n", "\r\n", "\r"] {
        let join = |lines: &[&str]| lines.join(end).into_bytes();
        check("a.txt", &join(&["one", "", "two", "three"]), &["1:one", "3:two", "4:three"]);
        check("a.csv", &join(&["id,text", "1,one", "2,two", ""]), &["2:one", "3:two"]);
        check("a.csv", &join(&["text", "one", "two"]), &["2:one", "3:two"]);
        check("a.tsv", &join(&["id\ttext", "1\tone", "2\ttwo"]), &["2:one", "3:two"]);
        check(
            "a.jsonl",
            &join(&["{\"text\": \"one\"}", "{\"text\": \"two\"}"]),
            &["1:one", "2:two"],
        );
        let paragraphs = join(&["one", "two", "", "", "three", ""]);
        check_as(Some(Format::Paragraphs), "a.txt", &paragraphs, &["1:one\ntwo", "5:three"]);
        // Within quotes a line end is part of the value, and still counts as a line.
        let inside = if end == "\r" { "\r" } else { "\n" };
        let expected = format!("2:one{inside}more");
        check("a.csv", &join(&["id,text", "1,\"one", "more\"", "2,two"]), &[&expected, "4:two"]);
        check("a.txt.gz", &gzip(&join(&["one", "two"])), &["1:one", "2:two"]);
        check("a.txt.zst", &zstandard(&join(&["one", "two"])), &["1:one", "2:two"]);
    }
    check("a.txt", b"a\rb\nc\r\nd\r\n\re\r", &["1:a", "2:b", "3:c", "4:d", "6:e"]);
    // A CR and its LF count as one line end also if they are in two buffers, which hold 64 KiB.
    let long = format!("{}\r\nnext", "x".repeat((1 << 16) - 1));
    check("a.txt", long.as_bytes(), &[&format!("1:{}", "x".repeat((1 << 16) - 1)), "2:next"]);
    let error = "a.txt:3 is not UTF-8 (byte 9 of the file): it looks like Latin-1: convert the file with \
                 `iconv -f LATIN1 -t UTF-8`";
    check_error("a.txt", b"a\r\nbb\rcaf\xe9 au lait", error);
}

#[test]
fn byte_order_marks_of_joined_files_are_skipped_and_counted() {
    let mark = "\u{feff}";
    let marks = |count, place| [("read.byte_order_marks", count, place)];
    let jsonl = format!("{mark}{{\"text\": \"a\"}}\n{mark}{{\"text\": \"b\"}}\n");
    check_skip("a.jsonl", jsonl.as_bytes(), &["1:a", "2:b"], &marks(1, "a.jsonl:2"));
    let twice = format!("{mark}{mark}{{\"text\": \"a\"}}\n");
    check_skip("a.jsonl", twice.as_bytes(), &["1:a"], &marks(1, "a.jsonl:1"));
    check_skip(
        "a.txt",
        format!("a\n{mark}b\nc{mark}").as_bytes(),
        &["1:a", "2:b", &format!("3:c{mark}")],
        &marks(1, "a.txt:2"),
    );
    // Where a table was appended to a file, its header occurs again.
    let csv = format!("{mark}text,id\none,1\n{mark}text,id\ntwo,1\n");
    let counts = [
        marks(1, "a.csv:3")[0],
        ("read.repeated_headers", 1, "a.csv:3"),
        ("unused.columns", 1, ""),
    ];
    check_skip("a.csv", csv.as_bytes(), &["2:one", "4:two"], &counts);
    check("a.csv", b"text,id\ntext,id\n", &["2:text"]);
}

#[test]
fn the_text_field_is_renamed() {
    let files: &[(&str, &[u8])] = &[
        ("a.jsonl", b"{\"body\": \"x\", \"text\": \"no\"}\n\n{\"body\": \"y\"}\n"),
        ("b.csv", b"id,body\n1,x\n2,y\n"),
        ("c.tsv", b"body\tid\nx\t1\ny\t2\n"),
    ];
    let folder = Folder::new(files);
    for (name, lines) in
        [("a.jsonl", ["1:x", "3:y"]), ("b.csv", ["2:x", "3:y"]), ("c.tsv", ["2:x", "3:y"])]
    {
        let source = Source { text_field: "body".into(), ..folder.source(name) };
        assert_eq!(shown(&read(&source).unwrap()), lines, "{name}");
    }
}

#[test]
fn csv_is_quoted_and_tsv_is_raw() {
    let csv = "\u{feff}id,text\r\n01,\"a, \"\"b\"\"\r\nsecond\"\r\n\r\n02,c\r\n";
    check("a.csv", csv.as_bytes(), &["2:a, \"b\"\nsecond", "5:c"]);
    check("a.csv.gz", &gzip(b"text\nx\n"), &["2:x"]);
    check("a.csv", b"text,id\n5\" pipe,1\n,2", &["2:5\" pipe", "3:"]);
    check("a.tsv", b"id\ttext\n1\t\"open\n2\tb, \"c\"\n", &["2:\"open", "3:b, \"c\""]);
    let folder = Folder::new(&[("a.csv", b"id,text\n007,x")]);
    let source = Source { other_fields: vec!["id".into()], ..folder.source("a.csv") };
    assert_eq!(read(&source).unwrap()[0].text("id"), Some("007"));
}

#[test]
fn tsv_is_unquoted_where_its_writer_had_to_quote() {
    // These are fields as pandas and `csv.writer` write them.
    let written = b"text\tid\n\"he said \"\"hi\"\" ok\"\t1\nplain\t2\n\"\"\"q\"\"\"\t3\n\"\"\t4\n\"\"\"\"\t5\n";
    let counts = [("read.unquoted_fields", 4, "a.tsv:2"), ("unused.columns", 1, "")];
    let expected = ["2:he said \"hi\" ok", "3:plain", "4:\"q\"", "5:", "6:\""];
    check_skip("a.tsv", written, &expected, &counts);
    // These are files with `csv.QUOTE_ALL`, and with `csv.QUOTE_NONNUMERIC` and an index.
    let all = b"\"text\"\t\"id\"\r\n\"a \"\"b\"\"\"\t\"1\"\r\n\"plain\"\t\"2\"\r\n";
    let counts = [("read.unquoted_fields", 4, "a.tsv:2"), ("unused.columns", 1, "")];
    check_skip("a.tsv", all, &["2:a \"b\"", "3:plain"], &counts);
    let some = b"\"\"\t\"text\"\n0\t\"plain\"\n1\t\"open\n2\t\"a\" and \"b\"\n";
    check("a.tsv", some, &["2:plain", "3:\"open", "4:\"a\" and \"b\""]);
    // Column names are unquoted, too.
    let names = b"\"a \"\"b\"\"\"\ttext\n1\tx\n";
    check("a.tsv", names, &["2:x"]);
}

#[test]
fn raw_quotes_of_tsv_are_kept() {
    let raw = b"id\ttext\n1\t\"plain\"\n2\t5\" pipe\n3\t\"\"hi\"\"\n4\t\"\n5\t\"\"\"\n6\t\"a\" and \"b\"\n7\tx \"\"y\"\"\n";
    let expected = [
        "2:\"plain\"",
        "3:5\" pipe",
        "4:\"\"hi\"\"",
        "5:\"",
        "6:\"\"\"",
        "7:\"a\" and \"b\"",
        "8:x \"\"y\"\"",
    ];
    let counts = [("read.ambiguous_quotes", 1, "a.tsv:2"), ("unused.columns", 1, "")];
    check_skip("a.tsv", raw, &expected, &counts);
    // In a single column, the number of fields does not show that a quoted value continues on the next line.
    let counts = [("read.ambiguous_quotes", 2, "a.tsv:2")];
    check_skip("a.tsv", b"text\n\"a\nb\"\n", &["2:\"a", "3:b\""], &counts);
    let advice = "check the tabs; a tab or line end within quotes is not read in TSV: write such a table as CSV";
    for (bytes, line, width) in
        [(b"id\ttext\n1\t\"a\tb\"\n".as_slice(), 2, 3), (b"text\tid\n\"a\nb\"\t1\n", 2, 1)]
    {
        let error = format!("a.tsv:{line}: {width} fields where the header has 2: {advice}");
        check_error("a.tsv", bytes, &error);
    }
}

#[test]
fn compressed_members_follow_each_other() {
    let members = [gzip(b"one\ntw"), gzip(b"o\nthree\n")].concat();
    check("a.txt.gz", &members, &["1:one", "2:two", "3:three"]);
    let frames = [zstandard(b"one\n"), zstandard(b"two\n")].concat();
    check("a.txt.zst", &frames, &["1:one", "2:two"]);
}
