//! `cargo xtask test`: the whole workspace's tests, after set-up.

use anyhow::Result;

use crate::repo::Repo;
use crate::{exec, libtorch};

/// Runs `cargo test --workspace` with `args`.
pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<()> {
    libtorch::ensure(repo)?;
    exec::run(repo.cargo(&["test", "--workspace"]).args(args))
}
