//! Every source file of a crate must start with a doc comment that says what it is for.

use super::Finding;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let undocumented =
        tree.rust().filter(|(path, text)| is_source(path) && !text.starts_with("//!"));
    undocumented.map(|(path, _)| Finding::new(path, 1, "starts without a //! line")).collect()
}

fn is_source(path: &str) -> bool {
    (path.starts_with("crates/") || path.starts_with("xtask/")) && path.contains("/src/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_need_a_first_line() {
        let tree = Tree::of(&[
            ("crates/a/src/lib.rs", "//! A.\n"),
            ("crates/a/src/b.rs", "use x;\n"),
            ("crates/a/tests/it/b.rs", "use x;\n"),
        ]);
        assert_eq!(
            check(&tree),
            [Finding::new("crates/a/src/b.rs", 1, "starts without a //! line")]
        );
    }
}
