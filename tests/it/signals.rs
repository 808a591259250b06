//! After a second Ctrl-C in training, the exit code is 3 if there is a checkpoint and 1 if there is none, whenever it
//! comes. Before training and in every other command, Ctrl-C gives code 130 and leaves no unfinished file.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::sandbox::{Ended, Sandbox};

/// Sends SIGTERM, which is handled like Ctrl-C. Does nothing if the process has ended.
fn terminate(child: &Child) {
    let command = format!("kill -TERM {} 2>/dev/null", child.id());
    Command::new("sh").args(["-c", &command]).status().unwrap();
}

#[test]
fn the_code_of_a_second_signal_tells_whether_there_is_a_checkpoint() {
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

/// Interrupts the command as soon as `begun` returns true. Returns the result and the names in the folder afterwards.
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
    // The input is repeated so often that no command finishes before it is interrupted.
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
