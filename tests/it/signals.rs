//! Ctrl-C twice: exit code 3 where a checkpoint stands, and 1 where none does, whenever the second one comes.

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
