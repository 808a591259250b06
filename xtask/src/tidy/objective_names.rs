//! An objective, or an evaluator, is known by name in its own folder alone. What the rest needs to know of it stands in
//! its entry in the list, so that a new one is a file and a word.

use std::ops::Range;

use super::Finding;
use super::rust_text::{code_outside_tests, is_support, string_literals};
use super::tree::Tree;

/// A list of entries.
struct List {
    /// What is listed.
    what: &'static str,
    /// The folder of the sources, with the list in `list.rs` and the entries' type in `entry.rs`.
    sources: &'static str,
}

const LISTS: [List; 2] = [
    List { what: "objective", sources: "crates/sst-objectives/src/" },
    List { what: "evaluator", sources: "crates/sst-eval/src/" },
];
/// What stands before a name where it is given: in an entry, and in a method of contrastive learning.
const DEFINITIONS: [&str; 2] = ["name: ", "const NAME: &'static str = "];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    LISTS.iter().flat_map(|list| check_list(tree, list)).collect()
}

fn check_list(tree: &Tree, list: &List) -> Vec<Finding> {
    let path = format!("{}list.rs", list.sources);
    let Some(text) = tree.text(&path) else { return Vec::new() };
    let mut names = Vec::<(&str, &str)>::new();
    for (path, text) in tree.rust().filter(|(path, _)| path.starts_with(list.sources)) {
        let found = literals(text).into_iter().filter(|(_, literal)| {
            DEFINITIONS.iter().any(|definition| text[..literal.start].ends_with(definition))
        });
        names.extend(found.map(|(_, literal)| (&text[literal.start + 1..literal.end - 1], path)));
    }
    let entries = code_outside_tests(text).matches("::ENTRY").count();
    if entries != names.len() {
        let message = format!(
            "lists {entries} {}s, and names are found for {}: write `name: \"NAME\"` or \
             `const NAME: &'static str = \"NAME\"`, or teach tidy/objective_names.rs another form",
            list.what,
            names.len()
        );
        return vec![Finding::new(&path, 0, message)];
    }
    // Types of models, such as `clip`, are also names of objectives. sst-models knows no objective.
    let files = tree.rust().filter(|(path, _)| {
        path.starts_with("crates/") && !path.starts_with("crates/sst-models/") && !is_support(path)
    });
    files.flat_map(|(path, text)| compared(path, text, &names, list)).collect()
}

/// Where a file compares a name of the list, in a folder that is not the entry's own.
fn compared(path: &str, text: &str, names: &[(&str, &str)], list: &List) -> Vec<Finding> {
    let code = code_outside_tests(text);
    let mut findings = Vec::new();
    for (line, literal) in literals(text) {
        let word = &text[literal.start + 1..literal.end - 1];
        let Some((name, home)) = names.iter().find(|(name, _)| *name == word) else { continue };
        if !is_at_home(path, home, list.sources) && is_compared(&code, &literal) {
            let message = format!(
                "knows the {what} `{name}` by name: say what it is asked for in the {what}'s entry ({sources}entry.rs)",
                what = list.what,
                sources = list.sources,
            );
            findings.push(Finding::new(path, line, message));
        }
    }
    findings
}

/// Whether `path` is the file of an entry, or in its folder.
fn is_at_home(path: &str, home: &str, sources: &str) -> bool {
    let folder = home.rsplit_once('/').map_or(sources, |(folder, _)| folder);
    match folder.len() < sources.len() {
        true => path == home,
        false => path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')),
    }
}

/// Whether a literal is an operand of a comparison, a pattern, in a list of words, or an argument. As a key of a
/// table or the first item of a tuple, it names something else, and in `Figure::lower("loss")` a figure; and the list of
/// evaluators in the entry of an objective is where they are to be named.
fn is_compared(code: &str, literal: &Range<usize>) -> bool {
    let (before, after) = (code[..literal.start].trim_end(), code[literal.end..].trim_start());
    let names_a_figure = ["higher(", "lower(", "neutral("]
        .iter()
        .any(|end| before.ends_with(&format!("Figure::{end}")));
    if before.ends_with("held_out: &[") || names_a_figure {
        return false;
    }
    let is_called = before.strip_suffix('(').is_some_and(|before| {
        before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '>')
    });
    ["==", "!=", "|", "["].iter().any(|sign| before.ends_with(sign))
        || ["==", "!=", "=>", "|"].iter().any(|sign| after.starts_with(sign))
        || is_called
}

