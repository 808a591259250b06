//! A library's message names its own settings, not the keys of a recipe or the flags of `sst`: whoever uses one crate
//! knows neither. sst-run and sst-cli add them, for the settings that an error says it is about.

use std::collections::BTreeSet;

use super::Finding;
use super::rust_text::{is_support, string_literals};
use super::tree::Tree;

/// The crates that may be used without a recipe.
const LIBRARIES: [&str; 7] = [
    "sst-core",
    "sst-data",
    "sst-eval",
    "sst-kernels",
    "sst-models",
    "sst-objectives",
    "sst-train",
];
/// Where the keys of a recipe stand, as string literals.
const KEYS: &str = "crates/sst-run/src/recipe/";
/// Where the flags of `sst` stand, as public fields.
const FLAGS: &str = "crates/sst-cli/src/args/";
/// The sections of a recipe.
const SECTIONS: [&str; 9] =
    ["run", "data", "tokenizer", "model", "objective", "curriculum", "mixture", "tasks", "train"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let names = names(tree);
    let libraries = tree.rust().filter(|(path, _)| is_library(path) && !is_support(path));
    libraries.flat_map(|(path, text)| check_file(path, text, &names)).collect()
}

fn is_library(path: &str) -> bool {
    let name = path.strip_prefix("crates/").and_then(|rest| rest.split('/').next());
    name.is_some_and(|name| LIBRARIES.contains(&name))
}

fn check_file(path: &str, text: &str, names: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for literal in string_literals(text) {
        let found = words(&text[literal.clone()])
            .find(|word| names.contains(*word) || matches!(*word, "recipe" | "recipes"));
        if let Some(word) = found {
            let line = text[..literal.start].matches('\n').count() + 1;
            let message = format!(
                "names `{word}`, which a user of this crate does not know: name the setting of this crate, list it in \
                 the crate's setting.rs, and give it its key in {KEYS} or its flag in sst-cli"
            );
            findings.push(Finding::new(path, line, message));
        }
    }
    findings
}

/// The keys of recipes, such as `train.steps`, and the flags, such as `--format`.
fn names(tree: &Tree) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, text) in tree.rust().filter(|(path, _)| path.starts_with(KEYS)) {
        let literals = string_literals(text).into_iter();
        let literals = literals.map(|literal| &text[literal.start + 1..literal.end - 1]);
        names.extend(literals.filter(|literal| is_key(literal)).map(str::to_owned));
    }
    for (_, text) in tree.rust().filter(|(path, _)| path.starts_with(FLAGS)) {
        let fields = text.lines().filter_map(|line| line.trim().strip_prefix("pub "));
        let fields = fields.filter_map(|line| Some(line.split_once(": ")?.0));
        let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        names.extend(fields.filter(is_name).map(|name| format!("--{}", name.replace('_', "-"))));
    }
    names
}

/// Whether a literal is a key of a recipe, with its section.
fn is_key(literal: &str) -> bool {
    let Some((section, key)) = literal.split_once('.') else { return false };
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c);
    SECTIONS.contains(&section) && !key.is_empty() && key.chars().all(is_word)
}

/// The words of a literal, with the dots and hyphens in them.
fn words(literal: &str) -> impl Iterator<Item = &str> {
    let is_apart = |c: char| !(c.is_ascii_alphanumeric() || "_.-".contains(c));
    literal.split(is_apart).map(|word| word.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = "const KEYS: K = [(\"data.max_length\", 1), (\"train.steps\", 2)];";
    const ARGS: &str = "pub struct A {\n    /// It.\n    pub text_field: String,\n}";

    fn check_text(path: &str, text: &str, expected: &[(usize, &str)]) {
        let tree = Tree::of(&[
            ("crates/sst-run/src/recipe/data.rs", RECIPE),
            ("crates/sst-cli/src/args/data.rs", ARGS),
            (path, text),
        ]);
        let found = check(&tree);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (finding, (line, word)) in found.iter().zip(expected) {
            assert_eq!((finding.path.as_str(), finding.line), (path, *line));
            assert!(finding.message.contains(&format!("names `{word}`")), "{finding}");
        }
    }

    #[test]
    fn keys_and_flags_in_messages_are_found() {
        let path = "crates/sst-data/src/a.rs";
        check_text(path, "f(\"data.max_length is {n}\")", &[(1, "data.max_length")]);
        check_text(path, "x\nf(\"lower it (train.steps).\")", &[(2, "train.steps")]);
        check_text(path, "f(\"lower \\\n  train.steps.\")", &[(1, "train.steps")]);
        check_text(path, "f(\"train.steps\")", &[(1, "train.steps")]);
        check_text(path, "f(\"set --text-field\")", &[(1, "--text-field")]);
        check_text(path, "f(\"the recipe's data\")", &[(1, "recipe")]);
    }

    #[test]
    fn other_names_are_not() {
        let path = "crates/sst-data/src/a.rs";
        check_text(path, "f(\"train.skipped data.noun model.safetensors tokenizer.json\")", &[]);
        check_text(path, "f(\"data.max_length_of data.max_length.x\")", &[]);
        check_text(path, "f(\"`zstd --long=31`\")", &[]);
        check_text(path, "// data.max_length, the recipe", &[]);
        check_text(path, "#[cfg(test)]\nmod tests { fn f() { \"train.steps\" } }", &[]);
        check_text("crates/sst-data/tests/it/a.rs", "f(\"train.steps\")", &[]);
        check_text("crates/sst-cli/src/a.rs", "f(\"train.steps\")", &[]);
    }
}
