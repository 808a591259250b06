//! CoNLL files: sentences with words, tags and entities.

use proptest::prelude::*;
use serde_json::{Value, json};
use sst_data::entities::{Entity, EntityScheme, write};
use sst_data::read::TagScheme;

use super::*;

/// The records of a source as JSON, with the number of each.
pub(super) fn records(source: &Source, ledger: &Ledger) -> Result<Vec<(u64, Value)>, ReadError> {
    let record = |document: sst_data::read::DocumentWithFields| {
        let fields = document.fields.iter().map(|field| match field.is_text {
            true => format!("\"{}\":{}", field.name, json!(document.example.text("text").unwrap())),
            false => field.json.clone(),
        });
        let object = format!("{{{}}}", fields.collect::<Vec<_>>().join(","));
        (document.example.key.record, serde_json::from_str(&object).unwrap())
    };
    source.read_all_fields(ledger)?.map(|document| document.map(record)).collect()
}

/// The text and the entities of each sentence: `line:text|label=part of the text|...`.
fn shown_entities(source: &Source, ledger: &Ledger) -> Vec<String> {
    let shown = |(number, record): (u64, Value)| {
        let text: Vec<char> = record["text"].as_str().unwrap().chars().collect();
        let entity = |entity: &Value| {
            let bound = |name: &str| entity[name].as_u64().unwrap() as usize;
            let part: String = text[bound("start")..bound("end")].iter().collect();
            format!("|{}={part}", entity["label"].as_str().unwrap())
        };
        let entities: String = record["entities"].as_array().unwrap().iter().map(entity).collect();
        format!("{number}:{}{entities}", text.iter().collect::<String>())
    };
    records(source, ledger).unwrap().into_iter().map(shown).collect()
}

fn check_entities(name: &str, content: &str, expected: &[&str]) -> Ledger {
    let folder = Folder::new(&[(name, content.as_bytes())]);
    let ledger = Ledger::new();
    let source = Source { format: Some(Format::Conll), ..folder.source(name) };
    assert_eq!(shown_entities(&source, &ledger), expected, "{name}");
    ledger
}

pub(super) const CONLL: &str = "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\nGerman JJ B-NP B-MISC\ncall NN I-NP O\n\n\nPeter NNP B-NP B-PER\nBlackburn NNP I-NP I-PER\n";

#[test]
fn the_fields_of_a_sentence() {
    let folder = Folder::new(&[("a.conll", CONLL.as_bytes())]);
    let ledger = Ledger::new();
    let found = records(&folder.source("a.conll"), &ledger).unwrap();
    let expected = json!({
        "text": "EU rejects German call",
        "entities": [{"start": 0, "end": 2, "label": "ORG"}, {"start": 11, "end": 17, "label": "MISC"}],
        "words": ["EU", "rejects", "German", "call"],
        "tags": ["B-ORG", "O", "B-MISC", "O"],
    });
    assert_eq!(found[0], (3, expected));
    assert_eq!((found.len(), found[1].0), (2, 9));
    let entries = ledger.entries();
    assert_eq!(entries["read.docstart_lines"].count, 1);
    assert_eq!(entries["unused.columns"].items, ["column 2", "column 3"]);
    assert_eq!(entries["read.tag_schemes"].items, ["IOB2"]);
    // As plain texts, whose other fields are not used.
    check("a.conll", CONLL.as_bytes(), &["3:EU rejects German call", "9:Peter Blackburn"]);
}

