//! CoNLL-U files: syntactic words, with tags from a column or from MISC.

use serde_json::{Value, json};

use super::conll::records;
use super::*;

pub(super) const CONLLU: &str = "# sent_id = 1\n# text = Vámonos al mar, Peter.\n\
    1-2\tVámonos\t_\t_\t_\t_\t_\t_\t_\t_\n\
    1\tVamos\tir\tVERB\tVB\t_\t0\troot\t_\tNER=O\n\
    2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_\n\
    3-4\tal\t_\t_\t_\t_\t_\t_\t_\t_\n\
    3\ta\ta\tADP\tIN\t_\t5\tcase\t_\tNER=O\n\
    4\tel\tel\tDET\tDT\t_\t5\tdet\t_\tNER=O\n\
    5\tmar\tmar\tNOUN\tNN\t_\t1\tobl\t_\tNER=B-LOC|SpaceAfter=No\n\
    5.1\tnada\t_\t_\t_\t_\t_\t_\t_\t_\n\
    6\t,\t,\tPUNCT\t_\t_\t7\tpunct\t_\t_\n\
    7\tPeter\tPeter\tPROPN\tNNP\t_\t1\tvocative\t_\tSpaceAfter=No|NER=B-PER\n\
    8\t.\t.\tPUNCT\t.\t_\t1\tpunct\t_\t_\n\n\
    # sent_id = 2\n1\t北京\t_\tPROPN\t_\t_\t0\troot\t_\tNER=B-LOC\n2\t大\t_\t_\t_\t_\t1\tx\t_\tNER=I-LOC\n";

fn with_tags(folder: &Folder, field: &str) -> Source {
    Source { tag_field: Some(field.to_owned()), ..folder.source("a.conllu") }
}

#[test]
fn words_ranges_and_empty_nodes() {
    let folder = Folder::new(&[("a.conllu", CONLLU.as_bytes())]);
    let ledger = Ledger::new();
    let found = records(&folder.source("a.conllu"), &ledger).unwrap();
    assert_eq!(found[0].1["words"], json!(["Vamos", "nos", "a", "el", "mar", ",", "Peter", "."]));
    assert_eq!(found[0].1["text"], "Vamos nos a el mar, Peter.");
    assert_eq!((found[0].0, found[1].0), (4, 16));
    // Each part of speech is an entity of its own, and `_` is none.
    let labels = |record: &Value| -> Vec<String> {
        let entities = record["entities"].as_array().unwrap().iter();
        entities.map(|entity| entity["label"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        labels(&found[0].1),
        ["VERB", "PRON", "ADP", "DET", "NOUN", "PUNCT", "PROPN", "PUNCT"]
    );
    assert_eq!(
        (&found[1].1["text"], labels(&found[1].1)),
        (&json!("北京大"), vec!["PROPN".to_owned()])
    );
    let entries = ledger.entries();
    assert_eq!(entries["read.multiword_tokens"].count, 2);
    assert_eq!(entries["read.empty_nodes"].count, 1);
    let unused = ["DEPREL", "DEPS", "FEATS", "HEAD", "LEMMA", "XPOS", "comments"];
    assert_eq!(entries["unused.columns"].items, unused);
    let xpos = records(&with_tags(&folder, "xpos"), &Ledger::new()).unwrap();
    assert_eq!(labels(&xpos[0].1), ["VB", "IN", "DT", "NN", "NNP", "."]);
}

#[test]
fn tags_of_a_key_in_misc() {
    let folder = Folder::new(&[("a.conllu", CONLLU.as_bytes())]);
    let ledger = Ledger::new();
    let found = records(&with_tags(&folder, "NER"), &ledger).unwrap();
    let expected =
        json!([{"start": 15, "end": 18, "label": "LOC"}, {"start": 20, "end": 25, "label": "PER"}]);
    assert_eq!(found[0].1["entities"], expected);
    assert_eq!(found[1].1["entities"], json!([{"start": 0, "end": 3, "label": "LOC"}]));
    assert_eq!(ledger.entries()["read.tag_schemes"].items, ["IOB2"]);
    let source = Source { on_error: OnError::Skip, ..with_tags(&folder, "ner") };
    let error = folder.strip(&records(&source, &Ledger::new()).unwrap_err().to_string());
    assert!(error.starts_with("a.conllu: no word has the key `ner` in MISC"), "{error}");
}

#[test]
fn a_space_follows_a_token_of_several_words_as_it_says() {
    let content = "1-2\tdel\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No\n1\tde\t_\tX\t_\t_\t_\t_\t_\t_\n2\tel\t_\tX\t_\t_\t_\t_\t_\t_\n3\t!\t_\tX\t_\t_\t_\t_\t_\t_\n";
    check("a.conllu", content.as_bytes(), &["2:de el!"]);
}

#[test]
fn damage_is_told_with_file_and_line() {
    let line = |id: &str| format!("{id}\ta\t_\tX\t_\t_\t_\t_\t_\t_\n");
    let check_line = |content: String, expected: &str| {
        let folder = Folder::new(&[("a.conllu", content.as_bytes())]);
        let error = folder.strip(&read(&folder.source("a.conllu")).unwrap_err().to_string());
        assert!(error.starts_with(expected), "{error}");
    };
    check_line(
        line("1") + &line("3"),
        "a.conllu:2: the number of a word is `3`, where 2 is expected",
    );
    check_line(
        line("1") + "\n" + &line("2"),
        "a.conllu:3: the number of a word is `2`, where 1 is expected",
    );
    check_line(line("1-"), "a.conllu:1: the number of a word is `1-`");
    check_line(line("2-3"), "a.conllu:1: the number of a word is `2-3`");
    check_line(line("x"), "a.conllu:1: the number of a word is `x`");
    check_line("1\ta\tb\n".to_owned(), "a.conllu:1: 3 columns where CoNLL-U has 10");
    check_line(line("1").replace('\t', " "), "a.conllu:1: 1 columns where CoNLL-U has 10");
    check_line(line("1").replace("\ta\t", "\t\t"), "a.conllu:1: the line has no word");
    check_line(line("1").replace("_\n", "_\t_\n"), "a.conllu:1: 11 columns");
    check_line("# only a comment\n".to_owned(), "a.conllu holds no document");
    let bad = [line("1"), line("3"), "\n".to_owned(), line("1"), "\n".to_owned()].concat()
        + "1\t\u{fffd}";
    let counts = [("read.malformed", 2, "a.conllu:2"), ("unused.columns", 10, "")];
    check_skip("a.conllu", bad.as_bytes(), &["4:a"], &counts);
    check("a.conllu.gz", &gzip(line("1").as_bytes()), &["1:a"]);
}
