//! The version of tch in the workspace must fit the libtorch that set-up installs.

use super::Finding;
use super::tree::Tree;
use crate::libtorch::pins::{LIBTORCH, TCH};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let manifest = tree.text("Cargo.toml").and_then(|text| text.parse::<toml::Table>().ok());
    let Some(manifest) = manifest else {
        return vec![Finding::new("Cargo.toml", 0, "is not valid TOML")];
    };
    let wanted = format!("={TCH}");
    let wrong = ["tch", "torch-sys"].into_iter().filter(|name| {
        let dependencies = manifest.get("workspace").and_then(|w| w.get("dependencies"));
        let version = dependencies.and_then(|d| d.get(name)).and_then(|d| d.get("version"));
        let found = version.and_then(|v| v.as_str());
        found != Some(&wanted)
    });
    let message =
        |name| format!("{name} should be \"{wanted}\", which binds the pinned libtorch {LIBTORCH}");
    wrong.map(|name| Finding::new("Cargo.toml", 0, message(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_versions(tch: &str, sys: &str, expected: usize) {
        let text = format!(
            "[workspace.dependencies]\ntch = {{ version = \"{tch}\" }}\n\
             torch-sys = {{ version = \"{sys}\" }}\n"
        );
        assert_eq!(check(&Tree::of(&[("Cargo.toml", &text)])).len(), expected, "{text}");
    }

    #[test]
    fn the_pair_fits() {
        let pinned = format!("={TCH}");
        check_versions(&pinned, &pinned, 0);
        check_versions(TCH, &pinned, 1);
        check_versions("=0.23.0", "=0.23.0", 2);
        assert_eq!(check(&Tree::of(&[("Cargo.toml", "[")])).len(), 1);
    }
}
