//! An output that would overwrite an input, or something that is not a file, is refused. So is an input that is not a
//! file.

use crate::sandbox::Sandbox;

/// Runs the command, which must fail with `expected` in the message.
fn refused(sandbox: &Sandbox, line: &str, expected: &str) {
    let ended = sandbox.sst(&line.split(' ').collect::<Vec<_>>());
    assert_eq!(ended.code, Some(2), "{line}: {}", ended.stderr);
    assert!(ended.stderr.contains(expected), "{line}: {expected}\n{}", ended.stderr);
    assert!(ended.stdout.is_empty(), "{line}: {}", ended.stdout);
}

fn pipe(sandbox: &Sandbox, name: &str) {
    let made = std::process::Command::new("mkfifo").arg(sandbox.path(name)).status().unwrap();
    assert!(made.success());
}

#[test]
fn an_output_never_takes_the_place_of_an_input() {
    let sandbox = Sandbox::trained();
    let pair = "{\"text\":\"the old man\",\"a\":\"the sea\"}\n";
    std::fs::create_dir(sandbox.path("own")).unwrap();
    std::os::unix::fs::symlink("own/in.jsonl", sandbox.path("link.jsonl")).unwrap();
    for name in ["own/in.jsonl", "words.txt", "alone.jsonl"] {
        sandbox.write(name, pair);
    }
    let metrics = sandbox.read("runs/r/metrics.jsonl");
    let (also, lies) = ("is also an input: name another file", "lies in the input folder own");
    let augment = "data augment --kind swap";
    let embed = "embed --model runs/r";
    let mine = "mine --model runs/r --fields text,a";
    for (line, expected) in [
        (format!("{augment} alone.jsonl --out alone.jsonl"), also),
        (format!("{augment} own --out own/in.jsonl"), also),
        (format!("{augment} own --out link.jsonl"), also),
        (format!("{augment} own/*.jsonl --out ./own/../own/in.jsonl"), also),
        (format!("{augment} own --out own/x.jsonl"), lies),
        ("data augment own --kind synonym --synonyms words.txt --out words.txt".to_owned(), also),
        (format!("{embed} --data alone.jsonl --out alone.jsonl"), also),
        (format!("{embed} --data own --out own/x.jsonl"), lies),
        (format!("{embed} --data own --out runs/r/metrics.jsonl"), "is a file of runs/r"),
        (format!("{mine} --data alone.jsonl --out alone.jsonl"), also),
        (format!("{mine} --data own --out own/x.jsonl"), lies),
        (format!("{mine} --data own --out runs/r/metrics.jsonl"), "is a file of runs/r"),
        ("report runs/r --out runs/r/config.toml".to_owned(), "name a .html file"),
    ] {
        refused(&sandbox, &line, expected);
    }
    for name in ["own/in.jsonl", "words.txt", "alone.jsonl"] {
        assert_eq!(sandbox.read(name), pair);
    }
    assert_eq!(sandbox.read("runs/r/metrics.jsonl"), metrics);
    assert_eq!(sandbox.path("own").read_dir().unwrap().count(), 1);
    // A file of another format may lie in the input folder; it is not counted as an input while it is written.
    let ended = sandbox.good(&["data", "augment", "own", "--kind", "swap", "--out", "own/x.out"]);
    assert!(!ended.stderr.contains("read.other_files"), "{}", ended.stderr);
    for _ in 0..2 {
        sandbox.good(&["embed", "--model", "runs/r", "--data", "own", "--out", "runs/r/v.npy"]);
    }
}

#[test]
fn pipes_are_refused_without_waiting_by_every_command() {
    let sandbox = Sandbox::trained();
    for name in ["p", "p.jsonl", "p.npy", "p.html", "p.toml", "folder.npy"] {
        match name {
            "folder.npy" => std::fs::create_dir(sandbox.path(name)).unwrap(),
            _ => pipe(&sandbox, name),
        }
    }
    sandbox.write("pairs.jsonl", "{\"text\":\"the old man\",\"a\":\"the sea\"}\n");
    let what = "a pipe, not a file: write the data to a file and name that";
    for (line, expected) in [
        ("convert p --out c", what),
        ("convert folder.npy --out c", "folder.npy: it is a folder, not a file"),
        ("tokenizer encode --tokenizer p --text a", what),
        ("tokenizer train p --format text --out t", what),
        ("generate --model runs/r --prompts-file p", what),
        ("data augment corpus.txt --kind synonym --synonyms p", what),
        ("data augment corpus.txt --kind swap --out p.jsonl", what),
        ("data augment corpus.txt --kind swap --out /dev/null", "it is a device, not a file"),
        ("pretrain p.toml", what),
        ("data prepare p.toml", what),
        ("pretrain recipe.toml --set run.name=x --set tokenizer={path=\"p\"}", what),
        ("embed --model runs/r --data corpus.txt --out p.npy", what),
        ("embed --model runs/r --data corpus.txt --out folder.npy", "it is a folder, not a file"),
        ("mine --model runs/r --fields text,a --data pairs.jsonl --out p.jsonl", what),
        ("report runs/r --out p.html", what),
    ] {
        refused(&sandbox, line, expected);
    }
    let kind = std::fs::symlink_metadata(sandbox.path("p.npy")).unwrap().file_type();
    assert!(!kind.is_file(), "the pipe is still there");
}

#[test]
fn a_dangling_link_is_an_error() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("own")).unwrap();
    sandbox.write("own/a.txt", "the sea\n");
    std::os::unix::fs::symlink("../gone.txt", sandbox.path("own/b.txt")).unwrap();
    for line in ["data inspect own", "data inspect own/b.txt", "data inspect own/*.txt"] {
        let expected =
            "own/b.txt is a link to ../gone.txt, which does not exist: put the file back";
        refused(&sandbox, line, expected);
    }
}

#[test]
fn a_folder_that_cannot_be_created_is_named() {
    let sandbox = Sandbox::new();
    let args = ["tokenizer", "train", "corpus.txt", "--vocab-size", "60", "--out"];
    let ended = sandbox.sst(&[&args[..], &["corpus.txt/below/tok"]].concat());
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot make corpus.txt/below/tok: "), "{}", ended.stderr);
}
