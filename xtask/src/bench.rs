//! `cargo xtask bench`: the criterion benchmarks, after set-up.

use anyhow::Result;

use crate::repo::Repo;
use crate::{exec, libtorch};

/// Runs `cargo bench --workspace` with `args`.
pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<()> {
    libtorch::ensure(repo)?;
    exec::run(repo.cargo(&["bench", "--workspace"]).args(args))
}
