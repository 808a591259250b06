//! `sst data augment`.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::sandbox::{Ended, Sandbox};
use crate::tls::tls_server;

/// An English and a Chinese thesaurus.
const MYTHES: &str = "UTF-8\nhappy|1\n(adj)|glad|merry\n";
const CILIN: &str = "Ga01A01= 高兴 快乐\n";

/// A program that implements Apertium's protocol, for texts without special characters.
const APERTIUM: &str = "#!/usr/bin/env bash\n\
    while IFS= read -r -d '' text; do printf '%s\\0' \"${text/hello/hullo}\"; done\n";

fn lines(ended: &Ended) -> Vec<Value> {
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Writes a program into the sandbox. It is written by another process, because a file that this process has open for
/// writing cannot be executed.
fn program(sandbox: &Sandbox, script: &str) {
    sandbox.write("script", script);
    let copy = "cat script > fake && chmod +x fake";
    let status = Command::new("sh").args(["-c", copy]).current_dir(sandbox.path("")).status();
    assert!(status.unwrap().success());
}

#[test]
fn views_are_written_as_json_lines() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "a.jsonl",
        "{\"body\":\"one two three\",\"label\":1,\"kind\":\"x\"}\n{\"body\":\"!\"}\n",
    );
    let args = [
        "data",
        "augment",
        "a.jsonl",
        "--text-field",
        "body",
        "--kind",
        "mask",
        "--rate",
        "1",
        "--mask",
        "<mask>",
    ];
    let ended = sandbox.good(&args);
    assert_eq!(
        ended.stdout,
        "{\"text\":\"one two three\",\"augmented\":\"<mask> <mask> <mask>\",\"kind\":[\"mask\"],\
         \"label\":1}\n{\"text\":\"!\",\"augmented\":\"!\",\"kind\":[\"mask\"]}\n"
    );
    let row =
        |name: &str| ended.stderr.lines().find(|line| line.contains(name)).unwrap().to_owned();
    assert!(row("augment.unchanged").ends_with("1  first at a.jsonl:2"), "{}", ended.stderr);
    assert!(row("augment.field_replaced").ends_with("1  first at a.jsonl:1"), "{}", ended.stderr);
}

#[test]
fn copies_differ_and_the_seed_decides() {
    let sandbox = Sandbox::new();
    let base =
        ["data", "augment", "corpus.txt", "--kind", "deletion", "--kind", "swap", "--rate", "0.5"];
    let with = |more: &[&str]| sandbox.good(&[&base[..], more].concat());
    let three = with(&["--copies", "3"]);
    let views = lines(&three);
    assert_eq!(views.len(), 600);
    let corpus = sandbox.read("corpus.txt");
    for (place, text) in corpus.lines().enumerate() {
        let copies = &views[3 * place..3 * place + 3];
        assert!(copies.iter().all(|view| view["text"] == text));
        assert_eq!(copies[0]["kind"], json!(["deletion", "swap"]));
    }
    let same = |i: usize| views[3 * i]["augmented"] == views[3 * i + 1]["augmented"];
    assert!((0..200).filter(|i| same(*i)).count() < 100);
    // The first copy does not depend on the number of copies, and another seed gives other copies.
    let one = lines(&with(&[]));
    assert!(one.iter().zip(views.iter().step_by(3)).all(|(a, b)| a == b));
    assert_ne!(lines(&with(&["--seed", "1"])), one);
}

#[test]
fn synonyms_of_two_languages_go_to_a_file() {
    let sandbox = Sandbox::new();
    sandbox.write("en.dat", MYTHES);
    sandbox.write("zh.txt", CILIN);
    sandbox.write("texts.txt", "Happy people\n我们今天很高兴。\n");
    let args = [
        "data",
        "augment",
        "texts.txt",
        "--kind",
        "synonym",
        "--synonyms",
        "en.dat",
        "--synonyms",
        "zh.txt",
        "--rate",
        "1",
        "--out",
        "views.jsonl",
    ];
    let ended = sandbox.good(&args);
    assert!(ended.stdout.is_empty() && ended.stderr.contains("2 lines in views.jsonl"));
    let views = sandbox.read("views.jsonl");
    let augmented = |line: &str| serde_json::from_str::<Value>(line).unwrap()["augmented"].clone();
    let views: Vec<Value> = views.lines().map(augmented).collect();
    assert!(views[0] == "Glad people" || views[0] == "Merry people", "{views:?}");
    assert_eq!(views[1], "我们今天很快乐。");
}

