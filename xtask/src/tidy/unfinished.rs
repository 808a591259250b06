//! There must be no unfinished code and no disabled test.

use super::Finding;
use super::rust_text::{code, has_word};
use super::tree::Tree;

/// These must not occur in code; in a string they are harmless.
const CODE: [&str; 3] = ["todo!", "unimplemented!", "#[ignore"];
/// These must not occur in comments either, so they are written here in two parts.
const ANYWHERE: [&str; 3] = [concat!("FIX", "ME"), concat!("X", "XX"), concat!("TO", "DO")];
const EXTENSIONS: [&str; 6] = [".rs", ".py", ".toml", ".md", ".cc", ".h"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts() {
        if EXTENSIONS.iter().any(|extension| path.ends_with(extension)) {
            let words = ANYWHERE.iter().filter(|_| path != "CHANGELOG.md");
            find(path, text, words, has_word, &mut findings);
        }
        if path.ends_with(".rs") {
            find(path, &code(text), CODE.iter(), |line, part| line.contains(part), &mut findings);
        }
    }
    findings
}

fn find<'a>(
    path: &str,
    text: &str,
    parts: impl Iterator<Item = &'a &'a str> + Clone,
    has: fn(&str, &str) -> bool,
    findings: &mut Vec<Finding>,
) {
    for (index, line) in text.lines().enumerate() {
        let found = parts.clone().filter(|part| has(line, part));
        findings.extend(found.map(|part| Finding::new(path, index + 1, format!("{part} left in"))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_line(path: &str, line: &str, expected: bool) {
        assert_eq!(!check(&Tree::of(&[(path, line)])).is_empty(), expected, "{line}");
    }

    #[test]
    fn marks_of_unfinished_work() {
        check_line("a.rs", concat!("fn f() { to", "do!() }"), true);
        check_line("a.rs", concat!("#[ign", "ore = \"slow\"]"), true);
        check_line("a.rs", concat!("// FIX", "ME later"), true);
        check_line("a.py", concat!("# X", "XX"), true);
        check_line("a.rs", concat!("let s = \"to", "do!()\";"), false);
        check_line("a.rs", "fn todos() {}", false);
        check_line("a.rs", concat!("const X", "XXL: u8 = 1;"), false);
        check_line("a.bin", concat!("FIX", "ME"), false);
    }
}
