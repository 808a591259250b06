//! Arbitrary documents survive a round trip, and arbitrary bytes do no harm.

use proptest::prelude::*;

use super::*;

/// Documents that fit in one line: they are not blank and have no line ends.
fn line() -> impl Strategy<Value = String> {
    "[^\r\n]{0,30}[^\\s]"
        .prop_filter("a byte order mark is no text", |s| !s.starts_with('\u{feff}'))
}

/// Any documents: quotes, separators, line ends, nulls and all.
fn any_documents() -> impl Strategy<Value = Vec<String>> {
    let nasty = "[a-z\"',;\t 天。\u{0}\u{3000}\\\\]{0,20}";
    prop::collection::vec(prop_oneof![any::<String>(), nasty], 1..20)
}

fn read_back(name: &str, bytes: &[u8]) -> Vec<String> {
    let folder = Folder::new(&[(name, bytes)]);
    let examples = read(&folder.source(name)).unwrap();
    examples.iter().map(|e| e.text("text").unwrap().to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn text_round_trips(documents in prop::collection::vec(line(), 1..20), crlf: bool) {
        let bytes = documents.join(if crlf { "\r\n" } else { "\n" });
        prop_assert_eq!(&read_back("a.txt", bytes.as_bytes()), &documents);
        prop_assert_eq!(&read_back("a.txt.gz", &gzip(bytes.as_bytes())), &documents);
    }

    #[test]
    fn jsonl_round_trips(documents in any_documents()) {
        let lines: Vec<String> =
            documents.iter().map(|text| serde_json::json!({ "n": 1, "text": text }).to_string()).collect();
        let bytes = lines.join("\n");
        prop_assert_eq!(&read_back("a.jsonl", bytes.as_bytes()), &documents);
        prop_assert_eq!(&read_back("a.jsonl.zst", &zstandard(bytes.as_bytes())), &documents);
    }

    #[test]
    fn csv_round_trips(documents in any_documents(), crlf: bool) {
        let mut writer = csv::WriterBuilder::new();
        if crlf {
            writer.terminator(csv::Terminator::CRLF);
        }
        let mut writer = writer.from_writer(Vec::new());
        writer.write_record(["id", "text", "more"]).unwrap();
        for text in &documents {
            writer.write_record(["1", text, "z"]).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        // CRLF becomes LF, also inside quotes.
        let expected: Vec<String> = documents.iter().map(|text| text.replace("\r\n", "\n")).collect();
        prop_assert_eq!(read_back("a.csv", &bytes), expected);
    }

    #[test]
    fn tsv_round_trips(documents in prop::collection::vec(line().prop_map(|s| s.replace('\t', " ")), 1..20), all: bool) {
        let style = if all { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
        let mut writer = csv::WriterBuilder::new();
        let mut writer = writer.delimiter(b'\t').quote_style(style).from_writer(Vec::new());
        writer.write_record(["id", "text", "more"]).unwrap();
        for text in &documents {
            writer.write_record(["1", text, "z"]).unwrap();
        }
        prop_assert_eq!(read_back("a.tsv", &writer.into_inner().unwrap()), documents);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 1..400), skip: bool) {
        for name in ["a.txt", "a.jsonl", "a.csv", "a.tsv", "a.txt.gz", "a.txt.zst", "a.parquet"] {
            let folder = Folder::new(&[(name, &bytes)]);
            let on_error = if skip { OnError::Skip } else { OnError::Fail };
            let source = Source { on_error, ..folder.source(name) };
            let results: Vec<_> = source.read(&Ledger::new()).unwrap().collect();
            prop_assert!(!skip || results.iter().all(Result::is_ok), "{name}");
        }
    }
}
