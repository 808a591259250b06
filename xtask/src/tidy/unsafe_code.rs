//! `unsafe` may only occur in the crate of the kernels.

use super::Finding;
use super::rust_text::{code, has_word};
use super::tree::Tree;

/// The crate that holds the kernels and the bridge to C++.
const PLACES: [&str; 1] = ["crates/sst-kernels/src/"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let elsewhere =
        tree.rust().filter(|(path, _)| !PLACES.iter().any(|place| path.starts_with(place)));
    elsewhere.flat_map(|(path, text)| lines(path, text)).collect()
}

fn lines(path: &str, text: &str) -> Vec<Finding> {
    let code = code(text);
    let lines = code.lines().enumerate().filter(|(_, line)| has_word(line, "unsafe"));
    let message = "unsafe outside crates/sst-kernels/src";
    lines.map(|(index, _)| Finding::new(path, index + 1, message)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_in_its_places() {
        let tree = Tree::of(&[
            ("crates/sst-kernels/src/grad.rs", "unsafe { f() }"),
            ("crates/sst-core/src/nn/linear.rs", "// unsafe\nlet s = \"unsafe\";\nunsafe { f() }"),
            ("crates/sst-core/src/lib.rs", "#![deny(unsafe_code)]"),
        ]);
        let found: Vec<_> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            ["crates/sst-core/src/nn/linear.rs:3: unsafe outside crates/sst-kernels/src"]
        );
    }
}
