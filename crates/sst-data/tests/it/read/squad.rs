//! Questions with contexts and answers, from the JSON of SQuAD and of CMRC 2018.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::conll::records;
use super::*;

fn squad() -> Value {
    json!({
        "version": "v2.0",
        "data": [
            {"title": "Normans", "paragraphs": [
                {"qas": [
                    {"question": "Where?", "id": "q1", "is_impossible": false, "answers": [
                        {"text": "France", "answer_start": 20},
                        {"text": "in France", "answer_start": 17},
                    ]},
                    {"question": "Who?", "id": "q2", "is_impossible": true, "answers": [],
                     "plausible_answers": [{"text": "Normans", "answer_start": 4}]},
                ], "context": "The Normans were in France."},
                {"context": "诺曼人😀在法国。", "document_id": 5, "qas": [
                    {"question": "在哪里？", "id": "q3", "answers": [{"text": "法国", "answer_start": 5}]},
                ]},
            ]},
            {"title": "Empty", "paragraphs": []},
        ],
    })
}

/// The list form of CMRC 2018.
fn cmrc() -> Value {
    json!([{
        "context_id": "TRAIN_0",
        "context_text": "范廷颂枢机，圣名保禄·若瑟，生于1919年。",
        "qas": [
            {"query_text": "生于哪年？", "query_id": "TRAIN_0_QUERY_0", "answers": ["1919年", "1919年"]},
            {"query_text": "哪里人？", "query_id": "TRAIN_0_QUERY_1", "answers": ["越南"]},
        ],
        "title": "范廷颂",
    }])
}

fn source(folder: &Folder) -> Source {
    Source { format: Some(Format::Squad), text_field: "question".into(), ..folder.source("a.json") }
}

fn read_json(value: &str, ledger: &Ledger) -> Result<Vec<(u64, Value)>, String> {
    let folder = Folder::new(&[("a.json", value.as_bytes())]);
    let found = records(&source(&folder), ledger);
    found.map_err(|error| folder.strip(&error.to_string()))
}

#[test]
fn every_question_is_a_record() {
    for written in [
        squad().to_string(),
        serde_json::to_string_pretty(&squad()).unwrap(),
        format!("\u{feff} {}\n", squad()),
    ] {
        let found = read_json(&written, &Ledger::new()).unwrap();
        assert_eq!(found.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3]);
        let expected = json!({
            "id": "q1",
            "question": "Where?",
            "is_impossible": false,
            "title": "Normans",
            "context": "The Normans were in France.",
            "answers": {"text": ["France", "in France"], "answer_start": [20, 17]},
        });
        assert_eq!(found[0].1, expected);
        assert_eq!(found[1].1["answers"], json!({"text": [], "answer_start": []}));
        assert_eq!(
            found[1].1["plausible_answers"][0]["text"], "Normans",
            "kept where all fields are"
        );
        assert_eq!(found[2].1["answers"], json!({"text": ["法国"], "answer_start": [5]}));
        assert_eq!(found[2].1["paragraph.document_id"], 5);
    }
}

#[test]
fn what_is_not_used_is_listed() {
    let folder = Folder::new(&[("a.json", squad().to_string().as_bytes())]);
    let ledger = Ledger::new();
    let source = Source { other_fields: vec!["id".into(), "context".into()], ..source(&folder) };
    let examples: Vec<Example> = source.read(&ledger).unwrap().map(Result::unwrap).collect();
    assert_eq!(shown(&examples), ["1:Where?", "2:Who?", "3:在哪里？"]);
    assert_eq!(
        (examples[2].text("id"), examples[2].text("context")),
        (Some("q3"), Some("诺曼人😀在法国。"))
    );
    let unused = ["answers", "paragraph.document_id", "plausible_answers", "title"];
    assert_eq!(ledger.entries()["unused.columns"].items, unused);
    // What no record has is listed although all fields are kept; the version is harmless.
    let written = squad()
        .to_string()
        .replace("\"v2.0\"", "\"v2.0\", \"source\": {\"a\": [1, \"]}\"]}")
        .replace("\"answer_start\":20", "\"answer_start\":20,\"kind\":1");
    let written = format!("{}, \"end\": 1}}", written.strip_suffix('}').unwrap());
    let ledger = Ledger::new();
    read_json(&written, &ledger).unwrap();
    assert_eq!(ledger.entries()["unused.columns"].items, ["answers.kind", "end", "source"]);
}

