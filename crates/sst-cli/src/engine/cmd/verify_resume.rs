//! `sst verify-resume`: a run that is killed and resumed beside one that is left alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use sst_cli::args::VerifyResumeArgs;
use sst_cli::exit::{Exit, Usage};
use sst_cli::render;
use sst_data::SeqRng;
use sst_train::Saver;

use crate::recipe;

const WHOLE: &str = "whole";
const BROKEN: &str = "broken";
/// How often a run is looked at before it is killed.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Trains twice and compares every weight, moment and figure.
///
/// # Errors
/// If a run fails, or fewer kills than asked for hit a running process.
pub(crate) fn run(args: &VerifyResumeArgs) -> Result<Exit> {
    let folder = Folder::new(args)?;
    let steps = folder.train(WHOLE, None)?;
    render::note(&format!("{WHOLE}: {steps} steps without a break"));
    let mut rng = SeqRng::new(args.seed, "verify-resume", 0, 0);
    let mut killed_at = Vec::new();
    for i in 0..args.kills {
        // One kill in each part of the run, anywhere in it.
        let share = (f64::from(i) + rng.uniform()) / f64::from(args.kills + 1);
        let pause = Duration::from_micros(rng.below(20_000));
        if let Some(step) = folder.kill((share * steps as f64) as u64, pause)? {
            render::note(&format!("{BROKEN}: killed after step {step}"));
            killed_at.push(step);
        }
    }
    folder.train(BROKEN, Some("--resume"))?;
    if killed_at.len() < args.kills as usize {
        bail!(
            "only {} of {} kills hit a running process: let it train for longer with --set train.steps=N",
            killed_at.len(),
            args.kills
        );
    }
    let differences = folder.differences(steps)?;
    if args.json {
        render::json(&json!({
            "version": 1, "identical": differences.is_empty(), "steps": steps,
            "killed_at": killed_at, "differences": differences,
        }))?;
    } else if differences.is_empty() {
        render::line(&format!(
            "identical after {steps} steps and {} kills: weights, moments, state and figures",
            killed_at.len()
        ))?;
    } else {
        differences.iter().try_for_each(|difference| render::line(difference))?;
    }
    if !args.keep {
        folder.remove()?;
    }
    Ok(if differences.is_empty() { Exit::Done } else { Exit::Failed })
}

/// Where both runs are.
struct Folder {
    path: PathBuf,
    /// Both runs have the recipe's name, which stands in their model cards, and a folder each.
    name: String,
    arguments: Vec<String>,
}

impl Folder {
    fn new(args: &VerifyResumeArgs) -> Result<Self> {
        // Says what is wrong with the recipe before anything is started.
        let config = recipe::check(&args.recipe, &args.set)?.config;
        let path = Path::new(&config.run.dir).join(format!("{}.verify", config.run.name));
        if path.exists() {
            let message =
                format!("{} exists: remove it, it is of an earlier check", path.display());
            return Err(Usage(message).into());
        }
        let mut arguments = vec!["pretrain".to_owned(), args.recipe.display().to_string()];
        for set in args.set.iter().cloned().chain(["train.log_every=1".to_owned()]) {
            arguments.extend(["--set".to_owned(), set]);
        }
        Ok(Self { path, name: config.run.name, arguments })
    }

    fn command(&self, name: &str, further: Option<&str>) -> Result<Command> {
        let program = std::env::current_exe().context("cannot find the program itself")?;
        let mut command = Command::new(program);
        let dir = format!("run.dir={}", self.path.join(name).display());
        command.args(&self.arguments).args(["--set", &dir]).args(further);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Ok(command)
    }

