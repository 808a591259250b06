//! From labelled records to predictions: `sst train`, `sst predict` and `sst eval` with each task head.

use serde_json::{Value, json};

use crate::sandbox::{Ended, Sandbox};

/// A recipe for the objective `objective` on `data`. A row has at most 24 tokens.
pub(crate) fn recipe(objective: &str, data: &str, steps: u32) -> String {
    format!(
        r#"[run]
name = "r"
device = "cpu"
threads = 1

[data]
{data}
max_length = 24
validation = 0.1

[tokenizer.train]
vocab_size = 200
min_frequency = 1

[model]
type = "bert"
hidden_size = 64
num_hidden_layers = 2
num_attention_heads = 4
intermediate_size = 128
max_position_embeddings = 24
hidden_dropout_prob = 0.0

[objective]
{objective}

[train]
steps = "{steps}step"
batch_size = 32
precision = "fp32"
eval_every = "40step"
save_every = "40step"

[train.optimizer]
lr = 2e-3
"#
    )
}

const NAMES: [(&str, &str); 6] = [
    ("刘备", "PER"),
    ("曹操", "PER"),
    ("Mary Smith", "PER"),
    ("洛阳", "LOC"),
    ("荆州", "LOC"),
    ("New York", "LOC"),
];
const WORDS: [&str; 6] = ["today", "went to", "来到", "遇见", "and", "，"];

/// A text with entities, as `parts` words.
pub(crate) fn tagged(seed: usize, parts: usize) -> (String, Vec<Value>) {
    let (mut text, mut entities) = (String::new(), Vec::new());
    for part in 0..parts {
        let drawn = (seed * 7 + part * part * 5 + part * seed * 3) % 11;
        let (word, label) = match drawn {
            0..5 => (NAMES[(drawn + seed) % 6].0, Some(NAMES[(drawn + seed) % 6].1)),
            _ => (WORDS[(drawn + part) % 6], None),
        };
        let joins = text.chars().last().is_some_and(|last: char| last.is_ascii_alphanumeric());
        if joins && word.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            text.push(' ');
        }
        let start = text.chars().count();
        text += word;
        if let Some(label) = label {
            let end = text.chars().count();
            entities.push(json!({"start": start, "end": end, "label": label}));
        }
    }
    (text, entities)
}

/// JSON lines.
pub(crate) fn lines(records: impl IntoIterator<Item = Value>) -> String {
    records.into_iter().map(|record| format!("{record}\n")).collect()
}

fn refused(sandbox: &Sandbox, args: &[&str], parts: &[&str]) {
    let ended = sandbox.sst(args);
    assert_ne!(ended.code, Some(0), "{args:?}");
    for part in parts {
        assert!(ended.stderr.contains(part), "{args:?}: {part}: {}", ended.stderr);
    }
}

