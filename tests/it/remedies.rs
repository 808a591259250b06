//! An error names the file that is wrong and says what to do.

use std::process::Command;

use crate::sandbox::{Ended, Sandbox};

const MODEL: &str = "runs/r/checkpoints/step-00000012/model";

fn fails(ended: &Ended, code: i32, expected: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    for part in expected {
        assert!(ended.stderr.contains(part), "{part}\n{}", ended.stderr);
    }
}

#[test]
fn a_damaged_file_of_a_run_is_named_where_it_is_resumed() {
    let sandbox = Sandbox::trained();
    let good =
        ["config.toml", "environment.json"].map(|name| sandbox.read(&format!("runs/r/{name}")));
    let resume = || sandbox.sst(&["pretrain", "recipe.toml", "--resume"]);
    let back =
        "restore the file as the run wrote it, or start another run with --set run.name=NAME";
    let cut = good[0].lines().take(9).map(|line| format!("{line}\n")).collect::<String>();
    for (text, expected) in [
        ("[run]\na = [\n", "runs/r/config.toml:2 is damaged (unclosed array"),
        ("", "runs/r/config.toml is cut off"),
        (&cut, "runs/r/config.toml is cut off"),
    ] {
        sandbox.write("runs/r/config.toml", text);
        fails(&resume(), 1, &[expected, back]);
    }
    std::fs::remove_file(sandbox.path("runs/r/config.toml")).unwrap();
    fails(&resume(), 1, &["cannot read runs/r/config.toml", back]);
    sandbox.write("runs/r/config.toml", &good[0]);
    sandbox.write("runs/r/environment.json", "{\"version\"");
    fails(&resume(), 1, &["runs/r/environment.json is damaged (EOF while parsing", back]);
    sandbox.write("runs/r/environment.json", &good[1]);
    assert_eq!(resume().code, Some(0));
}

#[test]
fn a_file_of_a_model_that_is_cut_off_is_named() {
    let sandbox = Sandbox::trained();
    std::fs::rename(sandbox.path(MODEL), sandbox.path("m")).unwrap();
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
        let whole = sandbox.read(&format!("m/{name}"));
        sandbox.write(&format!("m/{name}"), &whole[..whole.len() / 2]);
        let ended = sandbox.sst(&["fill-mask", "--model", "m", "--text", "[MASK]"]);
        let file = format!("m/{name}");
        fails(
            &ended,
            1,
            &[&file, "is cut off (EOF while parsing", "copy or download this file again"],
        );
        sandbox.write(&format!("m/{name}"), whole);
    }
}

#[test]
fn a_file_that_a_checkpoint_lacks_is_named_by_verify() {
    let sandbox = Sandbox::trained();
    let file = "runs/r/checkpoints/step-00000012/state/optimizer.safetensors";
    std::fs::remove_file(sandbox.path(file)).unwrap();
    let ended = sandbox.sst(&["checkpoint", "verify", "runs/r"]);
    fails(&ended, 1, &["take the newest good one", "delete its folder"]);
    let told = format!("{file}: the file is missing from the checkpoint");
    assert!(ended.stdout.contains(&told), "{}", ended.stdout);
    std::fs::remove_file(sandbox.path("runs/r/checkpoints/step-00000008/MANIFEST.json")).unwrap();
    let ended = sandbox.sst(&["checkpoint", "verify", "runs/r"]);
    let told = "step-00000008/MANIFEST.json: it is missing, so the checkpoint is not whole";
    assert!(ended.stdout.contains(told), "{}", ended.stdout);
}

/// A file size limit of some kilobytes, which the weights exceed, acts like a full disk.
#[test]
fn a_run_that_cannot_save_says_how_to_go_on() {
    let sandbox = Sandbox::trained();
    let limited = |sets: &[&str]| {
        let script = "trap '' XFSZ; ulimit -f 20; exec \"$0\" \"$@\"";
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        let args: Vec<&str> =
            ["pretrain", "recipe.toml", "--resume"].into_iter().chain(sets).collect();
        let sst = sandbox.command(&args);
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(sst.get_program()).args(sst.get_args());
        command.envs(sst.get_envs().filter_map(|(key, value)| Some((key, value?))));
        Ended::from(command.current_dir(sandbox.path(".")).output().unwrap())
    };
    let ended = limited(&["train.steps=14step"]);
    let command =
        "When that is fixed, continue from step 12 with: sst pretrain runs/r/config.toml --resume";
    fails(&ended, 1, &["cannot save runs/r/checkpoints/step-00000014: ", command]);
    let ended = limited(&["run.name=other"]);
    fails(
        &ended,
        1,
        &["cannot save runs/other/checkpoints/step-00000004: ", "There is no checkpoint yet"],
    );
    // The printed command works.
    sandbox.good(&["pretrain", "runs/r/config.toml", "--resume"]);
    assert!(sandbox.path("runs/r/checkpoints/step-00000014").is_dir());
}
