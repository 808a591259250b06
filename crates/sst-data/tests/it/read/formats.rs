//! What each format gives.

use sst_data::Field;

use super::*;

#[test]
fn text_is_a_document_a_line() {
    check("a.txt", b"one\n\n  \ntwo\nthree", &["1:one", "4:two", "5:three"]);
    check("a.txt", b"\xef\xbb\xbfone\r\n\r\ntwo\r\n", &["1:one", "3:two"]);
    check("a.txt", b"\xef\xbb\xbf\xef\xbb\xbfx", &["1:\u{feff}x"]);
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
fn jsonl_keeps_scalar_fields() {
    let line = br#"{"id": 7, "text": "hi", "score": 0.5, "flag": true, "big": 18446744073709551615, "list": [1], "none": null, "lang": "en"}"#;
    let folder = Folder::new(&[("a.jsonl", line)]);
    let examples = read(&folder.source("a.jsonl")).unwrap();
    let fields: Vec<_> = examples[0].fields.iter().map(|(k, v)| (&**k, v.clone())).collect();
    let text = |s: &str| Field::Text(s.into());
    let expected = [
        ("big", Field::Float(18_446_744_073_709_551_615.0)),
        ("flag", Field::Int(1)),
        ("id", Field::Int(7)),
        ("lang", text("en")),
        ("score", Field::Float(0.5)),
        ("text", text("hi")),
    ];
    assert_eq!(fields, expected);
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
fn csv_is_quoted_and_tsv_is_not() {
    let csv = "\u{feff}id,text\r\n01,\"a, \"\"b\"\"\r\nsecond\"\r\n\r\n02,c\r\n";
    check("a.csv", csv.as_bytes(), &["2:a, \"b\"\nsecond", "5:c"]);
    check("a.csv.gz", &gzip(b"text\nx\n"), &["2:x"]);
    check("a.csv", b"text,id\n5\" pipe,1\n,2", &["2:5\" pipe", "3:"]);
    check("a.tsv", b"id\ttext\n1\t\"open\n2\tb, \"c\"\n", &["2:\"open", "3:b, \"c\""]);
    let folder = Folder::new(&[("a.csv", b"id,text\n007,x")]);
    let examples = read(&folder.source("a.csv")).unwrap();
    assert_eq!(examples[0].text("id"), Some("007"));
}

#[test]
fn compressed_members_follow_each_other() {
    let members = [gzip(b"one\ntw"), gzip(b"o\nthree\n")].concat();
    check("a.txt.gz", &members, &["1:one", "2:two", "3:three"]);
    let frames = [zstandard(b"one\n"), zstandard(b"two\n")].concat();
    check("a.txt.zst", &frames, &["1:one", "2:two"]);
}
