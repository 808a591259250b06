//! Runs with several tasks, and curricula: the metrics show which rows were used when.

use serde_json::{Map, Value};

use crate::sandbox::{RECIPE, Sandbox};

/// The recipe with two tasks instead of one objective, and this mixture.
fn recipe(mixture: &str) -> String {
    let objective = "[objective]\nname = \"mlm\"\n";
    assert!(RECIPE.contains(objective));
    let tasks = "\
[tasks.words]
objective = { name = \"mlm\", unit = \"word\", mask_rate = 0.3 }

[tasks.letters]
data = { paths = [\"letters.txt\"], max_length = 12 }
objective = { name = \"mlm\" }
";
    RECIPE.replace(objective, &format!("{tasks}\n{mixture}"))
}

fn sandbox(mixture: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("recipe.toml", recipe(mixture));
    let letters: Vec<String> = (0..120).map(|i| format!("a b c {} e f", i % 7)).collect();
    sandbox.write("letters.txt", letters.join("\n"));
    sandbox
}

fn steps(sandbox: &Sandbox) -> Vec<Map<String, Value>> {
    let text = sandbox.read("runs/r/metrics.jsonl");
    let rows = text.lines().map(|line| serde_json::from_str::<Map<String, Value>>(line).unwrap());
    rows.filter(|row| row.contains_key("train/loss")).collect()
}

/// Which of the two tasks each step was of, by its metrics: `w` or `l`.
fn seen(sandbox: &Sandbox) -> String {
    let task = |row: Map<String, Value>| {
        let of = |name: &str| row[&format!("train/{name}/steps")].as_f64().unwrap();
        let has_loss = |name: &str| row.get(&format!("train/{name}/loss")) == row.get("train/loss");
        match (of("words"), of("letters")) {
            (1.0, 0.0) if has_loss("words") && !row.contains_key("train/letters/loss") => 'w',
            (0.0, 1.0) if has_loss("letters") && !row.contains_key("train/words/loss") => 'l',
            other => panic!("{other:?}: {row:?}"),
        }
    };
    steps(sandbox).into_iter().map(task).collect()
}

#[test]
fn a_schedule_is_followed_step_by_step() {
    let mixture = "\
[mixture]
by = \"schedule\"
[[mixture.schedule]]
from = \"0step\"
weights = { words = 1 }
[[mixture.schedule]]
from = \"0.25run\"
weights = { letters = 2.0 }
[[mixture.schedule]]
from = \"9step\"
weights = { words = 0.5, letters = 0 }
";
    let sandbox = sandbox(mixture);
    sandbox.good(&["pretrain", "recipe.toml"]);
    assert_eq!(seen(&sandbox), "wwwllllllwww");
    // Both tasks are evaluated under their names.
    let text = sandbox.read("runs/r/metrics.jsonl");
    for task in ["words", "letters"] {
        assert!(text.contains(&format!("eval/{task}/mask-accuracy/loss")), "{task}");
    }
    let environment = sandbox.json("runs/r/environment.json");
    assert_eq!(environment["data"]["tasks"]["letters"]["documents"], 120);
    assert_eq!(environment["data"]["tasks"]["words"]["documents"], 200);
    // The resolved recipe resolves to itself.
    let again = ["pretrain", "runs/r/config.toml", "--set", "run.name=again"];
    sandbox.good(&again);
    let figures = |name: &str| {
        let text = sandbox.read(&format!("runs/{name}/metrics.jsonl"));
        let rows: Vec<Map<String, Value>> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        rows.iter().filter_map(|row| row.get("train/loss").cloned()).collect::<Vec<_>>()
    };
    assert_eq!(figures("r"), figures("again"));
}

#[test]
fn weights_and_temperature_are_shares_of_the_steps() {
    // The tasks have 180 and about 118 rows; at temperature 1 the fractions are those of the rows.
    for (mixture, sets, share) in [
        ("", vec!["tasks.words.weight=3"], 0.75),
        ("[mixture]\nby = \"temperature\"\n", vec!["mixture.temperature=1e6"], 0.5),
        ("[mixture]\nby = \"temperature\"\n", vec![], 180.0 / 298.0),
    ] {
        let sandbox = sandbox(mixture);
        let mut args = vec!["pretrain", "recipe.toml", "--set", "train.steps=200"];
        args.extend(sets.iter().flat_map(|set| ["--set", *set]));
        args.extend(["--set", "train.save_every=0", "--set", "train.eval_every=0"]);
        sandbox.good(&args);
        let words = seen(&sandbox).matches('w').count() as f64;
        // The 99.9 % interval of 200 independent draws.
        let spread = 3.3 * (200.0_f64 * share * (1.0 - share)).sqrt();
        assert!((words - 200.0 * share).abs() < spread, "{words} of 200 for {share}");
    }
}

#[test]
fn a_window_of_steps_counts_those_of_each_task() {
    let sandbox = sandbox("");
    let args = ["pretrain", "recipe.toml", "--set", "train.steps=40", "--set", "train.log_every=8"];
    sandbox.good(&args);
    let of = |row: &Map<String, Value>, key: &str| row[key].as_f64().unwrap();
    for row in steps(&sandbox) {
        let (words, letters) = (of(&row, "train/words/steps"), of(&row, "train/letters/steps"));
        assert_eq!(words + letters, 8.0);
        let loss = |name: &str, steps: f64| match row.get(&format!("train/{name}/loss")) {
            Some(loss) => loss.as_f64().unwrap() * steps,
            None => 0.0,
        };
        let mean = (loss("words", words) + loss("letters", letters)) / 8.0;
        assert!((of(&row, "train/loss") - mean).abs() < 1e-9 * mean, "{row:?}");
    }
}

#[test]
fn a_curriculum_opens_the_rows_that_its_pacing_says() {
    let sandbox = Sandbox::new();
    let mut args = vec!["pretrain", "recipe.toml", "--set", "train.steps=30"];
    for set in [
        "curriculum.difficulty=length",
        "curriculum.pacing=linear",
        "curriculum.start=0.2",
        "curriculum.duration=20step",
    ] {
        args.extend(["--set", set]);
    }
    sandbox.good(&args);
    let rows = sandbox.json("runs/r/environment.json")["data"]["training_rows"].as_f64().unwrap();
    let mut hardest_of_all = 0.0_f64;
    for (step, row) in (0..).zip(steps(&sandbox)) {
        let of = |key: &str| row.get(key).and_then(Value::as_f64);
        let (open, hardest) = (of("train/curriculum_open"), of("train/curriculum_hardest"));
        if step >= 20 {
            assert_eq!((open, hardest), (None, None), "step {step}");
            continue;
        }
        // Platanios et al. 2019, equation 6, rounded to whole rows.
        let competence = 0.2 + 0.8 * f64::from(step) / 20.0;
        let (open, hardest) = (open.unwrap(), hardest.unwrap());
        assert!(
            (open - (competence * rows - 1e-6).ceil() / rows).abs() < 1e-9,
            "step {step}: {open}"
        );
        assert!(hardest > 0.0 && hardest <= open, "step {step}: {hardest} of {open}");
        hardest_of_all = hardest_of_all.max(hardest);
    }
    // This fails for a curriculum that always stays with the easiest rows.
    assert!(hardest_of_all > 0.8, "{hardest_of_all}");
}

#[test]
fn an_evaluation_of_several_tasks_needs_a_task_name() {
    let sandbox = sandbox("");
    sandbox.good(&["pretrain", "recipe.toml"]);
    let ended = sandbox.sst(&["eval", "mask-accuracy", "--model", "runs/r"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("choose with --task letters|words"), "{}", ended.stderr);
    let args = ["eval", "mask-accuracy", "--model", "runs/r", "--task", "letters", "--json"];
    let loss = sandbox.good(&args).json()["metrics"]["loss"].as_f64().unwrap();
    let text = sandbox.read("runs/r/metrics.jsonl");
    let logged = text.lines().rev().find_map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        row["eval/letters/mask-accuracy/loss"].as_f64()
    });
    assert!((loss - logged.unwrap()).abs() < 1e-6, "{loss} and {logged:?}");
}

#[test]
fn invalid_mixtures_are_refused() {
    let check = |text: String, expected: &str| {
        let sandbox = sandbox("");
        sandbox.write("recipe.toml", text);
        let ended = sandbox.sst(&["pretrain", "recipe.toml"]);
        assert_eq!(ended.code, Some(2), "{expected}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{expected}: {}", ended.stderr);
    };
    check(
        format!("{RECIPE}\n[mixture]\nby = \"weight\"\n"),
        "mixture: applies only to several tasks",
    );
    check(recipe("[mixture]\nby = \"schedule\"\n"), "mixture.schedule: is missing");
    check(
        recipe("[mixture]\nby = \"schedule\"\nschedule = [{ from = 0, weights = { wrds = 1 } }]\n"),
        "mixture.schedule: names \"wrds\", but there is no [tasks.wrds]",
    );
    check(
        recipe("[mixture]\ntemperature = 2.0\n"),
        "mixture.temperature: applies only to mixture.by",
    );
    let heavy = recipe("[mixture]\nby = \"temperature\"\n")
        .replace("[tasks.words]\n", "[tasks.words]\nweight = 2\n");
    check(heavy, "tasks.words.weight: applies only to mixture.by = \"weight\"");
    check(
        recipe("").replace("letters.txt", "absent.txt"),
        "tasks.letters.data.paths: absent.txt does not exist",
    );
    check(recipe("").replace("max_length = 12", "max_lengt = 12"), "did you mean max_length?");
    check(recipe("").replace("tasks.words", "tasks.3words"), "tasks.3words: is no name for a task");
}
