//! `sst evaluate`: one page about one or several models.

use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::task_heads::lines;

/// Labelled texts of the corpus: the labels follow from a word.
fn records(seeds: std::ops::Range<usize>) -> String {
    let animals = ["dog", "cat", "bird", "fish"];
    lines(seeds.map(|seed| {
        let animal = animals[seed % 4];
        let text =
            format!("the {} saw a {animal} by the sea {seed}", ["old man", "girl"][seed % 2]);
        json!({"text": text, "label": if seed % 4 < 2 { "land" } else { "other" }})
    }))
}

const PAGE: &str = r#"
[evaluate]
models = ["runs/r"]

[eval.masked]
evaluator = "mask-accuracy"

[eval.animals]
evaluator = "probe"
data = ["train.jsonl"]
test = ["test.jsonl"]

[eval.knn]
data = ["train.jsonl"]
test = ["test.jsonl"]
k = 5

[eval.layers]
evaluator = "cka"
data = ["test.jsonl"]
debiased = false

[eval.tuned]
evaluator = "classification"
train = "classes.toml"
set = ["train.steps=8step"]
data = ["test.jsonl"]
field = { label = "label" }
"#;

fn prepared() -> Sandbox {
    let sandbox = Sandbox::trained();
    sandbox.write("train.jsonl", records(0..80));
    // Eight of the test texts stand in the training part.
    sandbox.write("test.jsonl", format!("{}{}", records(72..80), records(80..120)));
    sandbox.write("page.toml", PAGE);
    let classes = r#"
[data]
paths = ["train.jsonl"]
validation = 0.1
[tokenizer]
path = "runs/r/checkpoints/latest/model"
[model]
path = "runs/r/checkpoints/latest/model"
[objective]
name = "classify"
[train]
steps = "4step"
batch_size = 8
"#;
    sandbox.write("classes.toml", classes);
    sandbox
}

fn section<'r>(report: &'r Value, name: &str) -> &'r Value {
    let sections = report["sections"].as_array().unwrap();
    sections.iter().find(|section| section["name"] == name).unwrap()
}

#[test]
fn a_page_has_every_figure_with_its_interval_twin_and_baseline() {
    let sandbox = prepared();
    let report = sandbox.good(&["evaluate", "page.toml", "--json"]).json();
    assert_eq!(report, sandbox.json("evaluations/page/report.json"));
    for name in ["masked", "animals", "knn", "tuned"] {
        let section = section(&report, name);
        let first = &section["figures"][0]["models"]["r"];
        let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{name}: {first}"));
        assert!(number(&first["low"]) <= number(&first["value"]), "{first}");
        assert!(number(&first["value"]) <= number(&first["high"]), "{first}");
        number(&first["twin"]["value"]);
        number(&first["baseline"]);
        // The paired comparison is that of the two figures.
        let difference = number(&first["value"]) - number(&first["twin"]["value"]);
        assert!((number(&first["from_twin"]["difference"]) - difference).abs() < 1e-9, "{first}");
    }

    // The figures are those of `sst eval`.
    let alone =
        ["eval", "knn", "--model", "runs/r", "--data", "train.jsonl", "--test", "test.jsonl"];
    let alone = sandbox.good(&[&alone[..], &["--k", "5", "--json"]].concat()).json();
    let knn = section(&report, "knn");
    assert_eq!(knn["reports"]["r"]["metrics"]["accuracy"], alone["metrics"]["accuracy"]);
    assert_eq!(knn["twins"]["r"]["metrics"]["accuracy"], alone["metrics"]["twin_accuracy"]);
    assert_eq!(section(&report, "layers")["reports"]["r"]["settings"]["estimator"], "biased");

    // The ledger counts the eight texts that are in both parts.
    let leaks = &section(&report, "animals")["leaks"];
    assert_eq!(leaks[0]["reference"], "training part");
    assert_eq!((&leaks[0]["leaks"]["texts"], &leaks[0]["leaks"]["exact"]), (&json!(48), &json!(8)));
    assert_eq!(leaks[1]["reference"], "corpus of r");
    assert_eq!(leaks[1]["leaks"]["exact"], 0, "{leaks}");
    assert_eq!(section(&report, "tuned")["leaks"][0]["leaks"]["exact"], 8);
    let own = &section(&report, "masked")["leaks"][0]["not_compared"];
    assert!(own.as_str().unwrap().contains("held out"), "{own}");

    let page = sandbox.read("evaluations/page/report.html");
    for part in ["Leak ledger", "twin of r", "confusion", "<svg", "[eval.animals]"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("http") && !page.contains("NaN"), "the page needs the network");
    let harness = sandbox.path("evaluations/page/harness/r").read_dir().unwrap();
    let harness: Vec<_> = harness.map(|file| file.unwrap().file_name()).collect();
    let [file] = &harness[..] else { panic!("{harness:?}") };
    let results = sandbox.json(&format!("evaluations/page/harness/r/{}", file.to_str().unwrap()));
    assert!(results["results"]["knn"]["accuracy,none"].is_f64(), "{results}");
    assert_eq!(results["higher_is_better"]["masked"]["loss"], false);
    assert!(!sandbox.path("evaluations/page/.sst-page-in-progress").exists());

    // A second time nothing is trained, and the figures are the same.
    let trained = sandbox.path("evaluations/page/runs").read_dir().unwrap().count();
    assert_eq!(trained, 2);
    let again = sandbox.good(&["evaluate", "page.toml", "--json"]).json();
    for (old, new) in
        report["sections"].as_array().unwrap().iter().zip(again["sections"].as_array().unwrap())
    {
        assert_eq!(old["figures"], new["figures"]);
    }
    assert_eq!(sandbox.path("evaluations/page/runs").read_dir().unwrap().count(), 2);
}

