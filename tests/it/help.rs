//! Tests of the help texts, and of the commands in the documents.

use clap::{CommandFactory, Parser};
use sst_cli::args::Cli;

use crate::sandbox::{Sandbox, repository};

/// Loading libtorch takes a third of a second, so the binary that prints help must not link it.
#[test]
fn help_needs_no_libtorch() {
    let sandbox = Sandbox::new();
    assert!(sandbox.good(&["--help"]).stdout.contains("Usage: sst"));
    let asks_for_libtorch = |binary: &str| {
        let bytes = std::fs::read(binary).unwrap();
        let name = b"libtorch_cpu.so";
        bytes.windows(name.len()).any(|window| window == name)
    };
    assert!(!asks_for_libtorch(env!("CARGO_BIN_EXE_sst")));
    assert!(asks_for_libtorch(env!("CARGO_BIN_EXE_sst-engine")));
}

#[test]
fn every_command_has_examples_that_parse() {
    let mut command = Cli::command();
    command.build();
    let mut shown = 0;
    for command in leaves(&command) {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        // A backslash at the end of a line continues a command, as in a shell.
        let after = after.replace(" \\\n", " ");
        let examples: Vec<&str> = commands(&after).collect();
        assert!(!examples.is_empty(), "`{}` shows no example", command.get_name());
        examples.iter().for_each(|example| check_parses(example));
        shown += examples.len();
    }
    assert!(shown > 15);
}

/// An example must fit into 80 columns, so that no terminal breaks it.
#[test]
fn examples_fit_a_terminal() {
    let mut command = Cli::command();
    command.build();
    for command in leaves(&command) {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let mut goes_on = false;
        for line in after.lines() {
            let is_example = goes_on || line.trim_start().starts_with("sst ");
            assert!(!is_example || line.chars().count() <= 80, "{line}");
            goes_on = is_example && line.ends_with('\\');
        }
    }
}

/// Prose in help is wrapped only at the width of the terminal.
#[test]
fn help_is_wrapped_once() {
    let sandbox = Sandbox::new();
    let mut command = Cli::command();
    command.build();
    for columns in ["80", "120"] {
        // clap wraps at 100 columns at most (`max_term_width`).
        let width: usize = columns.parse::<usize>().unwrap().min(100);
        for path in paths(&command, &[]) {
            let args: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
            let output = sandbox.command(&args).env("COLUMNS", columns).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            for pair in lines.windows(2) {
                let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
                if is_prose(pair[0]) && is_prose(pair[1]) && !pair[0].ends_with(':') {
                    let word = pair[1].split(' ').next().unwrap_or_default().chars().count();
                    let room = pair[0].chars().count() + 1 + word > width;
                    assert!(
                        room,
                        "{args:?} at {columns} columns breaks too early:\n{}\n{}",
                        pair[0], pair[1]
                    );
                }
            }
        }
    }
}

/// The words of every command and subcommand.
fn paths(command: &clap::Command, before: &[String]) -> Vec<Vec<String>> {
    let mut all = vec![before.to_vec()];
    for below in command.get_subcommands().filter(|c| c.get_name() != "help") {
        all.extend(paths(below, &[before, &[below.get_name().to_owned()]].concat()));
    }
    all
}

fn leaves(command: &clap::Command) -> Vec<&clap::Command> {
    let below: Vec<_> = command.get_subcommands().filter(|c| c.get_name() != "help").collect();
    if below.is_empty() { vec![command] } else { below.into_iter().flat_map(leaves).collect() }
}

#[test]
fn every_command_of_the_documents_parses() {
    let mut pages = vec![repository().join("README.md"), repository().join("README.zh-CN.md")];
    pages.extend(repository().join("docs").read_dir().unwrap().map(|entry| entry.unwrap().path()));
    let mut shown = 0;
    for page in pages {
        let text = std::fs::read_to_string(page).unwrap();
        for line in text.lines().filter_map(|line| line.strip_prefix("$ ")) {
            let binary = line.split_whitespace().next().unwrap_or_default();
            if binary == "sst" || binary.ends_with("/sst") {
                check_parses(line);
                shown += 1;
            }
        }
    }
    assert!(shown > 20, "the documents show {shown} commands of sst");
}

/// The lines that begin with `sst `.
fn commands(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| line.starts_with("sst "))
}

fn check_parses(line: &str) {
    // Only the part before the first pipe or redirection belongs to sst.
    let words = split(line);
    let arguments = words.split(|word| matches!(word.as_str(), "|" | ">" | "<")).next().unwrap();
    if let Err(error) = Cli::try_parse_from(arguments) {
        panic!("`{line}`: {error}");
    }
}

/// Splits at spaces outside of quotes.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if c == ' ' => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
