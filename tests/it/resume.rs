//! Resuming a run.

use crate::sandbox::{RECIPE, Sandbox};

fn model(sandbox: &Sandbox, run: &str) -> Vec<u8> {
    let file = format!("runs/{run}/checkpoints/latest/model/model.safetensors");
    std::fs::read(sandbox.path(&file)).unwrap()
}

/// A run whose checkpoints after `step` are deleted, as if it had been stopped then.
fn stopped_at(step: u32) -> Sandbox {
    let sandbox = Sandbox::trained();
    sandbox.good(&["pretrain", "recipe.toml", "--set", "run.name=whole"]);
    for later in [8, 12].into_iter().filter(|later| *later > step) {
        let folder = format!("runs/r/checkpoints/step-{later:08}");
        std::fs::remove_dir_all(sandbox.path(&folder)).unwrap();
    }
    sandbox
}

#[test]
fn a_resumed_run_ends_with_the_same_bytes() {
    let sandbox = stopped_at(4);
    let ended = sandbox.good(&["pretrain", "recipe.toml", "--resume"]);
    assert!(ended.stderr.contains("resuming from runs/r/checkpoints/step-00000004"));
    assert_eq!(model(&sandbox, "r"), model(&sandbox, "whole"));
    // There is one row per step, as in an uninterrupted run.
    let steps = |run: &str| -> Vec<u64> {
        let text = sandbox.read(&format!("runs/{run}/metrics.jsonl"));
        let rows = text.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
        rows.filter(|row| row["train/loss"].is_f64())
            .map(|r| r["_step"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(steps("r"), steps("whole"));
}

#[test]
fn a_run_of_an_earlier_version_has_the_defaults_of_keys_that_came_later() {
    let sandbox = stopped_at(4);
    let config = sandbox.read("runs/r/config.toml");
    let lines = config.lines().filter(|line| *line != "nfc = false");
    let earlier = lines.map(|line| format!("{line}\n")).collect::<String>();
    assert!(earlier.len() < config.len(), "{config}");
    sandbox.write("runs/r/config.toml", earlier);
    let other = ["pretrain", "recipe.toml", "--resume", "--set", "data.clean.nfc=true"];
    let ended = sandbox.sst(&other);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("data.clean.nfc was false and is true"), "{}", ended.stderr);
    // The comparison works even if the data files have moved since.
    let moved =
        sandbox.read("runs/r/config.toml").replace("paths = [\"", "paths = [\"was/elsewhere/");
    assert!(moved.contains("was/elsewhere"), "{moved}");
    sandbox.write("runs/r/config.toml", moved);
    let allow = ["--allow-change", "data.paths"];
    sandbox.good(&[&["pretrain", "recipe.toml", "--resume"], &allow[..]].concat());
    assert_eq!(model(&sandbox, "r"), model(&sandbox, "whole"));
    assert_eq!(sandbox.read("runs/r/config.toml"), config);
}

#[test]
fn the_hint_of_a_stopped_run_works_as_it_is_printed() {
    let sandbox = Sandbox::new();
    let name = "run.name=it's mine";
    let budget = ["--set", "train.budget.tokens=100", "--set", name];
    let ended = sandbox.sst(&[&["pretrain", "recipe.toml"], &budget[..]].concat());
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let hint = ended.stderr.split("continue with: sst ").nth(1).unwrap().lines().next().unwrap();
    // The budget is used up, so the printed command raises it.
    let more = "--set train.budget.tokens=200";
    assert_eq!(hint, format!("pretrain 'runs/it'\\''s mine/config.toml' --resume {more}"));
    let config = "runs/it's mine/config.toml";
    let again = sandbox.sst(&["pretrain", config, "--resume", "--set", "train.budget.tokens=200"]);
    assert_eq!(again.code, Some(3), "{}", again.stderr);
    assert!(
        again.stderr.contains("resuming from runs/it's mine/checkpoints/step-"),
        "{}",
        again.stderr
    );
    let step = |text: &str| -> u64 {
        let rest = text.split("stopped at step ").nth(1).unwrap();
        rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    assert!(step(&again.stderr) > step(&ended.stderr), "{}", again.stderr);
    sandbox.good(&["pretrain", config, "--resume", "--set", "train.budget.tokens=100000"]);
    sandbox.good(&["pretrain", "recipe.toml", "--set", "run.name=whole"]);
    assert_eq!(model(&sandbox, "it's mine"), model(&sandbox, "whole"));
}

#[test]
fn fewer_steps_than_were_done_are_refused() {
    let sandbox = Sandbox::trained();
    let before = sandbox.read("runs/r/config.toml");
    let fewer = ["pretrain", "recipe.toml", "--resume", "--set", "train.steps=4step"];
    let ended = sandbox.sst(&fewer);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let told = "runs/r has done 12 steps, and train.steps asks for 4 in all";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert_eq!(sandbox.read("runs/r/config.toml"), before);
}

#[test]
fn a_run_that_was_moved_is_not_started_anew_where_it_was() {
    let sandbox = stopped_at(8);
    std::fs::rename(sandbox.path("runs"), sandbox.path("moved")).unwrap();
    let resume = ["pretrain", "moved/r/config.toml", "--resume"];
    let ended = sandbox.sst(&resume);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let told = "runs/r holds no checkpoint, but moved/r does";
    assert!(ended.stderr.contains(told) && !sandbox.path("runs").exists(), "{}", ended.stderr);
    let ended = sandbox.good(&[&resume[..], &["--set", "run.dir=moved"]].concat());
    let told = "resuming from moved/r/checkpoints/step-00000008";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

#[test]
fn a_run_copied_without_its_links_goes_on() {
    let sandbox = stopped_at(8);
    let latest = sandbox.path("runs/r/checkpoints/latest");
    std::fs::remove_file(&latest).unwrap();
    // This is what an object store or `cp -L` makes of the links, here with the named checkpoint lost.
    std::fs::rename(sandbox.path("runs/r/checkpoints/step-00000008"), &latest).unwrap();
    sandbox.good(&["checkpoint", "verify", "runs/r/checkpoints/latest"]);
    let ended = sandbox.good(&["pretrain", "recipe.toml", "--resume"]);
    assert!(
        ended.stderr.contains("resuming from runs/r/checkpoints/step-00000008"),
        "{}",
        ended.stderr
    );
    assert!(latest.is_symlink());
    assert_eq!(model(&sandbox, "r"), model(&sandbox, "whole"));
}

#[test]
fn a_broken_checkpoint_is_named_and_the_one_before_it_used() {
    let sandbox = stopped_at(8);
    let weights = sandbox.path("runs/r/checkpoints/step-00000008/model/model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let ended = sandbox.good(&["pretrain", "recipe.toml", "--resume"]);
    assert!(ended.stderr.contains("step-00000008/model/model.safetensors"), "{}", ended.stderr);
    assert!(ended.stderr.contains("resuming from runs/r/checkpoints/step-00000004"));
    assert_eq!(model(&sandbox, "r"), model(&sandbox, "whole"));
}

#[test]
fn a_run_with_checkpoints_is_not_started_anew_by_mistake() {
    let sandbox = Sandbox::trained();
    let before = model(&sandbox, "r");
    let ended = sandbox.sst(&["pretrain", "recipe.toml"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended
            .stderr
            .contains("runs/r holds checkpoints of an earlier run: continue it with --resume")
    );
    assert_eq!(model(&sandbox, "r"), before);
}

#[test]
fn resuming_a_run_that_has_not_begun_starts_it() {
    let sandbox = Sandbox::new();
    let ended = sandbox.good(&["pretrain", "recipe.toml", "--resume"]);
    assert!(ended.stderr.contains("runs/r holds no checkpoint yet: starting from the beginning"));
}

#[test]
fn a_change_of_what_is_learned_is_refused_by_its_key() {
    let sandbox = stopped_at(4);
    let check = |set: &str, expected: &str| {
        let ended = sandbox.sst(&["pretrain", "recipe.toml", "--resume", "--set", set]);
        assert_eq!(ended.code, Some(2), "{set}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{expected}\n{}", ended.stderr);
    };
    check("run.seed=8", "cannot resume runs/r: run.seed was 7 and is 8");
    check("train.batch_size=16", "train.batch_size was 8 and is 16");
    check("train.optimizer.lr=0.1", "train.optimizer.lr was 0.01 and is 0.1");
    check("objective.mask_rate=0.3", "objective.mask_rate was 0.15 and is 0.3");
    check("train.precision=bf16", "train.precision was \"fp32\" and is \"bf16\"");
    check("data.clean.dedup=true", "data.clean.dedup was false and is true");

    sandbox.write("corpus.txt", sandbox.read("corpus.txt") + "one more document\n");
    let ended = sandbox.sst(&["pretrain", "recipe.toml", "--resume"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("its data changed"), "{}", ended.stderr);
}

#[test]
fn other_data_with_the_same_counts_is_refused() {
    let sandbox = Sandbox::trained();
    let tokenizer = "tokenizer={path=\"runs/r/checkpoints/latest/model\"}";
    let start = ["pretrain", "recipe.toml", "--set", "run.name=t", "--set", tokenizer];
    sandbox.good(&start);
    let corpus = sandbox.read("corpus.txt");
    let reversed: Vec<&str> = corpus.lines().rev().collect();
    sandbox.write("corpus.txt", reversed.join("\n") + "\n");
    let go_on = [&start[..], &["--resume", "--set", "train.steps=16"]].concat();
    let ended = sandbox.sst(&go_on);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let told = "there are as many texts and tokens as before, but not the same";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    let ended = sandbox.sst(&["eval", "mask-accuracy", "--model", "runs/t"]);
    assert!(ended.code == Some(2) && ended.stderr.contains(told), "{}", ended.stderr);
    // The same texts in another file are the same data, and so is a run that lacks the hash.
    sandbox.write("corpus.txt", &corpus);
    std::fs::rename(sandbox.path("corpus.txt"), sandbox.path("moved.txt")).unwrap();
    let moved = [&go_on[..], &["--set", "data.paths=[\"moved.txt\"]"]].concat();
    sandbox.good(&[&moved[..], &["--allow-change", "data.paths"]].concat());
    let mut environment = sandbox.json("runs/t/environment.json");
    environment["data"].as_object_mut().unwrap().remove("contents").unwrap();
    sandbox.write("runs/t/environment.json", environment.to_string());
    sandbox.good(&[&moved[..], &["--set", "train.steps=18"]].concat());
}

#[test]
fn other_labels_of_the_same_texts_are_refused() {
    let sandbox = Sandbox::trained();
    let model = "runs/r/checkpoints/latest/model";
    let record = |at: usize, label: &str| {
        format!("{}\n", serde_json::json!({"text": format!("the old man {at}"), "label": label}))
    };
    let records = |first: &str, last: &str| -> String {
        let middle = (1..39).map(|at| record(at, ["sea", "hill"][at % 2]));
        std::iter::once(record(0, first)).chain(middle).chain([record(39, last)]).collect()
    };
    sandbox.write("train.jsonl", records("sea", "hill"));
    let text = format!(
        "[run]\ndevice = \"cpu\"\n[data]\npaths = [\"train.jsonl\"]\n[tokenizer]\npath = \"{model}\"\n[model]\npath = \
         \"{model}\"\n[objective]\nname = \"classify\"\n[train]\nsteps = 4\nbatch_size = 8\n"
    );
    sandbox.write("classes.toml", text);
    sandbox.good(&["train", "classes.toml"]);
    sandbox.write("train.jsonl", records("hill", "sea"));
    let ended = sandbox.sst(&["train", "classes.toml", "--resume", "--set", "train.steps=6"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("but not the same"), "{}", ended.stderr);
}

#[test]
fn other_data_is_refused_by_name_unless_allowed() {
    let sandbox = Sandbox::trained();
    let tokenizer = "tokenizer={path=\"runs/r/checkpoints/latest/model\"}";
    let start = ["pretrain", "recipe.toml", "--set", "run.name=t", "--set", tokenizer];
    sandbox.good(&start);
    let more = "the old man saw the sea\n".repeat(40);
    sandbox.write("corpus.txt", sandbox.read("corpus.txt") + &more);
    let go_on = [&start[..], &["--resume", "--set", "train.steps=16"]].concat();
    let ended = sandbox.sst(&go_on);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("documents was 200 and is 240"), "{}", ended.stderr);
    assert!(ended.stderr.contains("--allow-change data"), "{}", ended.stderr);
    let ended = sandbox.good(&[&go_on[..], &["--allow-change", "data"]].concat());
    assert!(ended.stderr.contains("documents was 200 and is 240"), "{}", ended.stderr);
    assert!(sandbox.path("runs/t/checkpoints/step-00000016").is_dir());
}

#[test]
fn how_often_to_log_and_where_to_work_may_change() {
    let sandbox = stopped_at(4);
    let recipe =
        RECIPE.replace("log_every = 1", "log_every = 3").replace("last = 0", "last = 5, best = 0");
    sandbox.write("recipe.toml", recipe);
    sandbox.good(&["pretrain", "recipe.toml", "--resume", "--set", "data.workers=0"]);
    assert_eq!(model(&sandbox, "r"), model(&sandbox, "whole"));
    assert!(sandbox.read("runs/r/config.toml").contains("log_every = \"3step\""));
}

#[test]
fn an_allowed_change_is_made_and_reported() {
    let sandbox = stopped_at(4);
    let change = ["--set", "train.batch_size=16", "--set", "train.optimizer.lr=0.1"];
    let resume = ["pretrain", "recipe.toml", "--resume"];
    let one = [&resume[..], &change[..], &["--allow-change", "train.batch_size"]].concat();
    let ended = sandbox.sst(&one);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("train.optimizer.lr was 0.01"), "{}", ended.stderr);
    let both = [&one[..], &["--allow-change", "train.optimizer.lr"]].concat();
    let ended = sandbox.good(&both);
    let told = "train.batch_size was 8 and is 16, as --allow-change allows";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert!(sandbox.read("runs/r/config.toml").contains("batch_size = 16"));
    assert_ne!(model(&sandbox, "r"), model(&sandbox, "whole"));
}
