//! Small valid files are changed at random. Reading them must never panic nor take much memory, and must count what is
//! skipped. `cargo xtask fuzz mutated_files` runs longer.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// A change of the bytes of a file.
#[derive(Debug, Clone)]
enum Mutation {
    /// Flips bits of one byte.
    Flip(Index, u8),
    /// Overwrites bytes with a token of one of the formats.
    Write(Index, Vec<u8>),
    /// Inserts such a token.
    Insert(Index, Vec<u8>),
    /// Removes up to this many bytes.
    Remove(Index, usize),
    /// Copies a part of the file over another part.
    Copy(Index, Index, usize),
    /// Repeats a part.
    Repeat(Index, usize, usize),
    /// Cuts the file off.
    Cut(Index),
}

fn tokens() -> impl Strategy<Value = Vec<u8>> {
    let known: [&[u8]; 26] = [
        b"\0",
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\x7f",
        b"\x80\x80\x80\x80\x08",
        b"\"",
        b"\\",
        b"\\ud800",
        b"{\"text\":",
        b"}",
        b"[[[[",
        b"NaN",
        b"1e999",
        b",",
        b"\t",
        b"\n",
        b"\r",
        b"\xef\xbb\xbf",
        b"\x1f\x8b\x08",
        b"\x28\xb5\x2f\xfd",
        b"\x50\x2a\x4d\x18\xff\xff\xff\xff",
        b"PAR1",
        b"\n\n",
        b" B-X",
        b"\"qas\": [",
        b"\"answers\": [{\"text\":",
    ];
    prop_oneof![
        prop::sample::select(known.map(<[u8]>::to_vec).to_vec()),
        prop::collection::vec(any::<u8>(), 1..9),
    ]
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        4 => (any::<Index>(), 1_u8..).prop_map(|(at, mask)| Mutation::Flip(at, mask)),
        2 => (any::<Index>(), tokens()).prop_map(|(at, bytes)| Mutation::Write(at, bytes)),
        2 => (any::<Index>(), tokens()).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        1 => (any::<Index>(), 1_usize..64).prop_map(|(at, count)| Mutation::Remove(at, count)),
        1 => (any::<Index>(), any::<Index>(), 1_usize..64).prop_map(|(from, to, count)| Mutation::Copy(from, to, count)),
        1 => (any::<Index>(), 1_usize..64, 1_usize..50).prop_map(|(at, count, times)| Mutation::Repeat(at, count, times)),
        1 => any::<Index>().prop_map(Mutation::Cut),
    ]
}

fn apply(bytes: &mut Vec<u8>, mutation: &Mutation) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    let end = |at: usize, count: usize| (at + count).min(length);
    match mutation {
        Mutation::Flip(at, mask) => bytes[at.index(length)] ^= mask,
        Mutation::Write(at, new) => {
            let at = at.index(length);
            let end = end(at, new.len());
            bytes[at..end].copy_from_slice(&new[..end - at]);
        }
        Mutation::Insert(at, new) => {
            let at = at.index(length);
            bytes.splice(at..at, new.iter().copied());
        }
        Mutation::Remove(at, count) => {
            let at = at.index(length);
            bytes.drain(at..end(at, *count));
        }
        Mutation::Copy(from, to, count) => {
            let (from, to) = (from.index(length), to.index(length));
            let part = bytes[from..end(from, *count)].to_vec();
            let end = end(to, part.len());
            bytes[to..end].copy_from_slice(&part[..end - to]);
        }
        Mutation::Repeat(at, count, times) => {
            let at = at.index(length);
            let part = bytes[at..end(at, *count)].repeat(*times);
            bytes.splice(at..at, part);
        }
        Mutation::Cut(at) => bytes.truncate(at.index(length)),
    }
}

const JSONL: &str = "{\"text\": \"天下大勢\", \"n\": [1, {\"a\": null}], \"s\": \"\\u00e9\\ud83d\\ude00\"}\n\
                     {\"n\": -1.5e3, \"text\": \"fēn jiǔ bì hé\"}\n";
const SQUAD: &str = "{\"version\": \"v2.0\", \"data\": [{\"title\": \"n\", \"paragraphs\": [{\"context\": \"in 巴黎 \\ud83d\\ude00\",\n \
                     \"qas\": [{\"id\": \"a\", \"question\": \"where\", \"answers\": [{\"text\": \"巴黎\", \"answer_start\": 3}]},\n \
                     {\"id\": 2, \"question\": \"who\", \"is_impossible\": true, \"answers\": []}]}]}]}\n";
const CMRC: &str = "[{\"context_text\": \"在巴黎\", \"qas\": [{\"query_id\": \"q\", \"query_text\": \"where\", \"answers\": \
                    [\"巴黎\", \"x\"]}]}, {\"context_text\": \"\", \"qas\": []}]";