    /// Trains to the end; the steps that were done.
    fn train(&self, name: &str, further: Option<&str>) -> Result<u64> {
        let output = self.command(name, further)?.stderr(Stdio::piped()).output()?;
        if !output.status.success() {
            bail!("the run {name} failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        let steps = Saver::new(&self.run(name)).steps()?;
        steps.last().copied().with_context(|| format!("the run {name} left no checkpoint"))
    }

    /// Starts or resumes the run and kills it once it has done `step` steps; the step it had logged last,
    /// or nothing if it ended before.
    fn kill(&self, step: u64, pause: Duration) -> Result<Option<u64>> {
        let mut child = self.command(BROKEN, Some("--resume"))?.stderr(Stdio::null()).spawn()?;
        let reached = self.wait(&mut child, step)?;
        std::thread::sleep(pause);
        // SIGKILL: the process has no say in it.
        child.kill()?;
        let ended_by_itself = child.wait()?.code().is_some();
        Ok(if ended_by_itself || !reached { None } else { Some(self.last_step()) })
    }

    fn wait(&self, child: &mut Child, step: u64) -> Result<bool> {
        while self.last_step() < step {
            if child.try_wait()?.is_some() {
                return Ok(false);
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(true)
    }

    fn last_step(&self) -> u64 {
        let text = std::fs::read_to_string(self.metrics(BROKEN)).unwrap_or_default();
        let last = text.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok());
        last.and_then(|row| row["_step"].as_u64()).unwrap_or(0)
    }

    fn metrics(&self, name: &str) -> PathBuf {
        self.run(name).join("metrics.jsonl")
    }

    fn run(&self, name: &str) -> PathBuf {
        self.path.join(name).join(&self.name)
    }

    /// What is not the same in both runs, a sentence each.
    fn differences(&self, steps: u64) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let checkpoint = |name: &str| Saver::new(&self.run(name)).path(steps);
        let (whole, broken) = (files(&checkpoint(WHOLE))?, files(&checkpoint(BROKEN))?);
        for (name, bytes) in &whole {
            match broken.get(name) {
                None => found.push(format!("{name} is missing after the kills")),
                Some(other) if other != bytes => found.push(format!("{name} differs")),
                Some(_) => {}
            }
        }
        found.extend(
            broken
                .keys()
                .filter(|name| !whole.contains_key(*name))
                .map(|name| format!("{name} is new")),
        );
        let (whole, broken) = (self.figures(WHOLE)?, self.figures(BROKEN)?);
        if whole.len() != broken.len() {
            found.push(format!("{} lines of metrics instead of {}", broken.len(), whole.len()));
        }
        for (whole, broken) in whole.iter().zip(&broken) {
            let at = &whole["_step"];
            for (key, value) in whole {
                let other = broken.get(key);
                if other != Some(value) {
                    let other = other.map_or("absent".to_owned(), Value::to_string);
                    found.push(format!("step {at}: {key} is {other} instead of {value}"));
                }
            }
        }
        Ok(found)
    }

    /// The lines of metrics.jsonl without what is of the clock.
    fn figures(&self, name: &str) -> Result<Vec<Map<String, Value>>> {
        let path = self.metrics(name);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let rows = text.lines().map(|line| {
            let mut row: Map<String, Value> = serde_json::from_str(line)
                .with_context(|| format!("{} is not JSON lines", path.display()))?;
            row.retain(|key, _| key != "_timestamp" && !key.starts_with("perf/"));
            Ok(row)
        });
        rows.collect()
    }

    fn remove(&self) -> Result<()> {
        std::fs::remove_dir_all(&self.path)
            .with_context(|| format!("cannot remove {}", self.path.display()))
    }
}

/// The files of a checkpoint with their bytes; of trainer.json, what is not of the clock.
fn files(checkpoint: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut all = BTreeMap::new();
    for folder in ["model", "state"] {
        let folder_path = checkpoint.join(folder);
        let entries = folder_path
            .read_dir()
            .with_context(|| format!("cannot read {}", folder_path.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut bytes =
                std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            if name == "trainer.json" {
                let mut state: Value = serde_json::from_slice(&bytes)?;
                for pointer in ["/spent/seconds", "/window/seconds", "/window/loader_wait"] {
                    if let Some(value) = state.pointer_mut(pointer) {
                        *value = Value::Null;
                    }
                }
                bytes = serde_json::to_vec(&state)?;
            }
            all.insert(format!("{folder}/{name}"), bytes);
        }
    }
    Ok(all)
}
