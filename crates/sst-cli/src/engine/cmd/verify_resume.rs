//! `sst verify-resume`: compares a run that is killed and resumed, each time in a new process, with an uninterrupted
//! run in this process.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;
use sst_cli::args::VerifyResumeArgs;
use sst_cli::exit::{Exit, Usage};
use sst_cli::render;
use sst_data::SeqRng;
use sst_run::{Run, Silent, verify};
use sst_train::Outcome;

use crate::recipe;

const WHOLE: &str = "whole";
const BROKEN: &str = "broken";
/// The interval at which the log of a run is polled until it is time to kill it.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Trains twice and compares all weights, optimizer states and metrics.
///
/// # Errors
/// If a run fails, or if fewer kills than requested hit a running process.
pub(crate) fn run(args: &VerifyResumeArgs) -> Result<Exit> {
    let folder = Folder::new(args)?;
    let steps = folder.train_whole()?;
    render::note(&format!("{WHOLE}: {steps} steps without interruption"));
    let mut rng = SeqRng::new(args.seed, "verify-resume", 0, 0);
    let mut killed_at = Vec::new();
    for i in 0..args.kills {
        // The run is divided into equal parts, and each kill is at a random step of its part.
        let share = (f64::from(i) + rng.uniform()) / f64::from(args.kills + 1);
        let pause = Duration::from_micros(rng.below(20_000));
        if let Some(step) = folder.kill((share * steps as f64) as u64, pause)? {
            render::note(&format!("{BROKEN}: killed after step {step}"));
            killed_at.push(step);
        }
    }
    folder.resume_broken()?;
    if killed_at.len() < args.kills as usize {
        bail!(
            "only {} of {} kills hit a running process: make the run longer with --set train.steps=N",
            killed_at.len(),
            args.kills
        );
    }
    let differences = verify::differences(&folder.run(WHOLE), &folder.run(BROKEN), steps)?;
    if args.json {
        render::json(&json!({
            "version": 1, "identical": differences.is_empty(), "steps": steps,
            "killed_at": killed_at, "differences": differences,
        }))?;
    } else if differences.is_empty() {
        render::line(&format!(
            "identical after {steps} steps and {} kills: weights, optimizer state, trainer state and metrics",
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

/// The folder that holds both runs.
struct Folder {
    path: PathBuf,
    /// The name of both runs, which is that of the recipe because it is written to their model cards. Each run has a
    /// folder of its own.
    name: String,
    recipe: PathBuf,
    /// The overrides of both runs.
    sets: Vec<String>,
}

impl Folder {
    fn new(args: &VerifyResumeArgs) -> Result<Self> {
        // An error in the recipe is reported before a run is started.
        let config = recipe::check(&args.recipe, &args.set)?.config;
        let path = Path::new(&config.run.dir).join(format!("{}.verify", config.run.name));
        if path.exists() {
            let message = format!("{} exists from an earlier check: remove it", path.display());
            return Err(Usage(message).into());
        }
        let sets = args.set.iter().cloned().chain(["train.log_every=1".to_owned()]).collect();
        Ok(Self { path, name: config.run.name, recipe: args.recipe.clone(), sets })
    }

    /// The command that starts or resumes the run that is killed.
    fn command(&self) -> Result<Command> {
        let program = std::env::current_exe().context("cannot find the program itself")?;
        let mut command = Command::new(program);
        let dir = format!("run.dir={}", self.path.join(BROKEN).display());
        command.arg("pretrain").arg(&self.recipe).arg("--resume");
        for set in self.sets.iter().chain([&dir]) {
            command.args(["--set", set]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Ok(command)
    }

    /// Trains to the end in this process and returns the number of steps.
    fn train_whole(&self) -> Result<u64> {
        let dir = format!("run.dir={}", self.path.join(WHOLE).display());
        let sets = self.sets.iter().cloned().chain([dir]).collect::<Vec<_>>();
        // The notices of the run are not printed, because they would mix with those of the check.
        let mut run = Run::new(recipe::read(&self.recipe, &sets)?.observer(Arc::new(Silent)))?;
        match run.train()? {
            Outcome::Finished { step, .. } => Ok(step),
            Outcome::Stopped { step, .. } => {
                bail!("the run {WHOLE} stopped at step {step}: remove train.budget from the recipe")
            }
        }
    }

    /// Resumes the killed run in a new process, and trains to the end.
    fn resume_broken(&self) -> Result<()> {
        let output = self.command()?.stderr(Stdio::piped()).output()?;
        if !output.status.success() {
            bail!("the run {BROKEN} failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// Starts or resumes the run and kills it after `step` steps. Returns the last step that it had logged, or `None`
    /// if it ended by itself before.
    fn kill(&self, step: u64, pause: Duration) -> Result<Option<u64>> {
        let mut child = self.command()?.stderr(Stdio::null()).spawn()?;
        let reached = self.wait(&mut child, step)?;
        std::thread::sleep(pause);
        // This sends SIGKILL, which the process cannot handle.
        child.kill()?;
        let ended_by_itself = child.wait()?.code().is_some();
        Ok(if ended_by_itself || !reached {
            None
        } else {
            Some(verify::last_logged_step(&self.run(BROKEN)))
        })
    }

    fn wait(&self, child: &mut Child, step: u64) -> Result<bool> {
        while verify::last_logged_step(&self.run(BROKEN)) < step {
            if child.try_wait()?.is_some() {
                return Ok(false);
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        Ok(true)
    }

    fn run(&self, name: &str) -> PathBuf {
        self.path.join(name).join(&self.name)
    }

    fn remove(&self) -> Result<()> {
        std::fs::remove_dir_all(&self.path)
            .with_context(|| format!("cannot remove {}", self.path.display()))
    }
}
