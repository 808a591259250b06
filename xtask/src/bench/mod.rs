//! `cargo xtask bench`: runs the criterion benchmarks, or with `peers` compares sst with Python libraries.

mod peers;

use anyhow::Result;
use clap::Parser;

use crate::repo::Repo;
use crate::{exec, libtorch};

/// Runs `cargo bench --workspace` with `args`. If the first argument is `peers`, runs that comparison with the
/// others.
pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<()> {
    if args.first().is_some_and(|first| first == "peers") {
        return peers::run(repo, &peers::Args::parse_from(args));
    }
    libtorch::ensure(repo)?;
    exec::run(repo.cargo(&["bench", "--workspace"]).args(args))
}
