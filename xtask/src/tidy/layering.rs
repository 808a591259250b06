//! Checks the dependency graph of ARCHITECTURE.md: crates depend only on lower layers, siblings do not depend on each
//! other, and two crates never depend on libtorch.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::Finding;
use super::tree::Tree;

/// The crates that each crate of the workspace may depend on (tests may use more).
const ALLOWED: [(&str, &[&str]); 10] = [
    ("sst-data", &[]),
    ("sst-kernels", &[]),
    ("sst-core", &["sst-data", "sst-kernels"]),
    ("sst-models", &["sst-core", "sst-data", "sst-kernels"]),
    ("sst-objectives", &["sst-core", "sst-data", "sst-kernels"]),
    ("sst-train", &["sst-core", "sst-data", "sst-kernels"]),
    ("sst-eval", &["sst-core", "sst-data", "sst-kernels"]),
    (
        "sst-run",
        &[
            "sst-core",
            "sst-data",
            "sst-eval",
            "sst-kernels",
            "sst-models",
            "sst-objectives",
            "sst-train",
        ],
    ),
    (
        "sst-cli",
        &[
            "sst-core",
            "sst-data",
            "sst-eval",
            "sst-kernels",
            "sst-models",
            "sst-objectives",
            "sst-run",
            "sst-train",
        ],
    ),
    ("xtask", &[]),
];
/// These crates never depend on libtorch, not even indirectly or in their tests.
const WITHOUT_LIBTORCH: [&str; 2] = ["sst-data", "xtask"];
const LIBTORCH: [&str; 2] = ["tch", "torch-sys"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| path.ends_with("/Cargo.toml")) {
        match text.parse::<Table>() {
            Ok(manifest) => findings.extend(check_crate(path, &manifest)),
            Err(error) => findings.push(Finding::new(path, 0, error.message())),
        }
    }
    if let Some(lock) = tree.text("Cargo.lock").and_then(|text| text.parse::<Table>().ok()) {
        findings.extend(check_lock(&lock));
    }
    findings
}

fn check_crate(path: &str, manifest: &Table) -> Vec<Finding> {
    let name = manifest.get("package").and_then(|p| p.get("name")).and_then(Value::as_str);
    let Some((name, allowed)) = ALLOWED.iter().find(|(known, _)| Some(*known) == name) else {
        let message =
            format!("{} has no layer; give it one in tidy/layering.rs", name.unwrap_or("it"));
        return vec![Finding::new(path, 0, message)];
    };
    let ours = |dependency: &&str| ALLOWED.iter().any(|(known, _)| known == dependency);
    let dependencies = dependencies(manifest);
    let wrong = dependencies.iter().copied().filter(ours).filter(|found| !allowed.contains(found));
    let message = |found| format!("{name} must not depend on {found}");
    wrong.map(|found| Finding::new(path, 0, message(found))).collect()
}

/// The names in `[dependencies]` and `[build-dependencies]`, including those for one target.
fn dependencies(manifest: &Table) -> BTreeSet<&str> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let tables = std::iter::once(manifest).chain(targets).flat_map(|table| {
        ["dependencies", "build-dependencies"]
            .into_iter()
            .filter_map(|key| table.get(key)?.as_table())
    });
    tables.flat_map(|table| table.keys().map(String::as_str)).collect()
}

/// Follows the lock file, which lists all indirect dependencies.
fn check_lock(lock: &Table) -> Vec<Finding> {
    let packages = lock.get("package").and_then(Value::as_array).into_iter().flatten();
    let mut graph = BTreeMap::<&str, BTreeSet<&str>>::new();
    for package in packages {
        let Some(name) = package.get("name").and_then(Value::as_str) else { continue };
        let needs = package.get("dependencies").and_then(Value::as_array).into_iter().flatten();
        // An entry is "name", or "name version" if there are several versions.
        let needs = needs.filter_map(|need| need.as_str()?.split(' ').next());
        graph.entry(name).or_default().extend(needs);
    }
    let mut findings = Vec::new();
    for start in WITHOUT_LIBTORCH {
        let (mut seen, mut open) = (BTreeSet::from([start]), vec![start]);
        while let Some(name) = open.pop() {
            let needs = graph.get(name).into_iter().flatten().copied();
            open.extend(needs.filter(|need| seen.insert(need)));
        }
        let met = LIBTORCH.iter().filter(|name| seen.contains(*name));
        let message = |name| format!("{start} must not reach {name}, not even through others");
        findings.extend(met.map(|name| Finding::new("Cargo.lock", 0, message(name))));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_manifest(name: &str, rest: &str, expected: &[&str]) {
        let text = format!("[package]\nname = \"{name}\"\n{rest}");
        let found = check(&Tree::of(&[("crates/x/Cargo.toml", &text)]));
        let found: Vec<_> = found.into_iter().map(|finding| finding.message).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn layers_point_downwards() {
        check_manifest("sst-core", "[dependencies]\nsst-data.workspace = true\ntch = \"1\"", &[]);
        check_manifest("sst-core", "[dependencies]\nsst-kernels.workspace = true", &[]);
        let message = "sst-kernels must not depend on sst-core";
        check_manifest("sst-kernels", "[dependencies]\nsst-core.workspace = true", &[message]);
        let message = "sst-kernels must not depend on sst-data";
        check_manifest("sst-kernels", "[dependencies]\nsst-data.workspace = true", &[message]);
        let message = "sst-data must not depend on sst-kernels";
        check_manifest("sst-data", "[dependencies]\nsst-kernels.workspace = true", &[message]);
        let message = "sst-models must not depend on sst-train";
        check_manifest("sst-models", "[dependencies]\nsst-train.workspace = true", &[message]);
        check_manifest("sst-models", "[build-dependencies]\nsst-train = \"1\"", &[message]);
        check_manifest(
            "sst-models",
            "[target.'cfg(unix)'.dependencies]\nsst-train = \"1\"",
            &[message],
        );
        check_manifest("sst-models", "[dev-dependencies]\nsst-train.workspace = true", &[]);
        check_manifest("sst-new", "", &["sst-new has no layer; give it one in tidy/layering.rs"]);
    }

    #[test]
    fn libtorch_is_out_of_reach() {
        let lock = |needs: &str| {
            format!(
                "[[package]]\nname = \"sst-data\"\ndependencies = [\"a 1.0\"]\n\
                 [[package]]\nname = \"a\"\ndependencies = [{needs}]\n\
                 [[package]]\nname = \"tch\"\n"
            )
        };
        assert!(check(&Tree::of(&[("Cargo.lock", &lock(""))])).is_empty());
        let found = check(&Tree::of(&[("Cargo.lock", &lock("\"tch\""))]));
        assert_eq!(found[0].message, "sst-data must not reach tch, not even through others");
        assert_eq!(found.len(), 1);
    }
}