#[test]
fn the_list_form_of_cmrc_has_answers_without_a_start() {
    let ledger = Ledger::new();
    let found = read_json(&cmrc().to_string(), &ledger).unwrap();
    assert_eq!(
        found[0].1["answers"],
        json!({"text": ["1919年", "1919年"], "answer_start": [16, 16]})
    );
    assert_eq!(
        (&found[0].1["id"], &found[0].1["question"]),
        (&json!("TRAIN_0_QUERY_0"), &json!("生于哪年？"))
    );
    assert_eq!(
        (&found[1].1["title"], &found[1].1["context"]),
        (&json!("范廷颂"), &cmrc()[0]["context_text"])
    );
    assert_eq!(found[1].1["answers"], json!({"text": ["越南"], "answer_start": [-1]}));
    let entry = &ledger.entries()["read.answers_without_start"];
    assert_eq!(
        (entry.count, entry.first.as_deref().unwrap().ends_with("a.json (question 1)")),
        (3, true)
    );
    // The form of SQuAD that CMRC has too: a key `id` in a paragraph.
    let other = json!({"version": "v1.0", "data": [{"paragraphs": [{"id": "DEV_0", "context": "a", "qas": [
        {"question": "b", "id": "DEV_0_QUERY_0", "answers": [{"text": "a", "answer_start": 0}]}]}], "id": "DEV_0", "title": "c"}]});
    let found = read_json(&other.to_string(), &Ledger::new()).unwrap();
    assert_eq!(
        (&found[0].1["id"], &found[0].1["paragraph.id"]),
        (&json!("DEV_0_QUERY_0"), &json!("DEV_0"))
    );
}