/// The string literals of a file outside of its tests, with their lines.
fn literals(text: &str) -> Vec<(usize, Range<usize>)> {
    let line = |at: usize| text[..at].matches('\n').count() + 1;
    string_literals(text).into_iter().map(|literal| (line(literal.start), literal)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRIES: &str = "const OBJECTIVES: &[Entry] = &[mlm::ENTRY, simcse::ENTRY, sort::ENTRY];";
    const MLM: &str = "const ENTRY: Entry = Entry { name: \"mlm\" };";
    const SIMCSE: &str = "impl M { const NAME: &'static str = \"simcse\"; }";
    const EVALUATORS: &str = "const EVALUATORS: &[Entry] = &[sts::ENTRY];";
    const STS: &str = "const ENTRY: Entry = Entry { name: \"sts\" };";
    const SORT: &str = "const ENTRY: Entry = Entry { name: \"sort\" };";

    fn found(path: &str, text: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("crates/sst-objectives/src/contrastive/simcse.rs", SIMCSE),
            ("crates/sst-eval/src/list.rs", EVALUATORS),
            ("crates/sst-eval/src/sts.rs", STS),
            ("crates/sst-objectives/src/list.rs", ENTRIES),
            ("crates/sst-objectives/src/mlm/loss.rs", MLM),
            ("crates/sst-objectives/src/sort.rs", SORT),
            (path, text),
        ]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    fn check_file(path: &str, text: &str, expected: &[usize]) {
        let lines: Vec<String> = expected.iter().map(|line| format!("{path}:{line}: ")).collect();
        let found = found(path, text);
        assert_eq!(found.len(), lines.len(), "{found:?}");
        for (finding, start) in found.iter().zip(&lines) {
            assert!(finding.starts_with(start.as_str()), "{finding}");
        }
    }

    #[test]
    fn comparisons_are_found() {
        let path = "crates/sst-cli/src/a.rs";
        check_file(path, "if x == \"mlm\" {}\nif \"mlm\" != x {}", &[1, 2]);
        check_file(path, "match x {\n    \"mlm\" => 1,\n    \"a\" | \"simcse\" => 2,\n}", &[2, 3]);
        check_file(path, "let x = build(\n    \"mlm\", &y);", &[2]);
        check_file(path, "[\"mlm\", \"clm\"].contains(&x)", &[1]);
        check_file(path, "let x = build(\"sts\", &y);", &[1]);
        check_file("crates/sst-eval/src/rows.rs", "x == \"sts\"", &[1]);
        check_file("crates/sst-objectives/src/token_loss.rs", "x == \"mlm\"", &[1]);
        check_file("crates/sst-objectives/src/mlm_too.rs", "x == \"mlm\"", &[1]);
        check_file("crates/sst-objectives/src/mlm/loss_too.rs", "x == \"sort\"", &[1]);
    }

    #[test]
    fn other_uses_are_not() {
        let path = "crates/sst-cli/src/a.rs";
        check_file(path, "// x == \"mlm\"\nlet y = [(\"mlm\", 1)];\nlet z = (\"mlm\", 1);", &[]);
        check_file(path, "x == \"mlm2\" && x == \" mlm\"", &[]);
        check_file(path, "#[cfg(test)]\nmod tests { fn f() { x == \"mlm\" } }", &[]);
        check_file("crates/sst-cli/tests/it/a.rs", "x == \"mlm\"", &[]);
        check_file("crates/sst-objectives/src/mlm/collate.rs", "x == \"mlm\"", &[]);
        check_file("crates/sst-objectives/src/sort.rs", "held_out: &[\"sts\"],", &[]);
        check_file("crates/sst-eval/src/other.rs", "Figure::lower(\"sts\").exp_of(\"loss\")", &[]);
    }

    #[test]
    fn a_name_in_another_form_is_told() {
        let list = "crates/sst-objectives/src/list.rs";
        let tree = Tree::of(&[(list, ENTRIES), ("crates/sst-objectives/src/mlm/loss.rs", MLM)]);
        let found: Vec<_> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("lists 3 objectives, and names are found for 1"), "{found:?}");
    }
}