#[test]
fn every_scheme_gives_the_same_entities() {
    let expected = ["1:New York and Paris|LOC=New York|LOC=Paris", "6:Rome|LOC=Rome"];
    for (tags, name) in [
        (["B-LOC", "I-LOC", "O", "B-LOC", "B-LOC"], "IOB2"),
        (["I-LOC", "I-LOC", "O", "I-LOC", "I-LOC"], "IOB1"),
        (["B-LOC", "E-LOC", "O", "S-LOC", "S-LOC"], "BIOES"),
        (["B-LOC", "L-LOC", "O", "U-LOC", "U-LOC"], "BILOU"),
        (["B-LOC", "E-LOC", "O", "W-LOC", "W-LOC"], "BMEWO"),
        (["LOC", "LOC", "O", "LOC", "LOC"], "types without a letter"),
        (["B_LOC", "I_LOC", "_", "B_LOC", "B_LOC"], "IOB2"),
    ] {
        let lines: Vec<String> = ["New", "York", "and", "Paris", "Rome"]
            .iter()
            .zip(tags)
            .map(|(word, tag)| format!("{word} {tag}\n"))
            .collect();
        let content = format!("{}\n{}", lines[..4].concat(), lines[4]);
        let ledger = check_entities("a.txt", &content, &expected);
        assert_eq!(ledger.entries()["read.tag_schemes"].items, [name]);
        assert_eq!(ledger.count("read.repaired_tags"), 0, "{tags:?}");
    }
}

#[test]
fn chinese_by_characters_is_one_text() {
    // As in MSRA: one character a line, BMES, CRLF.
    let content = "当 O\r\n希 O\r\n望 O\r\n， O\r\n“ O\r\n北 B-LOC\r\n京 M-LOC\r\n市 E-LOC\r\n” O\r\n\r\n江 B-PER\r\n泽 M-PER\r\n民 E-PER\r\n沪 S-LOC\r\n";
    let ledger = check_entities(
        "msra.txt",
        content,
        &["1:当希望，“北京市”|LOC=北京市", "11:江泽民沪|PER=江泽民|LOC=沪"],
    );
    assert_eq!(ledger.entries()["read.tag_schemes"].items, ["BMES"]);
    // Columns separated by tabs, where a word may hold a space, or be one of Chinese.
    let tabs = "New York\tB-LOC\n\u{3000}\tO\n😀\tB-X\n";
    check_entities("a.tsv", tabs, &["1:New York \u{3000} 😀|LOC=New York|X=😀"]);
    let blanks = "北  B-LOC  \n京\t I-LOC\n";
    check_entities("a.txt", blanks, &["1:北京|LOC=北京"]);
}

#[test]
fn the_column_of_tags_and_the_scheme_may_be_set() {
    let folder = Folder::new(&[("a.conll", CONLL.as_bytes())]);
    let source = |tag_field: &str, scheme: &str| Source {
        tag_field: Some(tag_field.to_owned()),
        tag_scheme: Some(scheme.parse().unwrap()),
        ..folder.source("a.conll")
    };
    let chunks = shown_entities(&source("3", "IOB2"), &Ledger::new());
    assert_eq!(chunks[1], "9:Peter Blackburn|NP=Peter Blackburn");
    let ledger = Ledger::new();
    let parts = shown_entities(&source("2", "words"), &ledger);
    assert_eq!(parts[1], "9:Peter Blackburn|NNP=Peter|NNP=Blackburn");
    assert_eq!(ledger.entries()["unused.columns"].items, ["column 3", "column 4"]);
    assert!(!ledger.entries().contains_key("read.tag_schemes"));
    let error = |source: Source| {
        let error = records(&source, &Ledger::new()).unwrap_err().to_string();
        folder.strip(&error)
    };
    assert!(error(source("5", "IOB2")).contains("number 5, but line 3 has 4 columns"));
    assert!(error(source("1", "IOB2")).contains("a.conll: the column of tags is `1`"));
    assert!(error(source("NER", "IOB2")).contains("the column of tags is `NER`"));
    let other = error(source("4", "IO"));
    assert!(other.starts_with("a.conll:3: the label `B-ORG` is not one of IO"), "{other}");
    let ledger = Ledger::new();
    shown_entities(&source("4", "BIOES"), &ledger);
    assert_eq!(ledger.count("read.repaired_tags"), 2, "B-ORG and B-PER I-PER have no end");
}

