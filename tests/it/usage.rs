//! Wrong arguments end every command with exit code 2.

use std::fs::File;

use clap::builder::ValueParser;
use clap::{CommandFactory, Parser};
use sst_cli::args::{Cli, Command};

use crate::sandbox::Sandbox;

#[test]
fn wrong_usage_ends_with_its_code() {
    let sandbox = Sandbox::trained();
    std::fs::rename(sandbox.path("runs/r/checkpoints/step-00000012/model"), sandbox.path("m"))
        .unwrap();
    std::fs::create_dir(sandbox.path("empty")).unwrap();
    std::fs::create_dir(sandbox.path("bare")).unwrap();
    for name in ["config.json", "tokenizer.json"] {
        sandbox.write(&format!("bare/{name}"), sandbox.read(&format!("m/{name}")));
    }
    sandbox.write("pairs.jsonl", "{\"a\":\"the old man\",\"b\":\"the sea\"}\n");
    sandbox.write("latin.toml", b"[run]\nname = \"caf\xe9\"\n");
    let nowhere = "the folder nodir does not exist: create it first";
    for (line, expected) in [
        (
            "tokenizer encode --tokenizer empty --text a",
            "empty holds no tokenizer.json, no vocab.txt",
        ),
        ("fill-mask --model bare --text [MASK]", "bare holds neither model.safetensors nor"),
        (
            "embed --model bare --data corpus.txt --out v.npy",
            "bare holds neither model.safetensors nor",
        ),
        (
            "export --model bare --format huggingface --out e",
            "bare holds neither model.safetensors nor",
        ),
        ("tokenizer train corpus.txt --vocab-size 0 --out t", "vocab_size is 0 and must be from 6"),
        ("tokenizer train corpus.txt --vocab-size 0 --out t", "every vocabulary (`--vocab-size`)"),
        ("embed --model m --data corpus.txt --device tpu --out v.npy", "cuda:N (`--device`)"),
        ("embed --model m --data corpus.txt --threads 5000 --out v.npy", "5000 is not in 0..=1024"),
        (
            "export --model m --format sentence-transformers --max-length 2 --out e",
            "raise it to 3 or more (`--max-length`)",
        ),
        (
            "mine --model m --data pairs.jsonl --fields a,b --out t.csv",
            "--out t.csv: the lines are JSON, and the name says csv: name a .jsonl",
        ),
        ("eval mask-accuracy --model m --format csv", "how the files of --data are read"),
        ("generate --model m --prompt a --top-p 1.5", "--top-p is 1.5 and must be from 0 to 1"),
        ("checkpoint prune runs/r --last 0", "write a whole number from 1"),
        ("train empty", "empty: this is a folder: name a recipe, which is a TOML file"),
        ("train latin.toml", "latin.toml: line 2 is not UTF-8: save the recipe as UTF-8"),
        (
            "train recipe.toml --set run.dir=corpus.txt",
            "run.dir: is corpus.txt, but corpus.txt is a file: name a folder",
        ),
        (
            "train recipe.toml --set data.cache=corpus.txt/a",
            "data.cache: is corpus.txt/a, but corpus.txt is a file: name a folder",
        ),
        (
            "data clean corpus.txt --min-length 10 --max-length 5",
            "no document would be left (`--min-length` and `--max-length`)",
        ),
        ("data augment corpus.txt --kind swap --rate 2", "must be from 0 to 1 (`--rate`)"),
        ("data augment corpus.txt --kind delete", " (`--kind`)"),
        (
            "data augment corpus.txt --kind back_translation --translator a --pair x",
            "where a name has a hyphen (`--pair`)",
        ),
        (
            "mine --model m --data pairs.jsonl --fields a,b --num-negatives 0 --out v.jsonl",
            "num_negatives: must be at least 1 (`--num-negatives`)",
        ),
        (
            "eval rankme --model m --data corpus.txt --epsilon -1",
            "epsilon is -1, and must be at least 0 (`--epsilon`)",
        ),
        (
            "eval rankme --model m --data corpus.txt --epsilon abc",
            "epsilon is \"abc\" and must be a number (`--epsilon`)",
        ),
        (
            "eval mask-accuracy --model m --data corpus.txt --max-length 2",
            "raise it to 3 or more (`--max-length`)",
        ),
        (
            "eval mask-accuracy --model m --data corpus.txt --mask-rate 0",
            "error: --mask-rate is 0: there would be nothing to predict",
        ),
        (
            "tokenizer train corpus.txt --out corpus.txt",
            "--out corpus.txt is a file: name a folder",
        ),
        (
            "embed --model m --data corpus.txt --max-length 1 --out v.npy",
            "`max_length` is 1, and special tokens alone take 2: raise it to 3 or more (`--max-length`)",
        ),
        ("embed --model m --data corpus.txt --out nodir/v.npy", nowhere),
        ("data augment corpus.txt --kind swap --out nodir/v.jsonl", nowhere),
        ("mine --model m --data pairs.jsonl --fields a,b --out nodir/v.jsonl", nowhere),
        ("report runs/r --out nodir/r.html", nowhere),
        ("fill-mask --model m --text sea", "the text `sea` holds no [MASK]"),
        ("data augment corpus.txt --kind synonym --synonyms nope", "nope does not exist"),
        ("data augment corpus.txt --kind synonym --synonyms empty", "cannot read empty/data.noun"),
        ("data augment corpus.txt --kind deletion --rate nan", "write a finite number"),
        ("data augment corpus.txt --kind deletion --rate -1", "rate is -1 and must be from 0 to 1"),
        ("verify-resume recipe.toml --kills 1001", "1001 is not in 1..=1000"),
    ] {
        let ended = sandbox.sst(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(ended.code, Some(2), "{line}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{line}: {expected}\n{}", ended.stderr);
        assert_eq!(ended.stdout, "", "{line}");
    }
    for left in ["t", "e", "v.npy", "nodir"] {
        assert!(!sandbox.path(left).exists(), "{left}");
    }
}

#[test]
fn train_and_pretrain_are_one_command() {
    let recipe = |name: &str| match Cli::try_parse_from(["sst", name, "a.toml", "--resume"]) {
        Ok(Cli { command: Command::Train(args) }) => (args.recipe, args.resume),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(recipe("train"), recipe("pretrain"));
}

#[test]
fn help_that_cannot_be_written_is_an_error() {
    let sandbox = Sandbox::new();
    for line in ["--help", "--version", "train --help", "completions bash"] {
        let mut command = sandbox.command(&line.split(' ').collect::<Vec<_>>());
        let full = File::options().write(true).open("/dev/full").unwrap();
        let ended = command.stdout(full).output().unwrap();
        assert_eq!(ended.status.code(), Some(1), "{line}");
        let told = String::from_utf8(ended.stderr).unwrap();
        assert!(told.contains("cannot write to stdout"), "{line}: {told}");
    }
}

/// A negative number is parsed as a number and not as an option: `--length-penalty -1`. NaN is refused.
#[test]
fn every_number_may_be_written_with_a_sign_and_none_is_nan() {
    let mut seen = 0;
    let mut commands = vec![Cli::command()];
    while let Some(command) = commands.pop() {
        for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
            let place = format!("{} --{}", command.get_name(), arg.get_id());
            let has_parser =
                |parser: ValueParser| parser.type_id() == arg.get_value_parser().type_id();
            let numbers = [
                has_parser(clap::value_parser!(f64).into()),
                has_parser(clap::value_parser!(u64).into()),
                has_parser(clap::value_parser!(u32).into()),
                has_parser(clap::value_parser!(usize).into()),
            ];
            if numbers.contains(&true) {
                assert!(arg.is_allow_negative_numbers_set(), "{place}");
                seen += 1;
            }
        }
        commands.extend(command.get_subcommands().cloned());
    }
    assert!(seen > 40, "{seen}");
    for (line, option) in [
        ("data augment a.txt --kind mask", "--rate"),
        ("data augment a.txt --kind mask", "--timeout"),
        ("generate --model m --prompt a", "--temperature"),
        ("generate --model m --prompt a", "--top-p"),
        ("generate --model m --prompt a", "--min-p"),
        ("generate --model m --prompt a", "--repetition-penalty"),
        ("generate --model m --prompt a --beams 2", "--length-penalty"),
        ("mine --model m --data a.csv --fields a,b --out o", "--max-score"),
        ("mine --model m --data a.csv --fields a,b --out o", "--min-score"),
        ("mine --model m --data a.csv --fields a,b --out o", "--absolute-margin"),
        ("mine --model m --data a.csv --fields a,b --out o", "--relative-margin"),
        ("eval mask-accuracy --model m", "--mask-rate"),
    ] {
        let parse = |value: &str| {
            Cli::try_parse_from(format!("sst {line} {option} {value}").split(' ')).is_ok()
        };
        assert!(parse("-0.5") && parse("1e3"), "{option}");
        assert!(!parse("nan") && !parse("-inf") && !parse("many"), "{option}");
    }
}
