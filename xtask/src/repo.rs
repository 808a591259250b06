//! The folder of the clone, and the environment that `cargo` needs in it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The repository that `cargo xtask` was started in.
pub(crate) struct Repo {
    root: PathBuf,
    /// `LIBTORCH` as the user set it; `None` if it only comes from `.cargo/config.toml`.
    own_libtorch: Option<PathBuf>,
}

impl Repo {
    /// Finds the repository from what `cargo run` sets, or from the working directory.
    pub(crate) fn find() -> Result<Self> {
        let start = match env::var_os("CARGO_MANIFEST_DIR") {
            Some(manifest) => PathBuf::from(manifest),
            None => env::current_dir().context("the working directory is gone")?,
        };
        let Some(root) = start.ancestors().find(|dir| dir.join("xtask/Cargo.toml").is_file())
        else {
            bail!("{} is not inside a clone of sst", start.display());
        };
        let own_libtorch = own_libtorch(root, env::var_os("LIBTORCH").map(PathBuf::from));
        Ok(Self { root: root.to_owned(), own_libtorch })
    }

    /// The top folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path relative to the top folder.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The symbolic link that `.cargo/config.toml` sets `LIBTORCH` to.
    pub(crate) fn libtorch_link(&self) -> PathBuf {
        self.root.join(".libtorch")
    }

    /// The user's own `LIBTORCH`, which takes precedence over the link.
    pub(crate) fn own_libtorch(&self) -> Option<&Path> {
        self.own_libtorch.as_deref()
    }

    /// A `cargo` command in the top folder, with the environment of a user's shell.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.root);
        // `cargo run` sets these variables. If they were inherited, build scripts would run again although nothing
        // has changed since the last plain `cargo build`.
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&*name);
            }
        }
        if self.own_libtorch.is_none() {
            command.env_remove("LIBTORCH");
        }
        command
    }

    /// The folder that cargo builds in.
    pub(crate) fn target(&self) -> PathBuf {
        self.root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
    }

    /// Where `cargo build --release` puts the binary `sst`.
    pub(crate) fn sst_binary(&self) -> PathBuf {
        self.target().join("release/sst")
    }
}

/// Returns `LIBTORCH` if the user has set it, and `None` if cargo has set it for the programs it runs.
fn own_libtorch(root: &Path, value: Option<PathBuf>) -> Option<PathBuf> {
    let value = value.filter(|value| !value.as_os_str().is_empty())?;
    let is_link = value.file_name().is_some_and(|name| name == ".libtorch")
        && value.parent().is_some_and(|parent| {
            parent == root || parent.canonicalize().ok() == root.canonicalize().ok()
        });
    if is_link { None } else { Some(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(root: &Path, value: Option<&str>, expected: Option<&str>) {
        let own = own_libtorch(root, value.map(PathBuf::from));
        assert_eq!(own, expected.map(PathBuf::from), "{value:?}");
    }

    #[test]
    fn only_another_folder_is_the_users_own() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let link = root.join(".libtorch");
        let dotted = root.join(".cargo/../.libtorch");
        std::fs::create_dir(root.join(".cargo")).unwrap();
        check(root, None, None);
        check(root, Some(""), None);
        check(root, link.to_str(), None);
        check(root, dotted.to_str(), None);
        check(root, Some("/opt/libtorch"), Some("/opt/libtorch"));
        check(root, Some("/opt/other-clone/.libtorch"), Some("/opt/other-clone/.libtorch"));
    }
}