#[test]
fn files_that_are_no_questions_are_refused() {
    let no_list =
        "a.json:1: this is no file of questions as in SQuAD, which is {\"data\": [..]} or a list";
    for (content, expected) in [
        (
            "{\"text\": \"a\"}\n{\"text\": \"b\"}\n",
            "a.json:2: there is more text after the last value",
        ),
        ("{\"text\": \"a\"}", no_list),
        ("{\"data\": {}}", no_list),
        ("\"a\"", no_list),
        ("[1]", "a.json:1: an article is a number, not an object"),
        ("[{\"title\": \"a\"}]", "a.json:1: a paragraph lacks `context` or `qas`"),
        ("[{\"paragraphs\": 3}]", "a.json:1: `paragraphs` is a number, not a list"),
        (
            "[{\"paragraphs\": [{\"context\": \"a\"}]}]",
            "a.json:1: a paragraph lacks `context` or `qas`",
        ),
        ("[{\"paragraphs\": [[]]}]", "a.json:1: a paragraph is an array, not an object"),
        ("{\"data\": [], \"data\": []}", "a.json:1: the key `data` occurs twice"),
        ("{\"data\" []}", "a.json:1: not valid JSON (expected `:` after `data`)"),
        ("{\"data\": []]", "a.json:1: not valid JSON (] is not expected there)"),
        ("{\"data\": [] \"x\": 1}", "a.json:1: not valid JSON (\\\" is not expected there)"),
        (
            "[{\"qas\": [{\"a\": 1, \"a\": 2}], \"context\": \"a\"}]",
            "a.json (question 1): a question has the key `a` twice",
        ),
        (
            "[{\"qas\": [{\"a\": tru}], \"context\": \"a\"}]",
            "a.json:1: an article is not valid JSON (expected a value)",
        ),
        (
            "[{\"qas\": [{\"id\": \"a\"}], \"context\": \"a\"}]",
            "a.json (question 1) has no field `question` (it has `id`, `context`)",
        ),
        (
            "[{\"qas\": [{\"question\": 3}], \"context\": \"a\"}]",
            "a.json (question 1): field `question` is a number",
        ),
        (
            "[{\"qas\": [{\"question\": \"\\ud800\"}], \"context\": \"a\"}]",
            "a.json (question 1): field `question` holds \\ud800",
        ),
        (
            "[{\"qas\": [{\"question\": \"a\", \"answers\": [3]}], \"context\": \"a\"}]",
            "a.json (question 1): an answer is a number",
        ),
        (" \n ", "a.json holds no document"),
        ("{\"data\": []}", "a.json holds no document"),
        ("{\"data\": [", "a.json:1 is damaged or cut short (the JSON ends within a value)"),
        ("\n[{\"title\": \"a", "a.json:2 is damaged or cut short"),
    ] {
        let error = read_json(content, &Ledger::new()).unwrap_err();
        assert!(error.starts_with(expected), "{content}: {error}");
    }
    let impossible =
        squad().to_string().replace("\"is_impossible\":false", "\"is_impossible\":true");
    let error = read_json(&impossible, &Ledger::new()).unwrap_err();
    let expected = "a.json (question 1): `is_impossible` is true, but the question has answers: remove one of them \
                    (the id of the question is \"q1\")";
    assert_eq!(error, expected);
    // What is no question is named by its line.
    let lines = "[{\"title\": \"a\",\n\"paragraphs\": [\n{\"context\": \"b\", \"qas\": []},\n{\"context\": \"b\"}]},\n3]";
    let folder = Folder::new(&[("a.json", lines.as_bytes())]);
    let errors: Vec<String> = source(&folder)
        .read(&Ledger::new())
        .unwrap()
        .map(|read| folder.strip(&read.unwrap_err().to_string()))
        .collect();
    assert_eq!(errors, ["a.json:4: a paragraph lacks `context` or `qas`: check the format"]);
    let skipping = Source { on_error: OnError::Skip, ..source(&folder) };
    let ledger = Ledger::new();
    assert_eq!(skipping.read(&ledger).unwrap().count(), 0);
    let entry = &ledger.entries()["read.malformed"];
    assert_eq!(
        (entry.count, entry.first.as_deref().map(|key| folder.strip(key))),
        (2, Some("a.json:4".to_owned()))
    );
    let latin = b"[{\"qas\": [{\"question\": \"caf\xe9 ol\xe9\"}], \"context\": \"a\"}]";
    let folder = Folder::new(&[("a.json", latin)]);
    let error = folder.strip(&read(&source(&folder)).unwrap_err().to_string());
    assert!(
        error.starts_with(
            "a.json (question 1) is not UTF-8 (byte 27 of the file): it looks like Latin-1"
        ),
        "{error}"
    );
    check_error_kind("a.json", b"[]", |error| {
        error.to_string().contains("set `format` to jsonl or squad")
    });
}