#[test]
fn several_models_are_compared_on_the_same_examples() {
    let sandbox = prepared();
    sandbox.good(&["pretrain", "recipe.toml", "--set", "run.name=other", "--set", "run.seed=8"]);
    let args = ["evaluate", "page.toml", "--model", "runs/r", "--model", "runs/other", "--json"];
    let sets = ["--set", "evaluate.twin=false", "--set", "evaluate.corpus=[\"corpus.txt\"]"];
    let report = sandbox.good(&[&args[..], &sets[..]].concat()).json();
    let models = &section(&report, "knn")["figures"][0]["models"];
    let (first, other) = (&models["r"], &models["other"]);
    assert!(first["from_first"].is_null() && first["twin"].is_null(), "{first}");
    let difference = other["value"].as_f64().unwrap() - first["value"].as_f64().unwrap();
    assert!((other["from_first"]["difference"].as_f64().unwrap() - difference).abs() < 1e-9);
    assert_eq!(section(&report, "knn")["leaks"][1]["reference"], "corpus");
}

#[test]
fn what_a_page_cannot_do_is_told_before_anything_is_measured() {
    let sandbox = prepared();
    let check = |text: String, parts: &[&str]| {
        sandbox.write("bad.toml", text);
        let ended = sandbox.sst(&["evaluate", "bad.toml"]);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        for part in parts {
            assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
        }
        assert!(!sandbox.path("evaluations/bad").exists());
    };
    let head = "[evaluate]\nmodels = [\"runs/r\"]\n";
    check(format!("{head}[eval.prob]\n"), &["bad.toml:3", "prob", "evaluator ="]);
    check(format!("{head}[eval.probe]\n"), &["bad.toml:3", "lacks the key data"]);
    let data = "data = [\"train.jsonl\"]\n";
    check(
        format!("{head}[eval.knn]\n{data}neighbours = 3\n"),
        &["bad.toml:5", "eval.knn.neighbours"],
    );
    check(format!("{head}[eval.knn]\n{data}test = 3\n[eval.x]\n"), &["bad.toml:6"]);
    check(format!("{head}[eval.knn]\n{data}no_twin = true\n"), &["bad.toml:5", "no_twin"]);
    check(
        format!("{head}[eval.classification]\ntrain = \"classes.toml\"\n"),
        &["bad.toml:3", "data"],
    );
    check(format!("{head}[eval.knn]\ndata = [\"none.jsonl\"]\n"), &["bad.toml:4", "none.jsonl"]);
    check(
        format!("[evaluate]\nmodels = [\"none\"]\n[eval.knn]\n{data}"),
        &["evaluate.models", "none"],
    );
    check(
        format!("{head}[eval.classification]\ntrain = \"none.toml\"\n{data}"),
        &["bad.toml:4", "none.toml"],
    );
    check("[eval.knn]\n".to_owned(), &["names no model"]);
    let shown = sandbox.good(&["evaluate", "page.toml", "--dry-run"]).stdout;
    assert!(shown.contains("[eval.knn] sst eval knn --model=MODEL --data=train.jsonl"), "{shown}");
    assert!(!sandbox.path("evaluations").exists());
}

