//! `sst train`, whose other name is `sst pretrain`.

mod seeds;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use anyhow::Result;
use serde_json::{Value, json};
use sst_cli::args::TrainArgs;
use sst_cli::exit::{self, Ends, Exit};
use sst_cli::render;
use sst_data::Ledger;
use sst_run::recipe::RunConfig;
use sst_run::{CONFIG, Event, Notice, Observer, Run, RunError, Tracker};
use sst_train::track::Progress;
use sst_train::{Outcome, Saver, StopReason, TrainError};

use crate::error::with_exit_code;
use crate::recipe;
use crate::signals::Signals;
use crate::terminal::Terminal;

/// Trains the model that the recipe describes.
///
/// # Errors
/// If the recipe is wrong, the data cannot be read, the run cannot be written, or the loss is not
/// finite.
pub(crate) fn run(args: &TrainArgs) -> Result<Exit> {
    if let Some(count) = args.seeds {
        return seeds::run(args, u64::from(count));
    }
    if args.dry_run {
        let recipe = recipe::read(&args.recipe, &args.set)?.observer(Arc::new(Terminal));
        let mut run = Run::new(recipe)?;
        let resolved = run.dry_run()?;
        render::line(resolved.trim_end())?;
        render::ledger(&run.ledger().entries());
        return Ok(Exit::Done);
    }
    train(args, &args.set)?.conclude(args)
}

/// A run that has ended.
pub(super) struct Trained {
    folder: PathBuf,
    config: RunConfig,
    /// How it ended.
    pub(super) outcome: Outcome,
}

/// Trains the run that the recipe with these overrides describes.
///
/// # Errors
/// If the recipe is wrong, or training fails.
pub(super) fn train(args: &TrainArgs, sets: &[String]) -> Result<Trained> {
    let stop = Arc::<AtomicBool>::default();
    let listener = Listener { stop: Arc::clone(&stop), signals: OnceLock::new() };
    let recipe = recipe::read(&args.recipe, sets)?.observer(Arc::new(listener));
    let mut run = Run::new(recipe)?;
    run.resume(args.resume).allow_change(args.allow_change.iter().cloned());
    let counted = if run.config().are_pictures() { "pictures" } else { "tokens" };
    run.stop_flag(stop).tracker(LateProgress { progress: None, counted });
    if let Some(steps) = args.profile {
        run.profile(steps);
    }
    let outcome = run.train().map_err(|error| with_advice(error, &run.folder()))?;
    Ok(Trained { folder: run.folder(), config: run.config().clone(), outcome })
}

/// Shows progress on stderr from the first training event on, so that a run that is refused shows none.
struct LateProgress {
    progress: Option<Progress>,
    /// What the speed counts.
    counted: &'static str,
}

impl Tracker for LateProgress {
    fn on_event(&mut self, event: &Event) -> sst_core::Result<()> {
        let progress =
            self.progress.get_or_insert_with(|| Progress::stderr().counting(self.counted));
        progress.on_event(event)
    }
}

/// Prints notices and the ledger, and handles signals while the run trains.
struct Listener {
    stop: Arc<AtomicBool>,
    signals: OnceLock<Signals>,
}

impl Observer for Listener {
    fn notice(&self, notice: &Notice) {
        Terminal.notice(notice);
    }

    fn training_begins(
        &self,
        saver: &Saver,
    ) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let signals = Signals::listen(saver.clone(), Arc::clone(&self.stop))?;
        // This is called once per run, so the cell is empty.
        let _ = self.signals.set(signals);
        Ok(())
    }

    fn training_ended(&self, ledger: &Ledger) {
        if let Some(signals) = self.signals.get() {
            signals.run_ended();
        }
        render::ledger(&ledger.entries());
    }
}

