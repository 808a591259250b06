//! `cargo xtask library`: builds and runs the packages of docs/library.md in a folder outside the repository.
//!
//! The files are the code blocks of the document, so it is the document that is tested. Two things differ: the clone that
//! the document calls `../sst` is this one, and the packages share its target folder, so that few dependencies are compiled
//! again.

mod blocks;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

pub(crate) use blocks::blocks;

use crate::exec;
use crate::repo::Repo;
use blocks::{Program, programs};

/// Where the document lies.
pub(crate) const DOCUMENT: &str = "docs/library.md";
/// The clone of sst, as the packages of the document name it.
const CLONE: &str = "../sst";

/// Builds each package, runs it, and compares what it prints with what the document shows.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    let document = fs::read_to_string(repo.path(DOCUMENT)).context(DOCUMENT)?;
    let folder = tempfile::tempdir()?;
    let programs = programs(&document).context(DOCUMENT)?;
    ensure!(!programs.is_empty(), "{DOCUMENT} has no package");
    for program in programs {
        check(repo, folder.path(), &program)
            .with_context(|| format!("the package {} of {DOCUMENT}", program.name))?;
    }
    Ok(())
}

fn check(repo: &Repo, parent: &Path, program: &Program) -> Result<()> {
    let folder = parent.join(&program.name);
    for (path, text) in &program.files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&folder))?;
        fs::write(path, in_clone(repo, text))?;
    }
    fs::copy(repo.path("Cargo.lock"), folder.join("Cargo.lock"))?;
    let tree = exec::output(&mut cargo(repo, &folder, &["tree", "--edges", "normal,build"]))?;
    exec::run(cargo(repo, &folder, &["build"]).args(quick(repo, &tree)?))?;

    let binary = repo.target().join("debug").join(&program.name);
    let bytes = fs::read(&binary).with_context(|| binary.display().to_string())?;
    let library = b"libtorch_cpu.so";
    let links = bytes.windows(library.len()).any(|window| window == library);
    let has_torch = tree.contains("torch-sys v");
    // A package with a build script tells the binary where libtorch lies; one without must do without libtorch.
    let expected = program.files.iter().any(|(path, _)| path == Path::new("build.rs"));
    ensure!(links == expected, "its binary links libtorch: {links}, expected {expected}");
    ensure!(has_torch == expected, "it depends on torch-sys: {has_torch}, expected {expected}");

    // Not by `cargo run`, which puts the folder of libtorch into LD_LIBRARY_PATH.
    let args = program.args.iter().map(|arg| in_clone(repo, arg));
    let mut command = Command::new(&binary);
    command.args(args).current_dir(&folder).env("TMPDIR", parent);
    for variable in ["LD_LIBRARY_PATH", "LIBTORCH", "LIBTORCH_USE_PYTORCH"] {
        command.env_remove(variable);
    }
    let printed = exec::output(&mut command)?;
    let shown = &program.output;
    ensure!(matches(shown, &printed), "it prints\n{printed}\nand the document shows\n{shown}");
    Ok(())
}

/// `cargo` in `folder`, with the target folder and the libtorch of the clone.
fn cargo(repo: &Repo, folder: &Path, args: &[&str]) -> Command {
    let mut command = repo.cargo(args);
    command.current_dir(folder).env("CARGO_TARGET_DIR", repo.target());
    if repo.own_libtorch().is_none() {
        command.env("LIBTORCH", repo.libtorch_link());
    }
    command
}

/// Arguments that compile those crates of sst that are in `tree` without optimisation, as the workspace does: the profile
/// of the packages optimises all dependencies.
fn quick(repo: &Repo, tree: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(repo.path("crates"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| name != "sst-kernels" && tree.contains(&format!(" {name} v")));
    names.sort();
    let value = |name: String| format!("profile.dev.package.{name}.opt-level=0");
    Ok(names.into_iter().flat_map(|name| ["--config".to_owned(), value(name)]).collect())
}

/// `text` with this clone in place of the one beside the package.
fn in_clone(repo: &Repo, text: &str) -> String {
    text.replace(CLONE, &repo.root().display().to_string())
}

/// Whether `printed` is `shown`, in which `...` stands for any text.
fn matches(shown: &str, printed: &str) -> bool {
    let pieces: Vec<_> = shown.trim_end().split("...").collect();
    let mut rest = printed.trim_end();
    for (index, piece) in pieces.iter().enumerate() {
        let after = match index {
            0 => rest.strip_prefix(piece),
            _ => rest.split_once(piece).map(|(_, after)| after),
        };
        match after {
            // The last piece stands at the end, wherever else it may stand before.
            Some(_) if index > 0 && index + 1 == pieces.len() => return rest.ends_with(piece),
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_dots_stand_for_any_text() {
        let check = |shown: &str, printed: &str, expected: bool| {
            assert_eq!(matches(shown, printed), expected, "{shown:?} {printed:?}");
        };
        check("4 steps\n", "4 steps\n", true);
        check("4 steps\n", "14 steps\n", false);
        check("4 steps\n", "4 steps\nmore\n", false);
        check("step 5: loss ...\n...\ndone\n", "step 5: loss 1.5\nstep 10: loss 1.0\ndone\n", true);
        check("step 5: loss ...\n...\ndone\n", "step 5: loss 1.5\nstep 10: loss 1.0\n", false);
        check("step 5: loss ...\n...\ndone\n", "step 6: loss 1.5\nx\ndone\n", false);
        check("a ... b ...", "a 1 b 2", true);
        check("a ... c ...", "a 1 b 2", false);
    }
}
