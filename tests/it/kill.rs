//! A run that is killed ten times ends with the weights of an uninterrupted one.

use std::process::{Child, Stdio};
use std::time::Duration;

use sst_data::SeqRng;

use crate::sandbox::Sandbox;

const STEPS: u32 = 300;
const KILLS: u32 = 10;

/// Waits until the run has a checkpoint of `step` or later. Returns false if the run ended before.
fn reaches(sandbox: &Sandbox, child: &mut Child, step: u32) -> bool {
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        let folder = sandbox.path("runs/killed/checkpoints");
        let names = folder.read_dir().into_iter().flatten().flatten();
        let newest = names
            .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("step-")?.parse().ok())
            .max();
        if newest.unwrap_or(0_u32) >= step {
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn sigkill_at_ten_random_moments_changes_nothing() {
    let sandbox = Sandbox::new();
    let steps = format!("train.steps={STEPS}");
    let args = |name: &'static str| {
        let set = [
            "--set",
            name,
            "--set",
            &steps,
            "--set",
            "train.save_every=3",
            "--set",
            "train.keep.last=3",
        ];
        [&["pretrain", "recipe.toml", "--resume"], &set[..]]
            .concat()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let whole = args("run.name=whole");
    sandbox.good(&whole.iter().map(String::as_str).collect::<Vec<_>>());

    let killed = args("run.name=killed");
    let killed: Vec<&str> = killed.iter().map(String::as_str).collect();
    let mut rng = SeqRng::new(11, "kill", 0, 0);
    let mut kills = 0;
    for i in 0..KILLS {
        let mut child =
            sandbox.command(&killed).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The first kill hits the start of the process, the others any later moment: loading, training or saving.
        if !reaches(&sandbox, &mut child, i * STEPS * 9 / 10 / KILLS) {
            break;
        }
        std::thread::sleep(Duration::from_micros(rng.below(if i == 0 { 600_000 } else { 40_000 })));
        // This sends SIGKILL. `sst` has started `sst-engine` by exec, so the child is the process that trains.
        child.kill().unwrap();
        kills += u32::from(child.wait().unwrap().code().is_none());
    }
    assert!(kills >= KILLS - 2, "only {kills} kills hit a running process");
    sandbox.good(&killed);

    for file in ["model/model.safetensors", "state/optimizer.safetensors"] {
        let read = |run: &str| {
            let path = format!("runs/{run}/checkpoints/step-{STEPS:08}/{file}");
            std::fs::read(sandbox.path(&path)).unwrap()
        };
        assert!(read("whole") == read("killed"), "{file} differs");
    }
    let losses = |run: &str| -> Vec<String> {
        let text = sandbox.read(&format!("runs/{run}/metrics.jsonl"));
        let rows = text.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
        rows.filter(|row| !row["train/loss"].is_null())
            .map(|row| format!("{} {}", row["_step"], row["train/loss"]))
            .collect()
    };
    assert_eq!(losses("whole"), losses("killed"));
}
