//! The name of an objective is used only in its own folder. Everything that other code needs to know about it is in
//! its entry of the list, so that a new objective is one file and one word.

use std::ops::Range;

use super::Finding;
use super::rust_text::{code_outside_tests, is_support, string_literals};
use super::tree::Tree;

const SOURCES: &str = "crates/sst-objectives/src/";
const LIST: &str = "crates/sst-objectives/src/list.rs";
/// The text before the name of an objective where it is defined: in an entry, and in a contrastive method.
const DEFINITIONS: [&str; 2] = ["name: ", "const NAME: &'static str = "];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(list) = tree.text(LIST) else { return Vec::new() };
    let mut names = Vec::<(&str, &str)>::new();
    for (path, text) in tree.rust().filter(|(path, _)| path.starts_with(SOURCES)) {
        let found = literals(text).into_iter().filter(|(_, literal)| {
            DEFINITIONS.iter().any(|definition| text[..literal.start].ends_with(definition))
        });
        names.extend(found.map(|(_, literal)| (&text[literal.start + 1..literal.end - 1], path)));
    }
    let entries = code_outside_tests(list).matches("::ENTRY").count();
    if entries != names.len() {
        let message = format!(
            "lists {entries} objectives, and names are found for {}: write `name: \"NAME\"` or \
             `const NAME: &'static str = \"NAME\"`, or teach tidy/objective_names.rs another form",
            names.len()
        );
        return vec![Finding::new(LIST, 0, message)];
    }
    let files = tree.rust().filter(|(path, _)| path.starts_with("crates/") && !is_support(path));
    files.flat_map(|(path, text)| compared(path, text, &names)).collect()
}

/// Finds comparisons with the name of an objective outside of the objective's own folder.
fn compared(path: &str, text: &str, names: &[(&str, &str)]) -> Vec<Finding> {
    let code = code_outside_tests(text);
    let mut findings = Vec::new();
    for (line, literal) in literals(text) {
        let word = &text[literal.start + 1..literal.end - 1];
        let Some((name, home)) = names.iter().find(|(name, _)| *name == word) else { continue };
        if !is_at_home(path, home) && is_compared(&code, &literal) {
            let message = format!(
                "knows the objective `{name}` by name: say what it is asked for in the objective's entry \
                 (sst-objectives/src/entry.rs)"
            );
            findings.push(Finding::new(path, line, message));
        }
    }
    findings
}

/// Whether `path` is the file of an objective, or in its folder.
fn is_at_home(path: &str, home: &str) -> bool {
    let folder = home.rsplit_once('/').map_or(SOURCES, |(folder, _)| folder);
    match folder.len() < SOURCES.len() {
        true => path == home,
        false => path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')),
    }
}

/// Whether a literal is an operand of a comparison, a pattern, in a list of words, or an argument. As a key of a
/// table or the first item of a tuple, it names something else.
fn is_compared(code: &str, literal: &Range<usize>) -> bool {
    let (before, after) = (code[..literal.start].trim_end(), code[literal.end..].trim_start());
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
    const SORT: &str = "const ENTRY: Entry = Entry { name: \"sort\" };";

    fn found(path: &str, text: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("crates/sst-objectives/src/contrastive/simcse.rs", SIMCSE),
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
    }

    #[test]
    fn a_name_in_another_form_is_told() {
        let tree = Tree::of(&[(LIST, ENTRIES), ("crates/sst-objectives/src/mlm/loss.rs", MLM)]);
        let found: Vec<_> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("lists 3 objectives, and names are found for 1"), "{found:?}");
    }
}