const CSV: &str = "id,text,more\n1,\"a, \"\"b\"\"\nc\",x\n2,合久必分,\r\n";

/// The names and bytes of the valid files.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut seeds = vec![
        ("a.txt", b"one\r\ntwo\rthree\n\nfour".to_vec()),
        ("a.jsonl", JSONL.into()),
        ("a.csv", CSV.into()),
        ("a.tsv", CSV.replace(',', "\t").into()),
    ];
    for (name, text) in [("a.jsonl.gz", JSONL), ("a.csv.gz", CSV)] {
        seeds.push((name, [gzip(text.as_bytes()), gzip(b""), vec![0; 9]].concat()));
    }
    for (name, text) in [("a.jsonl.zst", JSONL), ("a.csv.zst", CSV)] {
        seeds.push((name, [zstandard(text.as_bytes()), zstandard(b"x\n")].concat()));
    }
    seeds.push(("a.conll", super::conll::CONLL.into()));
    seeds.push(("b.bmes", "当 O\r\n北 B-LOC\r\n京 E-LOC\r\n\r\n沪 S-LOC\r\n".into()));
    seeds.push(("a.conllu", super::conllu::CONLLU.into()));
    seeds.push(("a.json", SQUAD.into()));
    seeds.push(("b.json", CMRC.into()));
    seeds.push(("a.json.gz", gzip(SQUAD.as_bytes())));
    #[cfg(feature = "parquet")]
    seeds.extend(super::parquet::seeds());
    seeds
}

/// The format of a seed, and its field of texts.
fn format_of(name: &str) -> (Option<Format>, &'static str) {
    match name.contains(".json") && !name.contains(".jsonl") {
        true => (Some(Format::Squad), "question"),
        false => (None, "text"),
    }
}

/// Reads a file in every way, and checks that the result is bounded and that everything skipped is counted.
fn check_read(name: &str, bytes: &[u8]) -> Result<(), TestCaseError> {
    let folder = Folder::new(&[(name, bytes)]);
    let start = std::time::Instant::now();
    for on_error in [OnError::Fail, OnError::Skip] {
        let (format, text_field) = format_of(name);
        let source = Source {
            on_error,
            format,
            text_field: text_field.into(),
            other_fields: vec!["n".into(), "id".into()],
            ..folder.source(name)
        };
        let ledger = Ledger::new();
        let read = source.read(&ledger).unwrap();
        let mut documents = 0_u64;
        for example in read {
            prop_assert!(on_error == OnError::Fail || example.is_ok(), "{:?}", example.err());
            documents += 1;
            prop_assert!(documents < 100_000, "more documents than the file can hold");
        }
        let whole: Vec<_> = source.read_all_fields(&ledger).unwrap().collect();
        prop_assert!(on_error == OnError::Fail || whole.iter().all(Result::is_ok));
        if on_error == OnError::Skip && documents == 0 {
            prop_assert!(!ledger.entries().is_empty(), "nothing is read and nothing is told");
        }
        for document in whole.into_iter().flatten() {
            // The kept fields can be read again.
            let kept = document.fields.iter().filter(|field| !field.is_text);
            let line: Vec<&str> = kept.map(|field| field.json.as_str()).collect();
            let line = format!(
                "{{\"\u{1}\u{2}\":1{}{}}}",
                if line.is_empty() { "" } else { "," },
                line.join(",")
            );
            let again = Folder::new(&[("b.jsonl", line.replace("\u{1}\u{2}", "never").as_bytes())]);
            let source = Source { text_field: "never".into(), ..again.source("b.jsonl") };
            let error = read_first(&source);
            prop_assert!(error.contains("field `never` is a number"), "{error}\n{line}");
        }
    }
    prop_assert!(start.elapsed().as_secs() < 20, "{name} took {:?}", start.elapsed());
    Ok(())
}

fn read_first(source: &Source) -> String {
    match source.read(&Ledger::new()).unwrap().next() {
        Some(Err(error)) => error.to_string(),
        other => format!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn mutated_files_do_no_harm(
        seed in any::<Index>(),
        mutations in prop::collection::vec(mutation(), 1..6),
    ) {
        let seeds = seeds();
        let (name, mut bytes) = seeds[seed.index(seeds.len())].clone();
        for mutation in &mutations {
            apply(&mut bytes, mutation);
        }
        check_read(name, &bytes)?;
        // The same damage inside intact compression.
        if !name.contains(".gz") && !name.contains(".zst") && !name.contains("parquet") {
            check_read(&format!("{name}.gz"), &gzip(&bytes))?;
        }
    }
}
