//! `sst checkpoint list`, `verify` and `prune`.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;
use sst_cli::args::CheckpointCommand;
use sst_cli::exit::{Exit, Usage};
use sst_cli::{files, render};
use sst_run::RunLock;
use sst_train::{Checkpoint, Retention, Saver};

/// Runs a command on checkpoints.
///
/// # Errors
/// If there are none, or stdout cannot be written to.
pub(crate) fn run(command: &CheckpointCommand) -> Result<Exit> {
    match command {
        CheckpointCommand::List { run, json } => list(run, *json),
        CheckpointCommand::Verify { path, json } => verify(path, *json),
        CheckpointCommand::Prune { run, last, best, every, dry_run, json } => {
            let (last, best) = (*last as usize, *best);
            let rules = Retention { last, best, every: *every, ..Retention::default() };
            prune(run, &rules, *dry_run, *json)
        }
    }
}

/// The checkpoints of a run folder, or the single checkpoint if `path` is a checkpoint folder.
fn checkpoints(path: &Path) -> Result<Vec<Checkpoint>> {
    files::must_exist(path)?;
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    // A folder whose manifest does not parse is still treated as a checkpoint: it is reported as broken.
    if real.join("MANIFEST.json").is_file() {
        let found =
            Checkpoint::at(&real).with_context(|| format!("{} is broken", path.display()))?;
        return Ok(found.into_iter().collect());
    }
    let saver = Saver::new(path);
    let found: Vec<_> = saver.steps()?.into_iter().map(|step| saver.checkpoint(step)).collect();
    match found.is_empty() {
        false => Ok(found),
        true => Err(Usage(format!("{} holds no checkpoint", path.display())).into()),
    }
}

fn list(run: &Path, as_json: bool) -> Result<Exit> {
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for checkpoint in checkpoints(run)? {
        let state = checkpoint.state();
        let metrics = state.as_ref().map(|state| state.metrics_of_step()).unwrap_or_default();
        let error = state.err().map(|error| error.to_string());
        values.push(json!({
            "step": checkpoint.step(), "path": checkpoint.path(), "metrics": metrics,
            "error": error,
        }));
        let losses = metrics.iter().filter(|(name, _)| name.ends_with("/loss"));
        let losses: Vec<String> =
            losses.map(|(name, value)| format!("{name} {value:.4}")).collect();
        rows.push(vec![
            checkpoint.step().to_string(),
            checkpoint.path().display().to_string(),
            error.unwrap_or_else(|| losses.join("  ")),
        ]);
    }
    if as_json {
        render::json(&json!({ "version": 1, "checkpoints": values }))?;
    } else {
        render::line(&render::table(&rows))?;
    }
    Ok(Exit::Done)
}

fn verify(path: &Path, as_json: bool) -> Result<Exit> {
    let (mut rows, mut values, mut good) = (Vec::new(), Vec::new(), true);
    for checkpoint in checkpoints(path)? {
        let error = checkpoint.verify().err().map(|error| error.to_string());
        good &= error.is_none();
        values.push(json!({
            "step": checkpoint.step(), "path": checkpoint.path(), "good": error.is_none(),
            "error": error,
        }));
        let verdict = error.unwrap_or_else(|| "good".to_owned());
        rows.push(vec![checkpoint.path().display().to_string(), verdict]);
    }
    if as_json {
        render::json(&json!({ "version": 1, "good": good, "checkpoints": values }))?;
    } else {
        render::line(&render::table(&rows))?;
    }
    if !good {
        render::note(
            "a damaged checkpoint is not used: --resume, and commands that are given the run's folder, take the newest \
             good one; copy it again from where it came, or delete its folder",
        );
    }
    Ok(if good { Exit::Done } else { Exit::Failed })
}

fn prune(run: &Path, rules: &Retention, dry_run: bool, as_json: bool) -> Result<Exit> {
    // If there are no checkpoints, this error comes before any other.
    checkpoints(run)?;
    let _lock = if dry_run { None } else { Some(RunLock::take(run)?) };
    let pruned = Saver::new(run).prune(rules, dry_run)?;
    for (step, reason) in &pruned.broken {
        render::note(&format!("step {step} is broken and stays: {reason}"));
    }
    if as_json {
        let broken: Vec<u64> = pruned.broken.iter().map(|(step, _)| *step).collect();
        render::json(&json!({
            "version": 1, "dry_run": dry_run, "kept": pruned.kept, "deleted": pruned.deleted,
            "broken": broken, "bytes": pruned.bytes,
        }))?;
        return Ok(Exit::Done);
    }
    let verdict = |steps: &[u64], word: &str| -> Vec<Vec<String>> {
        steps.iter().map(|step| vec![step.to_string(), word.to_owned()]).collect()
    };
    let gone = if dry_run { "would be deleted" } else { "deleted" };
    let mut rows = verdict(&pruned.kept, "kept");
    rows.extend(verdict(&pruned.deleted, gone));
    render::line(&render::table(&rows))?;
    render::note(&format!("{} bytes {gone}", render::count(pruned.bytes)));
    Ok(Exit::Done)
}
