//! docs/library.md shows each example program of the crates, and shows it as it is.

use super::Finding;
use super::tree::Tree;
use crate::library::{DOCUMENT, blocks};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(document) = tree.text(DOCUMENT) else {
        return vec![Finding::new(DOCUMENT, 0, "is missing")];
    };
    let mut findings = Vec::new();
    for block in blocks(document) {
        let Some(path) = block.example() else { continue };
        let message = match tree.text(path) {
            None => format!("there is no {path}"),
            Some(program) if !has_lines(program, &block.text) => {
                format!("the block is not part of {path}: copy the lines from there")
            }
            Some(_) => continue,
        };
        findings.push(Finding::new(DOCUMENT, block.line, message));
    }
    let examples = tree.paths().filter(|path| {
        path.starts_with("crates/") && path.contains("/examples/") && path.ends_with(".rs")
    });
    let missing = examples.filter(|path| !document.contains(&format!("](../{path})")));
    findings
        .extend(missing.map(|path| Finding::new(DOCUMENT, 0, format!("does not link to {path}"))));
    findings
}

/// Whether the lines of `part` stand in `text`, one after the other.
fn has_lines(text: &str, part: &str) -> bool {
    !part.trim().is_empty() && format!("\n{text}").contains(&format!("\n{part}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = "crates/a/examples/b.rs";

    fn check_block(block: &str, expected: &[&str]) {
        let document = format!("[b](../{PROGRAM}):\n\n```rust\n{block}```\n");
        let tree = Tree::of(&[(DOCUMENT, &document), (PROGRAM, "one\ntwo\nthree\n")]);
        let found: Vec<_> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_block_is_part_of_its_program() {
        check_block("one\ntwo\nthree\n", &[]);
        check_block("two\nthree\n", &[]);
        let message = "docs/library.md:3: the block is not part of crates/a/examples/b.rs: \
                       copy the lines from there";
        check_block("one\nthree\n", &[message]);
        check_block("wo\n", &[message]);
        check_block("", &[message]);
    }

    #[test]
    fn every_program_has_a_place_in_the_document() {
        let messages = |files: &[(&str, &str)]| {
            check(&Tree::of(files)).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let message = format!("docs/library.md: does not link to {PROGRAM}");
        assert_eq!(messages(&[(DOCUMENT, "no link"), (PROGRAM, "")]), [message]);
        let document = format!("[b](../{PROGRAM}):\n```rust\nx\n```\n");
        let message = format!("docs/library.md:2: there is no {PROGRAM}");
        assert_eq!(messages(&[(DOCUMENT, &document)]), [message]);
        assert_eq!(messages(&[]), ["docs/library.md: is missing"]);
    }
}