#[test]
fn the_ledger_follows_a_run_to_those_that_it_started_from() {
    let sandbox = prepared();
    let corpus = sandbox.read("corpus.txt");
    let seen: Vec<&str> = corpus.lines().filter(|line| line.len() > 10).take(3).collect();
    let records = seen.iter().map(|text| json!({"text": text, "label": "land"}));
    sandbox.write("seen.jsonl", lines(records));
    sandbox.good(&["train", "classes.toml", "--set", "run.name=tuned"]);
    let page = "[evaluate]\nmodels = [\"runs/tuned\"]\ntwin = false\n[eval.classification]\ndata = [\"seen.jsonl\"]\n";
    sandbox.write("page.toml", page);
    let report = sandbox.good(&["evaluate", "page.toml", "--json"]).json();
    let leaks = section(&report, "classification")["leaks"].as_array().unwrap();
    assert_eq!(leaks.len(), 2, "{leaks:?}");
    assert_eq!(
        (&leaks[0]["reference"], &leaks[0]["leaks"]["exact"]),
        (&json!("corpus of tuned"), &json!(0))
    );
    let through = leaks[1]["reference"].as_str().unwrap();
    assert!(through.starts_with("corpus of tuned, through runs/r/"), "{through}");
    assert_eq!(leaks[1]["leaks"]["exact"], 3, "{leaks:?}");

    // Files with fewer texts than the run was trained on are not those of the run.
    sandbox.write("corpus.txt", seen.join("\n"));
    let report = sandbox.good(&["evaluate", "page.toml", "--json"]).json();
    let why = &section(&report, "classification")["leaks"][1]["not_compared"];
    assert!(why.as_str().unwrap().contains("they have changed"), "{why}");
}

#[test]
fn both_texts_of_a_pair_are_searched() {
    let sandbox = prepared();
    let record = |seed: usize| {
        let label = ["yes", "no"][seed % 2];
        let pair = format!("the old man saw the sea {seed}");
        json!({"text": format!("a question {seed}"), "text_pair": pair, "label": label})
    };
    sandbox.write("train.jsonl", lines((0..40).map(record)));
    let test = (30..50).map(|seed| {
        json!({"text": format!("another one {seed}"),
        "text_pair": record(seed)["text_pair"], "label": record(seed)["label"]})
    });
    sandbox.write("test.jsonl", lines(test));
    let sets = ["--set", "objective.pairs=true", "--set", "run.name=pairs"];
    sandbox.good(&[&["train", "classes.toml"], &sets[..]].concat());
    let page = "[evaluate]\nmodels = [\"runs/pairs\"]\ntwin = false\n[eval.classification]\npairs = true\n\
                data = [\"test.jsonl\"]\n";
    sandbox.write("page.toml", page);
    let report = sandbox.good(&["evaluate", "page.toml", "--json"]).json();
    let leaks = &section(&report, "classification")["leaks"][0]["leaks"];
    assert_eq!((&leaks["texts"], &leaks["exact"]), (&json!(40), &json!(10)), "{leaks}");
}
