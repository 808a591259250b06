//! `cargo xtask ci`: what continuous integration runs, in the order that fails soonest.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::repo::Repo;
use crate::{exec, libtorch, test, tidy};

type Step = (&'static str, fn(&Repo) -> Result<()>);

/// One a line: name and what it runs.
const STEPS: [Step; 6] = [
    ("setup", libtorch::ensure),
    ("fmt", |repo| exec::run(&mut repo.cargo(&["fmt", "--all", "--check"]))),
    ("clippy", clippy),
    ("tidy", tidy::run),
    // The command of the README.
    ("test", |repo| test::run(repo, &[])),
    ("doc", doc),
];

/// Runs every step, stops at the first that fails, and says how long each took.
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
