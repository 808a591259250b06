//! `cargo xtask demo`: from a fresh clone to a BERT that fills in blanks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::repo::Repo;
use crate::{cache, exec, libtorch};

const RECIPE: &str = "recipes/demo.toml";

/// The highest held-out loss that passes. A model that knows only token frequencies has 5.86, the entropy of the
/// tokens.
const MAX_LOSS: f64 = 4.2;
/// The accuracy must be at least this many times that of always predicting the most frequent token.
const MIN_GAIN: f64 = 5.0;

const SENTENCES: [&str; 3] = [
    "In the beginning God [MASK] the heaven and the earth.",
    "And the LORD said unto [MASK], Go unto the people.",
    "The son of David, king of [MASK].",
];

/// The part of the recipe that names the run folder.
#[derive(Deserialize)]
struct Recipe {
    run: Run,
}

#[derive(Deserialize)]
struct Run {
    name: String,
    #[serde(default = "default_dir")]
    dir: PathBuf,
}

fn default_dir() -> PathBuf {
    PathBuf::from("runs")
}

/// The metrics that the demo checks.
#[derive(Debug, PartialEq)]
struct Figures {
    loss: f64,
    mask_accuracy: f64,
    commonest_accuracy: f64,
}

/// The parts of the demo in order, as printed before each one.
const PARTS: [&str; 4] = [
    "libtorch: fetched once for all clones, half a gigabyte",
    "the release build: some minutes on two cores, less when it was built before",
    "training a small BERT on the bundled book: two to six minutes, by the processor",
    "measuring it on verses it has not seen, and filling in blanks",
];

/// Runs one of [`PARTS`]. Prints its description before and its duration after it.
fn part<T>(number: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("== {} of {}: {}", number, PARTS.len(), PARTS[number - 1]);
    let start = Instant::now();
    let done = work()?;
    eprintln!("== {} of {}: took {:.0} s", number, PARTS.len(), start.elapsed().as_secs_f64());
    Ok(done)
}

/// Trains, evaluates and fills in masked words. Returns an error if the model did not learn.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    part(1, || libtorch::ensure(repo))?;
    part(2, || exec::run(&mut repo.cargo(&["build", "--release", "--package", "sst-cli"])))?;
    let run = run_folder(repo)?;
    part(3, || {
        // A repeated demo deletes the earlier run; no other command writes to this folder.
        cache::remove(&run)?;
        exec::run(sst(repo).args(["pretrain", RECIPE]))
    })?;
    let model = run.join("checkpoints/latest/model");
    let figures = part(4, || {
        let figures = evaluate(repo, &run, &model)?;
        for sentence in SENTENCES {
            let mut fill = sst(repo);
            fill.arg("fill-mask").arg("--model").arg(&model);
            exec::run(fill.args(["--text", sentence, "--top-k", "3"]))?;
        }
        Ok(figures)
    })?;
    let picture = run.join("loss.png");
    if !picture.is_file() {
        bail!("the picture of the loss, {}, was not drawn", picture.display());
    }
    println!("held-out loss  {:.3} (at most {MAX_LOSS})", figures.loss);
    println!(
        "mask accuracy  {:.1} %, {:.1} times that of the commonest token (at least {MIN_GAIN})",
        100.0 * figures.mask_accuracy,
        figures.mask_accuracy / figures.commonest_accuracy
    );
    println!("loss picture   {}", picture.display());
    println!("model          {}", model.display());
    judge(&figures)
}

fn sst(repo: &Repo) -> Command {
    let mut command = Command::new(repo.sst_binary());
    command.current_dir(repo.root());
    command
}

/// The folder of the run, as the recipe names it.
fn run_folder(repo: &Repo) -> Result<PathBuf> {
    let path = repo.path(RECIPE);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {RECIPE}"))?;
    let recipe: Recipe = toml::from_str(&text).with_context(|| format!("{RECIPE} is not valid"))?;
    Ok(repo.root().join(recipe.run.dir).join(Path::new(&recipe.run.name)))
}

/// Evaluates the model on the held-out part of the book.
fn evaluate(repo: &Repo, run: &Path, model: &Path) -> Result<Figures> {
    let mut eval = sst(repo);
    eval.args(["eval", "mask-accuracy", "--json", "--recipe"]).arg(run.join("config.toml"));
    figures(&exec::output(eval.arg("--model").arg(model))?)
}

/// Parses the output of `sst eval mask-accuracy --json`.
fn figures(answer: &str) -> Result<Figures> {
    let answer: Value =
        serde_json::from_str(answer).context("`sst eval --json` printed no JSON")?;
    let metric = |name: &str| {
        let value = answer["metrics"][name].as_f64();
        value.with_context(|| format!("`sst eval --json` printed no metrics.{name}"))
    };
    Ok(Figures {
        loss: metric("loss")?,
        mask_accuracy: metric("mask_accuracy")?,
        commonest_accuracy: metric("commonest_token_accuracy")?,
    })
}

/// Returns an error unless the model learned more than token frequencies. NaN is an error.
fn judge(figures: &Figures) -> Result<()> {
    let Figures { loss, mask_accuracy, commonest_accuracy } = figures;
    let learned = *loss <= MAX_LOSS;
    if !learned {
        bail!("the held-out loss is {loss:.3}, above {MAX_LOSS}: the model did not learn");
    }
    let better = *mask_accuracy >= MIN_GAIN * commonest_accuracy;
    if !better {
        bail!(
            "mask accuracy is {mask_accuracy:.4}, less than {MIN_GAIN} times the \
             {commonest_accuracy:.4} of always guessing the commonest token"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(loss: f64, mask_accuracy: f64, expected: Result<(), &str>) {
        let figures = Figures { loss, mask_accuracy, commonest_accuracy: 0.06 };
        match (judge(&figures), expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (found, _) => panic!("{figures:?}: {found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn only_a_model_that_learned_passes() {
        check(4.2, 0.30, Ok(()));
        check(4.21, 0.30, Err("held-out loss is 4.210"));
        check(f64::NAN, 0.30, Err("held-out loss"));
        check(3.7, 0.29, Err("less than 5 times"));
        check(3.7, f64::NAN, Err("less than 5 times"));
    }

    #[test]
    fn figures_come_from_the_metrics() {
        let answer = r#"{"version":1,"name":"mask-accuracy","counts":{},"metrics":
            {"mask_accuracy":0.33,"loss":3.75,"commonest_token_accuracy":0.06}}"#;
        let expected = Figures { loss: 3.75, mask_accuracy: 0.33, commonest_accuracy: 0.06 };
        assert_eq!(figures(answer).unwrap(), expected);
        let error = figures(r#"{"metrics":{"loss":1.0}}"#).unwrap_err().to_string();
        assert!(error.contains("no metrics.mask_accuracy"), "{error}");
    }
}