#[test]
fn tags_that_do_not_follow_their_scheme_are_repaired_and_counted() {
    let content = "a B-X\nb I-X\n\na O\nb I-X\nc I-Y\n\na B-X\n";
    let ledger = check_entities("a.txt", content, &["1:a b|X=a b", "4:a b c|X=b|Y=c", "8:a|X=a"]);
    let entry = &ledger.entries()["read.repaired_tags"];
    assert_eq!((entry.count, entry.first.as_deref().unwrap().ends_with("a.txt:4")), (1, true));
}

#[test]
fn damage_is_told_with_file_and_line() {
    check_error(
        "a.conll",
        b"EU NNP B-ORG\nrejects VBZ\n\nok NN O\n",
        "a.conll:2: 2 columns where line 1 has 3: separate the columns of every line alike, and sentences by blank lines",
    );
    // The sentence of a bad line is left out as a whole, and the next one is read.
    let bad = b"EU B-ORG\nrejects\nGerman B-MISC\n\nok O\n\nx LOC\n\n\xff O\ny O\n\nz B-MISC\n";
    let counts = [
        ("read.invalid_utf8", 1, "a.conll:9"),
        ("read.malformed", 2, "a.conll:2"),
        ("read.tag_schemes", 1, ""),
        ("unused.columns", 3, ""),
    ];
    check_skip("a.conll", bad, &["5:ok", "12:z"], &counts);
    check_error(
        "a.conll",
        b"a B-X\n\nb O\nc LOC\n",
        "a.conll:4: `LOC` is not the label of a token: write O, or one of B, I, M, E, L, S, U and W with the type of the \
         entity, such as B-PER",
    );
    check_error(
        "a.conll",
        b"word\n",
        "a.conll:1: 1 columns where a word and its tag are needed: check the format",
    );
    check_error(
        "a.conll",
        b"a\tO\n\tO\n",
        "a.conll:2: the line has no word: fill it in, or remove the line",
    );
    check_error(
        "a.conll",
        b"a\tB\tX-B\n",
        "a.conll: the tags end with the letter of a scheme, such as `X-B`: write the letter first, such as B-PER",
    );
    check_error_kind("a.conll", b"\n-DOCSTART- O\n\n", |error| {
        matches!(error, ReadError::Empty { .. })
    });
    check_error_kind("a.conll", &gzip(b"a O\n"), |error| {
        matches!(error, ReadError::Foreign { .. })
    });
    let folder = Folder::new(&[("a.conll", b"a O\n")]);
    let source = Source { text_field: "body".into(), ..folder.source("a.conll") };
    let error = folder.strip(&read(&source).unwrap_err().to_string());
    assert!(
        error.starts_with(
            "a.conll:1 has no field `body` (it has `text`, `entities`, `words`, `tags`)"
        ),
        "{error}"
    );
}

#[test]
fn compressed_files_and_folders() {
    for (name, bytes) in
        [("a.conll.gz", gzip(CONLL.as_bytes())), ("a.bio.zst", zstandard(CONLL.as_bytes()))]
    {
        check(name, &bytes, &["3:EU rejects German call", "9:Peter Blackburn"]);
    }
    let cut = gzip(CONLL.as_bytes());
    check_error_kind("a.conll.gz", &cut[..cut.len() - 9], |error| {
        matches!(error, ReadError::Damaged { .. })
    });
    // A set of CoNLL has names such as train.txt.
    let folder =
        Folder::new(&[("train.txt", b"a O\n"), ("dev.txt", b"b O\n"), ("README.md", b"c O\n")]);
    let source = Source { format: Some(Format::Conll), ..folder.source("") };
    assert_eq!(shown(&read(&source).unwrap()), ["1:a"]);
    let folder = Folder::new(&[("a.iob2", b"a O\n"), ("b.conllu", b"")]);
    let format = |name: &str| Format::of(std::path::Path::new(name));
    assert_eq!(
        (format("a.iob2"), format("b.conllu.gz")),
        (Some(Format::Conll), Some(Format::Conllu))
    );
    let source = Source { format: Some(Format::Conll), ..folder.source("") };
    assert_eq!(shown(&read(&source).unwrap()), ["1:a"]);
}