fn json_lines(ended: &Ended) -> Vec<Value> {
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn entities_are_learned_found_and_scored_also_beyond_the_longest_row() {
    let sandbox = Sandbox::new();
    let record = |seed: usize, parts: usize| {
        let (text, entities) = tagged(seed, parts);
        json!({"id": seed, "text": text, "entities": entities})
    };
    sandbox.write("train.jsonl", lines((0..300).map(|seed| record(seed, 5 + seed % 3))));
    let data = "paths = [\"train.jsonl\"]";
    sandbox.write("tag.toml", recipe("name = \"tag\"\nstride = 6", data, 120));
    let trained = sandbox.good(&["train", "tag.toml", "--json"]).json();
    assert!(trained["metrics"]["eval/ner/f1"].as_f64().unwrap() > 0.9, "{trained}");
    let config = sandbox.json("runs/r/checkpoints/latest/model/config.json");
    assert_eq!(config.get("problem_type"), None, "{config}");

    let text = "today刘备来到洛阳，Mary Smith went to New York";
    let found = sandbox.good(&["predict", "--model", "runs/r", "--text", text, "--json"]).json();
    assert_eq!((&found["version"], &found["text"]), (&json!(1), &json!(text)));
    let entities = found["entities"].as_array().unwrap();
    let spans: Vec<(&str, u64, u64)> = entities
        .iter()
        .map(|one| {
            let place = |name: &str| one[name].as_u64().unwrap();
            (one["text"].as_str().unwrap(), place("start"), place("end"))
        })
        .collect();
    let expected = [("刘备", 5, 7), ("洛阳", 9, 11), ("Mary Smith", 12, 22), ("New York", 31, 39)];
    assert_eq!(spans, expected, "{found}");
    assert!(entities.iter().all(|one| one["score"].as_f64().unwrap() > 0.5), "{found}");

    // Texts of some hundred tokens, of which a row holds 24: every gold entity is scored.
    let long: Vec<Value> = (0..6).map(|seed| record(seed, 120)).collect();
    let gold: usize = long.iter().map(|one| one["entities"].as_array().unwrap().len()).sum();
    sandbox.write("long.jsonl", lines(long));
    let eval = ["eval", "ner", "--model", "runs/r", "--data", "long.jsonl", "--json"];
    let whole = sandbox.good(&eval).json();
    assert_eq!(whole["counts"]["gold_entities"], gold, "{whole}");
    assert!(whole["counts"]["windows"].as_u64().unwrap() > 30, "{whole}");
    assert!(whole["metrics"]["recall"].as_f64().unwrap() > 0.8, "{whole}");
    for more in [["--batch-size", "1"], ["--batch-size", "7"]] {
        let again = sandbox.good(&[&eval[..], &more[..]].concat()).json();
        assert_eq!(again["metrics"], whole["metrics"], "{more:?}");
    }
    let best = sandbox.good(&[&eval[..], &["--decoding", "viterbi"]].concat()).json();
    assert_eq!(best["counts"]["texts_with_illegal_labels"], 0, "{best}");

    // A line of predictions for each record, with its other fields, in the order of the file.
    let all = sandbox.good(&["predict", "--model", "runs/r", "--data", "long.jsonl", "--json"]);
    let all = json_lines(&all);
    let ids: Vec<u64> = all.iter().map(|one| one["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4, 5]);
    assert!(all.iter().all(|one| one["gold_entities"].is_array() && one["entities"].is_array()));

    // What cannot be is told with its file and line.
    for (entities, part) in [
        (json!([[0, 99, "PER"]]), "characters 0 to 99"),
        (json!([[0, 4, "PER"], [2, 5, "LOC"]]), "two entities that overlap"),
        (json!([[0, 5, "DATE"]]), "`DATE`"),
    ] {
        let good = record(0, 4);
        let bad = json!({"text": "today曹操", "entities": entities});
        sandbox.write("bad.jsonl", lines([good, bad]));
        let args = ["eval", "ner", "--model", "runs/r", "--data", "bad.jsonl"];
        refused(&sandbox, &args, &["bad.jsonl:2", part]);
    }
    sandbox.write("bad.conll", "今 O\n天 O\n\n刘 B-PER\n备\n");
    let args = ["eval", "ner", "--model", "runs/r", "--data", "bad.conll"];
    refused(&sandbox, &args, &["bad.conll:5"]);
    let args = ["eval", "classification", "--model", "runs/r", "--data", "train.jsonl"];
    refused(&sandbox, &args, &["holds no sequence-classification head"]);
    let args = ["predict", "--model", "runs/r", "--text", text, "--top-k", "2"];
    refused(&sandbox, &args, &["predicts entities", "--top-k"]);
}

#[test]
fn classes_are_learned_predicted_and_probed() {
    let sandbox = Sandbox::new();
    let record = |seed: usize| {
        let (text, entities) = tagged(seed, 6);
        let label = if text.contains("来到") { "came" } else { "stayed" };
        let mut labels: Vec<&Value> = entities.iter().map(|one| &one["label"]).collect();
        labels.sort_unstable_by_key(|label| label.to_string());
        labels.dedup();
        json!({"n": seed, "text": text, "label": label, "labels": labels})
    };
    sandbox.write("train.jsonl", lines((0..300).map(record)));
    sandbox.write("test.jsonl", lines((300..360).map(record)));
    let data = "paths = [\"train.jsonl\"]";
    sandbox.write("classes.toml", recipe("name = \"classify\"", data, 80));
    sandbox.good(&["train", "classes.toml"]);
    let args =
        ["predict", "--model", "runs/r", "--text", "today来到洛阳", "--text", "today", "--json"];
    for found in json_lines(&sandbox.good(&args)) {
        let labels = found["labels"].as_array().unwrap();
        let scores: Vec<f64> = labels.iter().map(|one| one["score"].as_f64().unwrap()).collect();
        assert!(scores[0] >= scores[1] && (scores[0] + scores[1] - 1.0).abs() < 1e-9, "{found}");
    }
    let eval = |name: &str, more: &[&str]| {
        let args = ["eval", name, "--model", "runs/r", "--json"];
        sandbox.good(&[&args[..], more].concat()).json()
    };
    let report = eval("classification", &["--data", "test.jsonl"]);
    assert_eq!(report["counts"]["texts"], 60);
    let card = sandbox.read("runs/r/checkpoints/latest/model/README.md");
    assert!(card.contains("Trained on train.jsonl with the objective `classify`"), "{card}");
    let confusion = report["tables"]["confusion"]["rows"].as_array().unwrap();
    let sum: f64 = confusion
        .iter()
        .flat_map(|row| row[1].as_array().unwrap())
        .map(|count| count.as_f64().unwrap())
        .sum();
    assert!((sum - 60.0).abs() < 1e-9, "{report}");
    let accuracy = report["metrics"]["accuracy"].as_f64().unwrap();
    assert!(accuracy > report["metrics"]["commonest_class_accuracy"].as_f64().unwrap(), "{report}");
    let of_predictions = sandbox.good(&[
        "predict",
        "--model",
        "runs/r",
        "--data",
        "test.jsonl",
        "--json",
        "--top-k",
        "1",
    ]);
    let right = json_lines(&of_predictions)
        .iter()
        .filter(|one| one["labels"][0]["label"] == one["label"])
        .count();
    assert!((right as f64 / 60.0 - accuracy).abs() < 1e-12, "{right} {accuracy}");

    // A record that is skipped is told once, although the file is read twice.
    sandbox.write("broken.jsonl", format!("{}\nbroken\n{}\n", record(0), record(1)));
    let args =
        ["predict", "--model", "runs/r", "--data", "broken.jsonl", "--skip-errors", "--json"];
    let skipped = sandbox.good(&args);
    assert_eq!(json_lines(&skipped).len(), 2);
    assert_eq!(
        skipped.stderr.matches("broken.jsonl:2: not valid JSON").count(),
        1,
        "{}",
        skipped.stderr
    );

    let data = ["--data", "train.jsonl", "--test", "test.jsonl"];
    let probe = eval("probe", &data);
    for name in ["accuracy", "control_accuracy", "twin_accuracy", "majority_accuracy"] {
        let value = probe["metrics"][name].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&value), "{name}: {probe}");
    }
    assert_eq!(probe["tables"]["layers"]["rows"].as_array().unwrap().len(), 3);
    let neighbours = eval("knn", &[&data[..], &["--k", "5"]].concat());
    assert_eq!(neighbours["counts"]["test_texts"], 60);
    let code = eval("mdl", &data);
    assert!(code["metrics"]["bits"].as_f64().unwrap() > 0.0, "{code}");
    let same = eval("cka", &["--data", "test.jsonl", "--other", "runs/r"]);
    assert!((same["metrics"]["same_layer"].as_f64().unwrap() - 1.0).abs() < 1e-6, "{same}");

    // A switch may stand alone or have a value.
    let estimator = |more: &[&str]| {
        let data = &["--data", "test.jsonl"][..];
        eval("cka", &[data, more].concat())["settings"]["estimator"].clone()
    };
    assert_eq!(estimator(&["--debiased"]), "debiased");
    assert_eq!(estimator(&["--debiased", "false"]), "biased");
    let pair =
        |seed: usize| json!({"text": "today", "text_pair": record(seed)["text"], "label": "came"});
    sandbox.write("pairs.jsonl", lines((0..8).map(pair)));
    for (more, is_read) in
        [("--pairs", true), ("--pairs true", true), ("--pairs false", false), ("", false)]
    {
        let mut args = vec!["--data", "pairs.jsonl"];
        args.extend(more.split_whitespace());
        let report = eval("classification", &args);
        let unused = report["ledger"]["unused.columns"]["items"].to_string();
        assert_eq!(!unused.contains("text_pair"), is_read, "{more:?}: {report}");
    }

    // A probe cannot learn a label that no training text, or only one, has.
    let odd = lines((0..20).map(record).chain([json!({"text": "today", "label": "odd"})]));
    sandbox.write("odd.jsonl", odd);
    let probe = ["eval", "probe", "--model", "runs/r", "--data"];
    let args = [&probe[..], &["odd.jsonl", "--test", "test.jsonl"]].concat();
    refused(&sandbox, &args, &["`probe` needs 2 training texts of each label, and `odd` has 1"]);
    let args = [&probe[..], &["train.jsonl", "--test", "odd.jsonl"]].concat();
    refused(&sandbox, &args, &["odd.jsonl:21: no training text has the label `odd`", "--test"]);

    sandbox.write("bad.jsonl", lines([record(0), json!({"text": "today", "label": "left"})]));
    let args = ["eval", "classification", "--model", "runs/r", "--data", "bad.jsonl"];
    refused(&sandbox, &args, &["bad.jsonl:2", "`left`"]);

    // A head for any number of classes.
    let objective = "name = \"classify\"\nproblem = \"multi_label\"";
    sandbox.write("several.toml", recipe(objective, "paths = [\"train.jsonl\"]", 40));
    sandbox.good(&["train", "several.toml", "--set", "run.name=several"]);
    let args = ["predict", "--model", "runs/several", "--text", "today来到洛阳", "--json"];
    let found = sandbox.good(&args).json();
    assert_eq!(found["labels"].as_array().unwrap().len(), 2, "{found}");
    // Training a head of another kind on is refused.
    let other = ["model.path=runs/several", "tokenizer.path=runs/several"];
    let mut text = recipe("name = \"classify\"", "paths = [\"train.jsonl\"]", 40);
    let from = text.find("[tokenizer.train]").unwrap();
    text.replace_range(from..text.find("[objective]").unwrap(), "");
    sandbox.write("on.toml", text);
    let folder = sandbox.path("runs/several/checkpoints/latest/model").display().to_string();
    let sets = other.map(|set| set.replace("runs/several", &folder));
    let args = ["train", "on.toml", "--set", &sets[0], "--set", &sets[1], "--set", "run.name=on"];
    refused(&sandbox, &args, &["multi_label_classification", "objective.problem"]);
    // A model with another head keeps nothing that the folder says of the old one.
    let sets = ["--set", &sets[0], "--set", &sets[1], "--set", "run.name=words"];
    let more = ["--set", "objective.name=mlm", "--set", "train.steps=2step"];
    sandbox.good(&[&["train", "on.toml"], &sets[..], &more[..]].concat());
    let config = sandbox.json("runs/words/checkpoints/latest/model/config.json");
    for key in ["id2label", "label2id", "num_labels", "problem_type"] {
        assert_eq!(config.get(key), None, "{key}: {config}");
    }
}

#[test]
fn every_one_of_several_seeds_says_that_it_ended_early() {
    let sandbox = Sandbox::new();
    let label = |seed: usize| ["a", "b"][seed % 2];
    let record = |seed: usize| json!({"text": tagged(seed, 4).0, "label": label(seed)});
    sandbox.write("train.jsonl", lines((0..60).map(record)));
    let data = "paths = [\"train.jsonl\"]";
    sandbox.write("classes.toml", recipe("name = \"classify\"", data, 6));
    let mut args = vec!["train", "classes.toml", "--seeds", "2", "--json"];
    for set in [
        "train.eval_every=1step",
        "train.save_every=1step",
        "train.early_stopping={patience=1,min_delta=100.0}",
    ] {
        args.extend(["--set", set]);
    }
    let ended = sandbox.good(&args);
    assert_eq!(
        ended.stderr.matches("ended early at step 2: 1 evaluations").count(),
        2,
        "{}",
        ended.stderr
    );
    assert_eq!(
        ended.stderr.matches("the best checkpoint is runs/r-seed-").count(),
        2,
        "{}",
        ended.stderr
    );
    let runs = ended.json()["runs"].as_array().unwrap().len();
    assert_eq!(runs, 2);
}

#[test]
fn answers_are_learned_found_and_scored() {
    let sandbox = Sandbox::new();
    let paragraph = |seed: usize, is_right: bool| {
        let (person, _) = NAMES[seed % 3];
        let (place, _) = NAMES[3 + seed % 3];
        let begin = ["", "today ", "昨天"][seed % 3];
        let context = format!("{begin}{person} lives in {place}。{}", tagged(seed, 2).0);
        let at = |part: &str| context[..context.find(part).unwrap()].chars().count();
        let wrong = usize::from(!is_right);
        json!({"context": context, "qas": [
            {"id": format!("{seed}a"), "question": "who", "answers":
                [{"text": person, "answer_start": at(person) + wrong}]},
            {"id": format!("{seed}b"), "question": "where", "answers":
                [{"text": place, "answer_start": at(place)}]},
        ]})
    };
    let file = |paragraphs: Vec<Value>| {
        json!({"version": "1.1", "data": [{"title": "t", "paragraphs": paragraphs}]}).to_string()
    };
    sandbox.write("train.json", file((0..120).map(|seed| paragraph(seed, true)).collect()));
    sandbox.write("test.json", file((120..140).map(|seed| paragraph(seed, true)).collect()));
    let data = "paths = [\"train.json\"]\nformat = \"squad\"";
    sandbox.write("answer.toml", recipe("name = \"answer\"\nstride = 4", data, 160));
    let trained = sandbox.good(&["train", "answer.toml", "--json"]).json();
    assert!(trained["metrics"]["eval/qa/f1"].as_f64().unwrap() > 0.8, "{trained}");
    let context = "today 曹操 lives in 洛阳。and";
    let args = ["predict", "--model", "runs/r", "--question", "where", "--context", context];
    let found = sandbox.good(&[&args[..], &["--json"]].concat()).json();
    assert_eq!((&found["question"], &found["context"]), (&json!("where"), &json!(context)));
    let answers = found["answers"].as_array().unwrap();
    assert_eq!(answers.len(), 3, "{found}");
    let letters: Vec<char> = context.chars().collect();
    for answer in answers {
        let place = |name: &str| answer[name].as_u64().unwrap() as usize;
        let text: String = letters[place("start")..place("end")].iter().collect();
        assert_eq!(answer["text"], text, "{found}");
    }
    let eval = ["eval", "qa", "--model", "runs/r", "--format", "squad", "--json", "--data"];
    let report = sandbox.good(&[&eval[..], &["test.json"]].concat()).json();
    assert_eq!(
        (&report["counts"]["questions"], &report["settings"]["rule"]),
        (&json!(40), &json!("cmrc"))
    );
    assert!(report["metrics"]["exact_match"].as_f64().unwrap() > 0.8, "{report}");

    // The text of an answer that is not where the file says counts, as in the official scripts, and is told. To train on
    // it is an error.
    sandbox.write("wrong.json", file((0..4).map(|seed| paragraph(seed, seed != 2)).collect()));
    let counted = sandbox.good(&[&eval[..], &["wrong.json"]].concat()).json();
    assert_eq!(counted["ledger"]["eval.misplaced_answers"]["count"], 1, "{counted}");
    assert_eq!(counted["counts"]["questions"], 8, "{counted}");
    let sets = ["--set", "data.paths=['wrong.json']", "--set", "run.name=wrong"];
    refused(
        &sandbox,
        &[&["train", "answer.toml"], &sets[..]].concat(),
        &["wrong.json (question 5)", "says that", "the id of the question is \"2a\""],
    );
}
