//! `cargo xtask parity`: compares sst with the Python libraries whose results it should reproduce.
//!
//! A check is a script `tests/parity/NAME.py` with a `main`. It may take `--sst` (the release binary), `--out` (a
//! folder for its files) and `--model-cache` (the folder of downloaded models). It prints its measurements, and fails
//! if the difference is too large.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cache::Cache;
use crate::repo::Repo;
use crate::{exec, libtorch, model, python, registry};

/// The outcome of a check.
struct Outcome {
    name: String,
    passed: bool,
    time: Duration,
    figures: Vec<String>,
}

/// Runs the checks `names`, or all of them, with the interpreter of `venv` or of our own.
pub(crate) fn run(repo: &Repo, venv: Option<&Path>, names: &[String]) -> Result<()> {
    let checks = checks(&repo.path("tests/parity"), names)?;
    let cache = Cache::open()?;
    libtorch::ensure(repo)?;
    let python = match venv {
        Some(venv) => python::existing(venv)?,
        None => python::environment(&cache, "python", &repo.path("tests/requirements.txt"))?,
    };
    exec::run(&mut repo.cargo(&["build", "--release", "--package", "sst-cli"]))?;
    let mut outcomes = Vec::new();
    for script in &checks {
        outcomes.push(check(repo, &cache, &python, script)?);
    }
    outcomes.iter().for_each(|outcome| println!("{}", row(outcome)));
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    if failed > 0 {
        bail!("{failed} of {} parity checks failed", outcomes.len());
    }
    Ok(())
}

/// The scripts to run, sorted by name.
fn checks(dir: &Path, names: &[String]) -> Result<Vec<PathBuf>> {
    let mut checks = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        let is_python = path.extension().is_some_and(|extension| extension == "py");
        // The folder also holds modules that the checks share.
        if is_python && fs::read_to_string(&path)?.contains("__main__") {
            checks.push(path);
        }
    }
    checks.sort();
    let known: Vec<_> = checks.iter().map(|path| stem(path)).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        bail!("there is no parity check {unknown:?}; there are {}", known.join(", "));
    }
    if checks.is_empty() {
        bail!("{} holds no checks", dir.display());
    }
    checks.retain(|path| names.is_empty() || names.contains(&stem(path)));
    Ok(checks)
}

fn check(repo: &Repo, cache: &Cache, python: &Path, script: &Path) -> Result<Outcome> {
    let name = stem(script);
    let takes = |option: &str| -> Result<bool> { Ok(fs::read_to_string(script)?.contains(option)) };
    let mut command = Command::new(python);
    command.current_dir(repo.root()).arg("-u").arg(script);
    // Offline, a script can only use the pinned versions.
    command.env("HF_HUB_OFFLINE", "1").env("TOKENIZERS_PARALLELISM", "false");
    if takes("--sst")? {
        command.arg("--sst").arg(repo.sst_binary());
    }
    if takes("--out")? {
        let out = repo.path("target/parity").join(&name);
        fs::create_dir_all(&out)?;
        command.arg("--out").arg(out);
    }
    if takes("--model-cache")? {
        for entry in model::MODELS {
            registry::install(cache, repo.root(), model::KIND, entry)?;
        }
        command.arg("--model-cache").arg(cache.root().join(model::KIND));
    }
    let start = Instant::now();
    let (passed, lines) = exec::tee(&mut command)?;
    Ok(Outcome { name, passed, time: start.elapsed(), figures: figures(&lines) })
}

/// The lines to repeat in the table: every line on a difference, and the last line.
fn figures(lines: &[String]) -> Vec<String> {
    let told: Vec<_> =
        lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    let last = told.len().saturating_sub(1);
    let wanted =
        told.iter().enumerate().filter(|(i, line)| *i == last || line.contains("difference"));
    wanted.map(|(_, line)| (*line).to_owned()).collect()
}

fn row(outcome: &Outcome) -> String {
    let word = if outcome.passed { "pass" } else { "FAIL" };
    let seconds = outcome.time.as_secs_f64();
    let mut text = format!("{word}  {:<12} {seconds:>7.1} s", outcome.name);
    outcome.figures.iter().for_each(|figure| text.push_str(&format!("\n      {figure}")));
    text
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_the_scripts_with_a_main() {
        let dir = tempfile::tempdir().unwrap();
        let main = "if __name__ == \"__main__\":\n    main()\n";
        for (name, text) in [("b.py", main), ("a.py", main), ("shared.py", ""), ("x.txt", main)] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let found = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            checks(dir.path(), &names)
                .map(|paths| paths.iter().map(|path| stem(path)).collect::<Vec<_>>())
        };
        assert_eq!(found(&[]).unwrap(), ["a", "b"]);
        assert_eq!(found(&["b"]).unwrap(), ["b"]);
        let error = found(&["shared"]).unwrap_err().to_string();
        assert_eq!(error, "there is no parity check \"shared\"; there are a, b");
    }

    #[test]
    fn a_row_repeats_the_differences() {
        let lines = ["$ sst", "logits: largest difference 1e-6", "", "holds", ""];
        let lines: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
        let outcome = Outcome {
            name: "bert".to_owned(),
            passed: false,
            time: Duration::from_secs(61),
            figures: figures(&lines),
        };
        let expected =
            "FAIL  bert            61.0 s\n      logits: largest difference 1e-6\n      holds";
        assert_eq!(row(&outcome), expected);
    }
}
