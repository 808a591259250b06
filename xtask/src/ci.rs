//! `cargo xtask ci`: runs what continuous integration runs; the fastest checks come first.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::repo::Repo;
use crate::{exec, library, libtorch, test, tidy};

type Step = (&'static str, fn(&Repo) -> Result<()>);

/// The steps: name and command.
const STEPS: [Step; 8] = [
    ("setup", libtorch::ensure),
    ("fmt", |repo| exec::run(&mut repo.cargo(&["fmt", "--all", "--check"]))),
    ("clippy", clippy),
    ("arm", arm),
    ("tidy", tidy::run),
    // This is the command that the README shows.
    ("test", |repo| test::run(repo, &[])),
    ("library", library::run),
    ("doc", doc),
];

/// Runs the steps, stops at the first failure, and prints the time of each.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    let mut times = Vec::new();
    let mut result = Ok(());
    for (name, step) in STEPS {
        eprintln!("== {name}");
        let start = Instant::now();
        result = step(repo);
        times.push((name, start.elapsed(), result.is_ok()));
        if result.is_err() {
            break;
        }
    }
    for (name, time, passed) in times {
        eprintln!("{}", row(name, time, passed));
    }
    result
}

fn clippy(repo: &Repo) -> Result<()> {
    let args = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    exec::run(&mut repo.cargo(&args))
}

/// Type-checks the kernels for Arm if the toolchain has its standard library. Neither an Arm libtorch nor a C++
/// compiler is needed, because nothing is linked.
fn arm(repo: &Repo) -> Result<()> {
    const TARGET: &str = "aarch64-unknown-linux-gnu";
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut query = Command::new(rustc);
    let libraries = exec::output(query.args(["--print", "target-libdir", "--target", TARGET]))?;
    if !Path::new(libraries.trim()).is_dir() {
        eprintln!("skipped: the toolchain has no {TARGET}; `rustup target add {TARGET}` adds it");
        return Ok(());
    }
    let mut cargo = repo.cargo(&["check", "--target", TARGET, "--package", "sst-kernels", "--lib"]);
    for tool in ["CC", "CXX", "AR", "RANLIB"] {
        cargo.env(format!("{tool}_{}", TARGET.replace('-', "_")), "true");
    }
    exec::run(cargo.args(["--features", "check-only"]).env("RUSTFLAGS", "-D warnings"))
}

fn doc(repo: &Repo) -> Result<()> {
    let mut cargo = repo.cargo(&["doc", "--workspace", "--no-deps"]);
    exec::run(cargo.env("RUSTDOCFLAGS", "-D warnings"))
}

fn row(name: &str, time: Duration, passed: bool) -> String {
    format!("{name:<8} {:>8.1} s  {}", time.as_secs_f64(), if passed { "passed" } else { "FAILED" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_line_up() {
        assert_eq!(row("fmt", Duration::from_millis(1250), true), "fmt           1.2 s  passed");
        assert_eq!(row("clippy", Duration::from_secs(100), false), "clippy      100.0 s  FAILED");
    }
}