#[test]
fn back_translation_by_a_program() {
    let sandbox = Sandbox::new();
    program(&sandbox, APERTIUM);
    sandbox.write("texts.txt", "hello, all of you\n123\n");
    let args = [
        "data",
        "augment",
        "texts.txt",
        "--kind",
        "back-translation",
        "--translator",
        "./fake",
        "--pair",
        "eng-spa",
        "--cache",
        "kept",
        "--copies",
        "2",
    ];
    let views = lines(&sandbox.good(&args));
    let augmented: Vec<&str> =
        views.iter().map(|view| view["augmented"].as_str().unwrap()).collect();
    assert_eq!(augmented, ["hullo, all of you", "hullo, all of you", "123", "123"]);
    assert_eq!(views[0]["kind"], json!(["back_translation"]));
    // Cached translations need no program.
    program(&sandbox, "#!/bin/sh\nexit 1\n");
    assert_eq!(lines(&sandbox.good(&args)), views);
}

/// A TLS server is accepted if its certificate is in `trusted`, and refused otherwise.
#[test]
fn back_translation_by_a_server_that_is_trusted() {
    let sandbox = Sandbox::new();
    let (server, other) = (tls_server(), tls_server());
    sandbox.write("trusted.pem", &server.certificate);
    sandbox.write("other.pem", &other.certificate);
    sandbox.write("texts.txt", "hello, all of you\n");
    let run = |trusted: &str| -> Ended {
        let args = ["data", "augment", "texts.txt", "--kind", "back-translation"];
        let more = ["--translator", &server.url, "--pair", "en-es"];
        let mut command = sandbox.command(&[&args[..], &more].concat());
        command.env("SSL_CERT_FILE", sandbox.path(trusted)).output().unwrap().into()
    };
    let ended = run("trusted.pem");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(lines(&ended)[0]["augmented"], "HELLO, ALL OF YOU");
    let ended = run("other.pem");
    assert!(ended.code == Some(1) && ended.stdout.is_empty(), "{}", ended.stderr);
    let expected = format!("cannot agree on TLS with {}/translate: ", server.url);
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    assert!(ended.stderr.contains("invalid peer certificate"), "{}", ended.stderr);
}

#[test]
fn a_translator_that_fails_leaves_no_file() {
    let sandbox = Sandbox::new();
    let args = [
        "data",
        "augment",
        "corpus.txt",
        "--kind",
        "back_translation",
        "--translator",
        "./fake",
        "--out",
        "views.jsonl",
    ];
    let check = |script: Option<&str>, code: i32, expected: &str| {
        script.into_iter().for_each(|script| program(&sandbox, script));
        let more = ["--timeout", "0.5"];
        let ended = sandbox.sst(&[&args[..], &more].concat());
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
        assert!(!sandbox.path("views.jsonl").exists());
    };
    // A program that does not exist is wrong usage (code 2), like any other missing file.
    check(None, 2, "cannot start ./fake");
    check(
        Some("#!/bin/sh\necho no such mode >&2; exit 1\n"),
        1,
        "exit status: 1) with 0 of 200 texts translated: no such mode",
    );
    check(Some("#!/bin/sh\nsleep 60\n"), 1, "said nothing for 0.5 s");
}

#[test]
fn options_that_do_not_fit_the_kind_are_refused() {
    let sandbox = Sandbox::new();
    let check = |more: &[&str], expected: &str| {
        let ended = sandbox.sst(&[&["data", "augment", "corpus.txt"], more].concat());
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(expected) && ended.stdout.is_empty(), "{}", ended.stderr);
    };
    check(&[], "--kind <NAME>");
    check(&["--kind", "masc"], "there is no augmentation `masc`; sst has mask, deletion");
    check(&["--kind", "mask", "--rate", "2"], "rate is 2 and must be from 0 to 1");
    check(&["--kind", "mask", "--kind", "mask"], "is asked for twice");
    check(&["--kind", "synonym"], "no thesaurus is given: set `files` to a mythes .dat file");
    check(&["--kind", "synonym"], "a WordNet folder (`--synonyms`)\n");
    check(&["--kind", "swap", "--pair", "eng-spa"], "--pair does not apply to swap");
    check(
        &["--kind", "back_translation", "--rate", "1"],
        "--rate does not apply to back_translation",
    );
    check(&["--kind", "swap", "--synonyms", "x"], "--synonyms does not apply to swap");
    check(&["--kind", "back_translation", "--pair", "x"], "`x` is no pair of languages");
}

#[test]
fn help_lists_every_kind_with_its_rate() {
    let help = Sandbox::new().good(&["data", "augment", "--help"]).stdout;
    for entry in sst_data::augment::list() {
        let rate = (entry.default_config)()["rate"].as_f64();
        let rate = rate.map_or(String::new(), |rate| rate.to_string());
        let told = |line: &str| {
            let mut words = line.split_whitespace();
            words.next() == Some(entry.name) && (rate.is_empty() || words.next() == Some(&rate))
        };
        assert!(help.lines().any(told), "{} {rate}", entry.name);
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let sandbox = Sandbox::new();
    let many: String = (0..50_000).map(|i| format!("document number {i}\n")).collect();
    sandbox.write("many.txt", many);
    let mut command = sandbox.command(&["data", "augment", "many.txt", "--kind", "swap"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
