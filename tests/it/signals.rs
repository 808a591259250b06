//! Ctrl-C twice while a run trains: exit code 3 where a checkpoint stands, and 1 where none does, whenever the second one
//! comes. Before that, and in every other command: code 130, and nothing unfinished is left.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::sandbox::{Ended, Sandbox};

/// Sends SIGTERM, which is taken as Ctrl-C is. A process that has ended is left alone.
fn terminate(child: &Child) {
    let command = format!("kill -TERM {} 2>/dev/null", child.id());
    Command::new("sh").args(["-c", &command]).status().unwrap();
}

#[test]
fn the_code_of_a_second_signal_tells_whether_a_checkpoint_stands() {
    let sandbox = Sandbox::new();
    let more = ["train.steps=1000000", "train.save_every=0", "train.eval_every=0"];
    for delay in [0, 1, 2, 5, 10, 20, 50, 200] {
        let run = format!("runs/d{delay}");
        let name = format!("run.name=d{delay}");
        let mut args = vec!["pretrain", "recipe.toml", "--set", &name];
        more.iter().for_each(|set| args.extend(["--set", set]));
        let mut command = sandbox.command(&args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let trains = || {
            let lines = std::fs::read_to_string(sandbox.path(&format!("{run}/metrics.jsonl")));
            lines.is_ok_and(|lines| lines.contains("train/loss"))
        };
        while !trains() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        terminate(&child);
        std::thread::sleep(Duration::from_millis(delay));
        terminate(&child);
        let ended = Ended::from(child.wait_with_output().unwrap());
        let folder = sandbox.path(&format!("{run}/checkpoints"));
        let names = folder.read_dir().into_iter().flatten().flatten();
        let stands =
            names.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().len() == 13);
        let code = if stands { 3 } else { 1 };
        assert_eq!(ended.code, Some(code), "{delay} ms: {}", ended.stderr);
        let none = ended.stderr.contains("there is no checkpoint yet");
        assert_eq!(none, !stands, "{delay} ms: {}", ended.stderr);
    }
}

/// Interrupts the command once `begun` says so; returns its end, and what lies in the folder then.
fn interrupted(
    sandbox: &Sandbox,
    args: &[&str],
    begun: impl Fn(&[String]) -> bool,
) -> (Ended, Vec<String>) {
    let names = || -> Vec<String> {
        let mut names: Vec<String> = sandbox
            .path(".")
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let mut command = sandbox.command(args);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !begun(&names()) {
        assert!(child.try_wait().unwrap().is_none(), "{args:?} ended before it was interrupted");
        std::thread::sleep(Duration::from_millis(2));
    }
    let kill = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    (Ended::from(child.wait_with_output().unwrap()), names())
}

#[test]
fn an_interrupted_command_leaves_nothing_unfinished() {
    let sandbox = Sandbox::trained();
    let before = ["cache", "corpus.txt", "recipe.toml", "runs"];
    let is_writing = |names: &[String]| names.iter().any(|name| name.ends_with(".tmp"));
    // Read often enough that no command is done before it is interrupted.
    let mut many = vec!["embed", "--model", "runs/r", "--out", "v.jsonl", "--data"];
    many.extend(std::iter::repeat_n("corpus.txt", 20_000));
    let augment =
        ["data", "augment", "corpus.txt", "--kind", "swap", "--out", "v.jsonl", "--copies"];
    for args in [&many[..], &[&augment[..], &["100000000"]].concat()] {
        let (ended, names) = interrupted(&sandbox, args, is_writing);
        assert_eq!(ended.code, Some(130), "{}: {}", args[0], ended.stderr);
        assert!(ended.stderr.contains("interrupted"), "{}", ended.stderr);
        assert_eq!(names, before, "{}", args[0]);
    }
}

#[test]
fn a_run_that_is_interrupted_before_it_trains_leaves_no_folder() {
    let sandbox = Sandbox::new();
    let paths = format!("data.paths=[{}]", "\"corpus.txt\",".repeat(8_000));
    let args = ["pretrain", "recipe.toml", "--set", &paths];
    let is_locked = |_: &[String]| sandbox.path("runs/r/run.lock").exists();
    let (ended, names) = interrupted(&sandbox, &args, is_locked);
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(!names.contains(&"runs".to_owned()), "{names:?}");
}