/// Adds to an error of the system, such as a full disk, the command that continues the run once the cause is fixed.
fn with_advice(error: RunError, folder: &Path) -> anyhow::Error {
    let is_system_error = matches!(
        error,
        RunError::Train(
            TrainError::Save { .. }
                | TrainError::Io { .. }
                | TrainError::Load(_)
                | TrainError::Core(_)
                | TrainError::Other(_)
        )
    );
    let error = with_exit_code(error.into());
    if !is_system_error {
        return error;
    }
    let newest = Saver::new(folder).steps().ok().and_then(|steps| steps.last().copied());
    let advice = match newest {
        Some(step) => {
            format!(
                "When that is fixed, continue from step {step} with: {}",
                resume_command(folder)
            )
        }
        None => {
            "There is no checkpoint yet: when that is fixed, start the run again with the same \
                 command"
                .to_owned()
        }
    };
    Ends { exit: Exit::Failed, message: format!("{}. {advice}", exit::message(&error)) }.into()
}

/// The command that resumes the run in `folder`. It names the run's config.toml, which includes the overrides of
/// --set and the name of the run.
fn resume_command(folder: &Path) -> String {
    let recipe = folder.join(CONFIG).display().to_string();
    format!("sst pretrain {} --resume", render::shell_word(&recipe))
}

impl Trained {
    /// The folder of the checkpoint that the run ended with.
    fn checkpoint(&self) -> &PathBuf {
        match &self.outcome {
            Outcome::Finished { checkpoint, .. } | Outcome::Stopped { checkpoint, .. } => {
                checkpoint
            }
        }
    }

    /// The figures of a run that has finished.
    fn metrics(&self) -> impl Iterator<Item = (&str, &f64)> {
        let metrics = match &self.outcome {
            Outcome::Finished { metrics, .. } => Some(metrics),
            Outcome::Stopped { .. } => None,
        };
        metrics.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
    }

    /// Prints to stderr whether the run ended early, and which checkpoint is the best one if that is its model.
    fn note_end(&self) {
        let Outcome::Finished { step, is_early, .. } = &self.outcome else { return };
        if *is_early {
            let patience = self.config.train.early_stopping.map_or(0, |rule| rule.patience);
            render::note(&format!(
                "ended early at step {step}: {patience} evaluations in a row brought no improvement"
            ));
        }
        if self.config.train.keep.restore_best {
            render::note(&format!("the best checkpoint is {}", self.checkpoint().display()));
        }
    }

    /// Prints how the run ended.
    fn conclude(&self, args: &TrainArgs) -> Result<Exit> {
        let Self { folder, config, outcome } = self;
        conclude(args, folder, config, outcome, self)
    }
}

fn conclude(
    args: &TrainArgs,
    folder: &Path,
    config: &RunConfig,
    outcome: &Outcome,
    trained: &Trained,
) -> Result<Exit> {
    let (exit, status, step) = match outcome {
        Outcome::Finished { step, .. } => (Exit::Done, "finished", step),
        Outcome::Stopped { step, .. } => (Exit::Stopped, "stopped", step),
    };
    let checkpoint = trained.checkpoint();
    let metrics: std::collections::BTreeMap<_, _> = trained.metrics().collect();
    trained.note_end();
    if let Outcome::Stopped { reason, .. } = outcome {
        // A budget holds for the whole run, so it must be raised to continue.
        let budget = &config.train.budget;
        let (why, more) = match reason {
            StopReason::Asked => ("", String::new()),
            StopReason::MaxTokens => {
                let tokens = budget.tokens.unwrap_or(1).saturating_mul(2);
                (
                    " because train.budget.tokens is used up",
                    format!(" --set train.budget.tokens={tokens}"),
                )
            }
            StopReason::MaxSeconds => {
                let seconds = budget.seconds.unwrap_or(1.0) * 2.0;
                (
                    " because train.budget.seconds is used up",
                    format!(" --set train.budget.seconds={seconds}"),
                )
            }
        };
        let command = resume_command(folder);
        render::note(&format!("stopped at step {step}{why}; continue with: {command}{more}"));
    }
    if args.json {
        let value: Value = json!({
            "version": 1, "status": status, "step": step, "run": folder, "checkpoint": checkpoint,
            "model": checkpoint.join("model"), "metrics": metrics,
        });
        render::json(&value)?;
    } else {
        for (name, value) in metrics.iter().filter(|(name, _)| name.starts_with("eval/")) {
            render::note(&format!("{name} {value:.4}"));
        }
        render::line(&checkpoint.join("model").display().to_string())?;
    }
    Ok(exit)
}
