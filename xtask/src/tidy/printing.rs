//! Only sst-cli and xtask print, read the environment, or end the process.

use super::Finding;
use super::rust_text::{code_outside_tests, has_word, is_support};
use super::tree::Tree;

const LEAVES: [&str; 2] = ["crates/sst-cli/", "xtask/"];
/// This file reads `SST_CPU`, the only variable that the kernels use.
const READS_ENVIRONMENT: &str = "crates/sst-kernels/src/cpu.rs";
const PRINTING: [&str; 5] = ["println!", "eprintln!", "print!", "eprint!", "dbg!"];
const OTHER: [&str; 5] = ["env::var", "env::vars", "env::var_os", "env::args", "process::exit"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust() {
        if is_support(path) || LEAVES.iter().any(|leaf| path.starts_with(leaf)) {
            continue;
        }
        for (index, line) in code_outside_tests(text).lines().enumerate() {
            // The pattern ends in `!`, so only the word before it must be checked for its boundaries.
            let prints =
                |name: &&&str| has_word(line, name.trim_end_matches('!')) && line.contains(**name);
            let found = PRINTING.iter().filter(prints);
            let may_read = |name: &&&str| path == READS_ENVIRONMENT && name.starts_with("env::var");
            let other = OTHER.iter().filter(|name| has_word(line, name));
            let found = found.chain(other.filter(|name| !may_read(name)));
            let message = |name| format!("{name} in a library; only sst-cli and xtask may");
            findings.extend(found.map(|name| Finding::new(path, index + 1, message(name))));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_line(path: &str, line: &str, expected: usize) {
        assert_eq!(check(&Tree::of(&[(path, line)])).len(), expected, "{path}: {line}");
    }

    #[test]
    fn libraries_are_silent() {
        let library = "crates/sst-data/src/lib.rs";
        check_line(library, "println!(\"x\");", 1);
        check_line(library, "std::process::exit(1)", 1);
        check_line(library, "std::env::var(\"X\")", 1);
        check_line(library, "// println!(\"x\");", 0);
        check_line(library, "env!(\"CARGO_PKG_VERSION\")", 0);
        check_line(library, "#[cfg(test)]\nmod tests { fn f() { println!(\"x\") } }", 0);
        check_line("crates/sst-kernels/src/cpu.rs", "std::env::var_os(\"X\")", 0);
        check_line("crates/sst-kernels/src/cpu.rs", "std::process::exit(1)", 1);
        check_line("crates/sst-data/build.rs", "println!(\"x\");", 0);
        check_line("crates/sst-data/tests/it/a.rs", "println!(\"x\");", 0);
        check_line("crates/sst-cli/src/main.rs", "println!(\"x\");", 0);
    }
}