#[test]
fn what_is_damaged_is_skipped_and_counted() {
    let question = |id: usize| format!("{{\"question\": \"q{id}\", \"id\": {id}}}");
    let paragraph = |questions: &[String]| {
        format!("{{\"context\": \"a\", \"qas\": [{}]}}", questions.join(","))
    };
    let bad_question =
        paragraph(&[question(1), "{\"id\": 2}".to_owned(), "[]".to_owned(), question(4)]);
    let articles = [
        format!("{{\"paragraphs\": [{bad_question}, {{}}, {}]}}", paragraph(&[question(5)])),
        "{\"paragraphs\": [tru]}".to_owned(),
        paragraph(&[question(6)]),
    ];
    let content = format!("{{\"data\": [{}]}}", articles.join(","));
    let folder = Folder::new(&[("a.json", content.as_bytes())]);
    let ledger = Ledger::new();
    let skipping = Source { on_error: OnError::Skip, ..source(&folder) };
    let examples: Vec<Example> = skipping.read(&ledger).unwrap().map(Result::unwrap).collect();
    assert_eq!(shown(&examples), ["1:q1", "4:q4", "5:q5", "6:q6"]);
    assert_eq!((ledger.count("read.malformed"), ledger.count("read.missing_field")), (3, 1));
    // Of a file that is cut short, the articles before the cut are read.
    let cut = &content[..content.len() - 30];
    let folder = Folder::new(&[("a.json", cut.as_bytes())]);
    let ledger = Ledger::new();
    let skipping = Source { on_error: OnError::Skip, ..source(&folder) };
    let examples: Vec<Example> = skipping.read(&ledger).unwrap().map(Result::unwrap).collect();
    assert_eq!(shown(&examples), ["1:q1", "4:q4", "5:q5"]);
    assert_eq!(ledger.count("read.damaged_file"), 1);
}

#[test]
fn compressed_files_and_folders() {
    let bytes = squad().to_string();
    for (name, bytes) in
        [("a.json.gz", gzip(bytes.as_bytes())), ("a.json.zst", zstandard(bytes.as_bytes()))]
    {
        let folder = Folder::new(&[(name, &bytes), ("b.jsonl", b"{}\n")]);
        for path in [name, ""] {
            let source = Source {
                format: Some(Format::Squad),
                text_field: "question".into(),
                ..folder.source(path)
            };
            assert_eq!(read(&source).unwrap().len(), 3, "{path}");
        }
    }
    let cut = gzip(bytes.as_bytes());
    let folder = Folder::new(&[("a.json.gz", &cut[..cut.len() - 20])]);
    let source = Source {
        format: Some(Format::Squad),
        text_field: "question".into(),
        ..folder.source("a.json.gz")
    };
    assert!(matches!(read(&source), Err(ReadError::Damaged { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn questions_come_back(
        articles in prop::collection::vec(prop::collection::vec(("\\PC{1,20}", prop::collection::vec("\\PC{1,12}", 0..4)), 0..4), 0..5),
        is_pretty: bool,
        // An article of this many bytes is longer than what is read from the file at once.
        padding in prop_oneof![Just(0_usize), 60_000_usize..70_000],
    ) {
        let mut expected = Vec::new();
        let mut question = |context: &str, question: &String| {
            let id = format!("q{}", expected.len());
            let characters: Vec<char> = context.chars().collect();
            let start = expected.len() % characters.len();
            let answers = json!([{"text": characters[start..].iter().collect::<String>(), "answer_start": start}]);
            let lists = json!({"text": [answers[0]["text"]], "answer_start": [start]});
            expected.push(json!({"id": id, "question": question, "context": context, "answers": lists}));
            json!({"answers": answers, "id": id, "question": question})
        };
        let mut paragraph = |(context, questions): &(String, Vec<String>)| {
            let context = format!("{context}{}", "x".repeat(padding));
            let qas: Vec<Value> = questions.iter().map(|text| question(&context, text)).collect();
            json!({"qas": qas, "context": context})
        };
        let data: Vec<Value> = articles.iter().map(|paragraphs| {
            json!({"paragraphs": paragraphs.iter().map(&mut paragraph).collect::<Vec<_>>()})
        }).collect();
        let file = json!({"data": data});
        let written = if is_pretty { serde_json::to_string_pretty(&file).unwrap() } else { file.to_string() };
        let folder = Folder::new(&[("a.json", written.as_bytes())]);
        let skipping = Source { on_error: OnError::Skip, ..source(&folder) };
        let found = records(&skipping, &Ledger::new()).unwrap();
        let found: Vec<Value> = found.into_iter().map(|(_, record)| record).collect();
        prop_assert_eq!(found, expected);
    }
}