#[test]
fn other_formats_have_no_tags() {
    let folder = Folder::new(&[("a.jsonl", b"{\"text\": \"a\"}\n")]);
    let source = Source { tag_scheme: Some(TagScheme::Words), ..folder.source("a.jsonl") };
    let error = folder.strip(&read(&source).unwrap_err().to_string());
    assert!(
        error.starts_with("a.jsonl: tag_scheme is set, but a jsonl file has no column of tags"),
        "{error}"
    );
    // The settings are a part of what names prepared data, but only where they are set.
    let plain = serde_json::to_string(&folder.source("a.jsonl")).unwrap();
    assert!(!plain.contains("tag"), "{plain}");
    let written = serde_json::to_string(&source).unwrap();
    assert_eq!(serde_json::from_str::<Source>(&written).unwrap(), source);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn entities_come_back_from_every_scheme(
        sentences in prop::collection::vec(
            prop::collection::vec(("[a-z]{1,4}|[北京上海😀]{1,2}", 0_usize..3, prop::sample::select(vec!["PER", "LOC", "a-b"])), 1..8),
            1..6,
        ),
        scheme in prop::sample::select(EntityScheme::ALL.to_vec()),
        tabs: bool,
    ) {
        let separator = if tabs { "\t" } else { "  " };
        let (mut content, mut expected) = (String::new(), Vec::new());
        for sentence in &sentences {
            // A number above 0 begins an entity, which goes on over the words with 2.
            let mut entities: Vec<Entity<'_>> = Vec::new();
            for (at, (_, number, label)) in sentence.iter().enumerate() {
                match entities.last_mut().filter(|last| *number == 2 && last.end == at) {
                    Some(last) => last.end = at + 1,
                    None if *number > 0 => entities.push(Entity { start: at, end: at + 1, label }),
                    None => {}
                }
            }
            if scheme == EntityScheme::Io {
                // In IO, entities of one type that touch are one.
                entities.dedup_by(|next, last| {
                    let touch = last.end == next.start && last.label == next.label;
                    if touch { last.end = next.end }
                    touch
                });
            }
            for ((word, ..), label) in sentence.iter().zip(write(&entities, sentence.len(), scheme).unwrap()) {
                content += &format!("{word}{separator}NN{separator}{label}\n");
            }
            content += "\n";
            let words: Vec<&str> = sentence.iter().map(|(word, ..)| word.as_str()).collect();
            let part = |entity: &Entity<'_>| (entity.label.to_owned(), words[entity.start..entity.end].concat());
            let parts: Vec<_> = entities.iter().map(part).collect();
            expected.push((json!(words), parts));
        }
        let folder = Folder::new(&[("a.conll", content.as_bytes())]);
        let source = Source { tag_scheme: Some(TagScheme::Entities(scheme)), ..folder.source("a.conll") };
        let ledger = Ledger::new();
        let found = records(&source, &ledger).unwrap();
        prop_assert_eq!(ledger.count("read.repaired_tags"), 0);
        prop_assert_eq!(found.len(), expected.len());
        for ((_, record), (words, parts)) in found.iter().zip(&expected) {
            prop_assert_eq!(&record["words"], words);
            let text: Vec<char> = record["text"].as_str().unwrap().chars().collect();
            let part = |entity: &Value| {
                let bound = |name: &str| entity[name].as_u64().unwrap() as usize;
                let part: String = text[bound("start")..bound("end")].iter().filter(|c| **c != ' ').collect();
                (entity["label"].as_str().unwrap().to_owned(), part)
            };
            let found: Vec<_> = record["entities"].as_array().unwrap().iter().map(part).collect();
            prop_assert_eq!(&found, parts);
        }
    }
}
