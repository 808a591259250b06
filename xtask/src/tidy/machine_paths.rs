//! No file may contain the absolute path of one machine, or the host of a package registry.

use super::Finding;
use super::rust_text::{code_outside_tests, is_support};
use super::tree::Tree;

// Written in two parts, so that this file passes its own rule.
const PATHS: [&str; 4] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), TMP];
const TMP: &str = concat!("/t", "mp/");
const HOSTS: [&str; 4] = [
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("registry.", "npmjs"),
    concat!("artif", "actory"),
];
/// Home folders in examples do not belong to a real user.
const EXAMPLE_HOMES: [&str; 3] =
    [concat!("/ho", "me/you"), concat!("/ho", "me/user"), concat!("/ho", "me/me")];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts() {
        if is_data(path) {
            continue;
        }
        let lines = text.lines().enumerate();
        let is_test = is_support(path) || path.ends_with(".py");
        for (index, line) in lines {
            let found = PATHS.iter().filter(|part| has_path(line, part));
            let found =
                found.filter(|part| **part != TMP || !(is_test || in_test(path, text, index)));
            let found = found.chain(HOSTS.iter().filter(|host| line.contains(**host)));
            let message = |part| format!("{part} belongs to one machine or registry");
            findings.extend(found.map(|part| Finding::new(path, index + 1, message(part))));
        }
    }
    findings
}

/// These files are recordings, or are written by cargo.
fn is_data(path: &str) -> bool {
    path == "Cargo.lock" || path.contains("/fixtures/") || path.contains("/goldens/")
}

/// Whether `part` is the start of an absolute path in `line`, and not inside a longer path.
fn has_path(line: &str, part: &str) -> bool {
    line.match_indices(part).any(|(at, _)| {
        let inside = |c: char| c.is_alphanumeric() || "_-.$}~".contains(c);
        !line[..at].chars().next_back().is_some_and(inside)
            && !EXAMPLE_HOMES.iter().any(|home| line[at..].starts_with(home))
    })
}

/// Whether line `index` of a Rust file belongs to a `#[cfg(test)]` item.
fn in_test(path: &str, text: &str, index: usize) -> bool {
    let code = if path.ends_with(".rs") { code_outside_tests(text) } else { return false };
    code.lines().nth(index).is_some_and(|line| line.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_line(path: &str, line: &str, expected: bool) {
        assert_eq!(!check(&Tree::of(&[(path, line)])).is_empty(), expected, "{path}: {line}");
    }

    #[test]
    fn traces_of_a_machine() {
        check_line("README.md", concat!("cd /wo", "rk/main"), true);
        check_line("a.toml", concat!("path = \"/ro", "ot/x\""), true);
        check_line("a.rs", concat!("let p = \"/t", "mp/x\";"), true);
        check_line(
            "a.rs",
            concat!("#[cfg(test)]\nmod tests { const P: &str = \"/t", "mp/x\"; }"),
            false,
        );
        check_line("crates/a/tests/it/a.rs", concat!("let p = \"/t", "mp/x\";"), false);
        check_line("crates/a/tests/it/a.rs", concat!("let p = \"/ho", "me/ann/x\";"), true);
        check_line("README.md", concat!("/ho", "me/you/books"), false);
        check_line("README.md", concat!("frame", "wo", "rk/net"), false);
        check_line("a.py", concat!("https://files.python", "hosted.org/x"), true);
        check_line("Cargo.lock", concat!("https://pypi", ".org"), false);
    }
}
