//! Two processes that use one run folder or one cache at the same time: one works, the other is refused or waits, and
//! nothing is damaged.
//!
//! `SST_ROUNDS=50 cargo test -p sst-cli two_processes` repeats each test 50 times.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::sandbox::{Ended, Sandbox};

/// The number of rounds of each test.
fn rounds() -> u32 {
    std::env::var("SST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(2)
}

fn start(sandbox: &Sandbox, args: &[&str]) -> Child {
    sandbox.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child) -> Ended {
    child.wait_with_output().unwrap().into()
}

/// Checks that every checkpoint is complete and the run has done all its steps.
fn check_whole(sandbox: &Sandbox, run: &str) {
    let folder = format!("runs/{run}");
    let verified = sandbox.good(&["checkpoint", "verify", &folder, "--json"]).json();
    let checkpoints = verified["checkpoints"].as_array().unwrap();
    assert_eq!(checkpoints.last().unwrap()["step"], 12);
    let metrics = sandbox.read(&format!("{folder}/metrics.jsonl"));
    let steps =
        metrics.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let trained: Vec<_> =
        steps.filter(|row| row["train/loss"].is_f64()).map(|row| row["_step"].clone()).collect();
    assert_eq!(trained, (1..=12).collect::<Vec<_>>());
    assert!(!sandbox.path(&format!("{folder}/run.lock")).exists());
}

#[test]
fn of_two_new_runs_in_one_folder_the_second_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.good(&["data", "prepare", "recipe.toml"]);
    for round in 0..rounds() {
        let name = format!("run.name=new{round}");
        let args = |seed: &'static str| {
            ["pretrain", "recipe.toml", "--set", &name, "--set", seed].map(str::to_owned)
        };
        let both = ["run.seed=1", "run.seed=2"].map(|seed| {
            let args = args(seed);
            start(&sandbox, &args.each_ref().map(String::as_str))
        });
        let pids = both.each_ref().map(Child::id);
        let [one, two] = both.map(end);
        let (refused, other) = if one.code == Some(0) { (&two, pids[0]) } else { (&one, pids[1]) };
        let won = if one.code == Some(0) { &one } else { &two };
        assert_eq!((won.code, refused.code), (Some(0), Some(2)), "{}\n{}", one.stderr, two.stderr);
        // If the other run has already ended, the second one is refused because of its checkpoints.
        let busy = format!("runs/new{round} is in use by process {other}");
        let over = "holds checkpoints of an earlier run";
        let told = refused.stderr.contains(&busy) || refused.stderr.contains(over);
        assert!(told, "{}", refused.stderr);
        check_whole(&sandbox, &format!("new{round}"));
    }
}

#[test]
fn a_resume_beside_a_running_one_is_refused_and_takes_over_after_a_kill() {
    let sandbox = Sandbox::new();
    sandbox.good(&["data", "prepare", "recipe.toml"]);
    for round in 0..rounds() {
        let name = format!("run.name=resumed{round}");
        let folder = format!("runs/resumed{round}");
        // The run is long enough to be training when the second one starts.
        let long = ["pretrain", "recipe.toml", "--set", &name, "--set", "train.steps=100000step"];
        let long = [&long[..], &["--set", "train.save_every=4step", "--set", "train.keep.last=2"]]
            .concat();
        let long = [&long[..], &["--set", "train.eval_every=8step"]].concat();
        let mut running = start(&sandbox, &long);
        let begun = Instant::now();
        while !sandbox.path(&format!("{folder}/checkpoints/latest")).exists() {
            assert!(
                running.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(60)
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        for args in [&[&long[..], &["--resume"]].concat()[..], &["checkpoint", "prune", &folder]] {
            let refused = sandbox.sst(args);
            assert_eq!(refused.code, Some(2), "{args:?}: {}", refused.stderr);
            let busy = format!("{folder} is in use by process {}", running.id());
            assert!(refused.stderr.contains(&busy), "{}", refused.stderr);
        }
        // After SIGKILL, the system releases the lock.
        running.kill().unwrap();
        running.wait().unwrap();
        sandbox.good(&["checkpoint", "verify", &folder]);
        sandbox.good(&["checkpoint", "prune", &folder, "--last", "1", "--best", "0"]);
        let listed = sandbox.good(&["checkpoint", "list", &folder, "--json"]).json();
        let step = listed["checkpoints"][0]["step"].as_u64().unwrap();
        let steps = format!("train.steps={}step", step + 4);
        let args = [&long[..], &["--resume", "--set", &steps]].concat();
        sandbox.good(&args);
    }
}

#[test]
fn two_that_need_one_cache_make_it_once_and_get_the_same() {
    for round in 0..rounds() {
        let sandbox = Sandbox::new();
        let prepare = ["data", "prepare", "recipe.toml", "--json"];
        let both = [start(&sandbox, &prepare), start(&sandbox, &prepare)].map(end);
        let [one, two] = both.map(|ended| {
            assert_eq!(ended.code, Some(0), "round {round}: {}", ended.stderr);
            ended.json()
        });
        assert_eq!(one["store"], two["store"], "round {round}");
        for folder in ["stores", "tokenizers"] {
            let names = sandbox.path(&format!("cache/sst/prepared/{folder}")).read_dir().unwrap();
            let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names.len(), 1, "round {round}: {names:?}");
        }
        sandbox.good(&["pretrain", "recipe.toml"]);
        check_whole(&sandbox, "r");
    }
}
