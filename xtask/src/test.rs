//! `cargo xtask test`: sets up libtorch and runs all tests of the workspace. Then repeats the tests that depend on
//! CPU instructions at every lower level of the processor.

use std::time::Instant;

use anyhow::{Context, Result};

use crate::repo::Repo;
use crate::{exec, libtorch};

/// The environment variable that lowers the CPU level: see `crates/sst-kernels/src/cpu.rs`.
const LEVEL: &str = "SST_CPU";

/// The crates whose tests depend on the level: the kernels, the layers that choose between kernels and libtorch, and
/// the models whose golden values must be reproduced.
const BY_LEVEL: [&str; 6] =
    ["--package", "sst-kernels", "--package", "sst-core", "--package", "sst-models"];

/// Runs `cargo test --workspace` with `args`, and then the tests of [`BY_LEVEL`] at every lower level. If `SST_CPU`
/// is set, all tests run at that level only.
pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<()> {
    libtorch::ensure(repo)?;
    exec::run(repo.cargo(&["test", "--workspace"]).args(args))?;
    if let Some(level) = std::env::var_os(LEVEL) {
        println!("tested at level {}, as {LEVEL} asks", level.to_string_lossy());
        return Ok(());
    }
    let levels = levels(repo)?;
    let (own, lower) = levels.split_last().context("the processor has no level")?;
    let mut told = vec![format!("{own:<12} every test")];
    for level in lower {
        let start = Instant::now();
        let mut cargo = repo.cargo(&["test", "--tests", "--lib"]);
        exec::run(cargo.args(BY_LEVEL).args(args).env(LEVEL, level))?;
        let seconds = start.elapsed().as_secs_f64();
        told.push(format!("{level:<12} kernels and parity, {seconds:.0} s"));
    }
    println!("levels of the processor that passed:\n{}", told.join("\n"));
    Ok(())
}

/// The levels of this processor, in ascending order.
fn levels(repo: &Repo) -> Result<Vec<String>> {
    let mut cargo = repo.cargo(&["run", "--quiet", "--package", "sst-kernels", "--example"]);
    let names = exec::output(cargo.arg("cpu_levels"))?;
    Ok(names.lines().map(str::to_owned).collect())
}
