//! Every folder of golden files must hold the `gen.py` that made them.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let folders: BTreeSet<_> = tree.paths().filter_map(folder).collect();
    let lacks = |folder: &&str| {
        let generator = format!("{folder}/gen.py");
        !tree.paths().any(|path| path == generator)
    };
    let finding =
        |folder| Finding::new(folder, 0, "golden files without the gen.py that makes them");
    folders.into_iter().filter(lacks).map(finding).collect()
}

/// The `.../goldens/NAME` that `path` lies in.
fn folder(path: &str) -> Option<&str> {
    let start = if path.starts_with("goldens/") { 8 } else { path.find("/goldens/")? + 9 };
    Some(&path[..start + path[start..].find('/')?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_generator() {
        let tree = Tree::of(&[
            ("tests/goldens/shared.py", ""),
            ("tests/goldens/bert/gen.py", ""),
            ("tests/goldens/bert/odd/case.safetensors", ""),
            ("crates/a/tests/goldens/loss/case.json", ""),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, ["crates/a/tests/goldens/loss"]);
    }
}
