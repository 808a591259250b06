//! Lines must not end in white space, and a file must end in one line feed.

use super::Finding;
use super::tree::Tree;

const EXTENSIONS: [&str; 8] = [".rs", ".toml", ".md", ".py", ".yml", ".cc", ".h", ".ci/run"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts() {
        if path.contains("/fixtures/") || !EXTENSIONS.iter().any(|end| path.ends_with(end)) {
            continue;
        }
        // `lines` would drop a carriage return, so the text is split here.
        for (index, line) in text.split('\n').enumerate() {
            if line.ends_with(char::is_whitespace) {
                findings.push(Finding::new(path, index + 1, "white space at the end of the line"));
            }
        }
        if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
            findings.push(Finding::new(path, 0, "should end with one line feed"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str, expected: &[usize]) {
        let found = check(&Tree::of(&[("a.rs", text)]));
        let lines: Vec<_> = found.iter().map(|finding| finding.line).collect();
        assert_eq!(lines, expected, "{text:?}");
    }

    #[test]
    fn ends_of_lines_and_files() {
        check_text("a\nb\n", &[]);
        check_text("", &[]);
        check_text("a \nb\r\n", &[1, 2]);
        check_text("a", &[0]);
        check_text("a\n\n", &[0]);
    }
}
