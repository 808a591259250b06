//! `sst verify-resume`: a run that is killed and resumed, in processes of its own, beside one that is left alone, in this
//! process.

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
/// How often a run is looked at before it is killed.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Trains twice and compares every weight, moment and figure.
///
/// # Errors
/// If a run fails, or fewer kills than asked for hit a running process.
pub(crate) fn run(args: &VerifyResumeArgs) -> Result<Exit> {
    let folder = Folder::new(args)?;
    let steps = folder.train_whole()?;
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
    folder.resume_broken()?;
    if killed_at.len() < args.kills as usize {
        bail!(
            "only {} of {} kills hit a running process: let it train for longer with --set train.steps=N",
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
    recipe: PathBuf,
    /// The overrides that both runs have.
    sets: Vec<String>,
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
        let sets = args.set.iter().cloned().chain(["train.log_every=1".to_owned()]).collect();
        Ok(Self { path, name: config.run.name, recipe: args.recipe.clone(), sets })
    }

    /// What starts or resumes the run that is killed.
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

    /// Trains to the end in this process; the steps that were done.
    fn train_whole(&self) -> Result<u64> {
        let dir = format!("run.dir={}", self.path.join(WHOLE).display());
        let sets = self.sets.iter().cloned().chain([dir]).collect::<Vec<_>>();
        // Its notices would stand between those of the check.
        let mut run = Run::new(recipe::read(&self.recipe, &sets)?.observer(Arc::new(Silent)))?;
        match run.train()? {
            Outcome::Finished { step, .. } => Ok(step),
            Outcome::Stopped { step, .. } => {
                bail!("the run {WHOLE} stopped at step {step}: leave train.budget out")
            }
        }
    }

    /// Resumes the killed run in a process of its own, and trains to the end.
    fn resume_broken(&self) -> Result<()> {
        let output = self.command()?.stderr(Stdio::piped()).output()?;
        if !output.status.success() {
            bail!("the run {BROKEN} failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// Starts or resumes the run and kills it once it has done `step` steps; the step it had logged last,
    /// or nothing if it ended before.
    fn kill(&self, step: u64, pause: Duration) -> Result<Option<u64>> {
        let mut child = self.command()?.stderr(Stdio::null()).spawn()?;
        let reached = self.wait(&mut child, step)?;
        std::thread::sleep(pause);
        // SIGKILL: the process has no say in it.
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
            std::thread::sleep(LOOK_EVERY);
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
