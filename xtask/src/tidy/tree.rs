//! Reads the files of the repository once, for all rules.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

/// The folders to skip if git is not available, in place of `.gitignore`.
const IGNORED: [&str; 5] = [".git", "target", ".libtorch", "runs", "__pycache__"];

/// A file that is tracked by git, or new and not ignored.
pub(super) struct Entry {
    /// The path relative to the top folder, with `/`.
    pub(super) path: String,
    /// The content; `None` if it is not UTF-8.
    pub(super) text: Option<String>,
}

/// All files, sorted by path.
pub(super) struct Tree {
    entries: Vec<Entry>,
}

impl Tree {
    /// Reads the files in `root` that git tracks, and new files that are not ignored.
    pub(super) fn load(root: &Path) -> Result<Self> {
        let mut paths = match git_files(root) {
            Some(paths) => paths,
            None => walk(root)?,
        };
        paths.sort();
        paths.dedup();
        let mut entries = Vec::new();
        for path in paths {
            // The file is tracked, but has been deleted.
            let Ok(bytes) = fs::read(root.join(&path)) else { continue };
            entries.push(Entry { path, text: String::from_utf8(bytes).ok() });
        }
        if !entries.iter().any(|entry| entry.path == "Cargo.toml") {
            bail!("{} does not look like the repository", root.display());
        }
        Ok(Self { entries })
    }

    /// The number of files.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Every path.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.path.as_str())
    }

    /// Every text file with its path.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().filter_map(|entry| Some((entry.path.as_str(), entry.text.as_deref()?)))
    }

    /// Every Rust file with its path.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// The text of one file.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.texts().find(|(found, _)| *found == path).map(|(_, text)| text)
    }
}

/// Lists the files by git; `None` if git is missing or does not trust the folder.
fn git_files(root: &Path) -> Option<Vec<String>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = git.current_dir(root).stderr(Stdio::null()).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

fn walk(root: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if IGNORED.iter().any(|name| entry.file_name() == *name) || kind.is_symlink() {
                continue;
            }
            if kind.is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path().strip_prefix(root)?.to_string_lossy().into_owned());
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
impl Tree {
    /// Builds a tree of these files, for the tests of the rules.
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let entry = |(path, text): &(&str, &str)| Entry {
            path: (*path).to_owned(),
            text: Some((*text).to_owned()),
        };
        Self { entries: files.iter().map(entry).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_leaves_out_what_git_ignores() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["Cargo.toml", "a/b.rs", "target/x.rs", ".git/config", ".cargo/config.toml"] {
            fs::create_dir_all(dir.path().join(path).parent().unwrap()).unwrap();
            fs::write(dir.path().join(path), "").unwrap();
        }
        let mut files = walk(dir.path()).unwrap();
        files.sort();
        assert_eq!(files, [".cargo/config.toml", "Cargo.toml", "a/b.rs"]);
    }
}
