//! Arguments of the commands that train.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::limits;

/// Arguments of `sst pretrain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sst pretrain recipes/demo.toml
  sst pretrain recipes/demo.toml --set train.steps=200step --set run.name=short
  sst pretrain recipes/demo.toml --resume
  sst pretrain recipes/demo.toml --resume --set train.batch_size=128 \\
      --allow-change train.batch_size
  sst pretrain recipes/demo.toml --set run.name=profiled \\
      --set train.steps=30step --profile 20
  sst pretrain recipes/demo.toml --dry-run
  sst pretrain runs/demo/config.toml --set run.name=again

The run goes to run.dir/run.name: config.toml, environment.json, metrics.jsonl, ledger.json, loss.png, \
TensorBoard events and checkpoints/, each of which holds a Hugging Face model folder. Paths in a recipe \
are relative to the current folder. While the data is prepared, Ctrl-C ends at once with code 130, and nothing is left \
of the run. While it trains, Ctrl-C finishes the step, saves and exits with code 3; a second one \
stops at once, with code 3 too where a checkpoint was written, or else 1.")]
pub struct PretrainArgs {
    /// The recipe, a TOML file; the config.toml of a run is one too.
    pub recipe: PathBuf,
    /// Override a key of the recipe, as in `train.steps=200step`. May be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Go on from the newest good checkpoint of the run, or start if there is none yet.
    #[arg(long)]
    pub resume: bool,
    /// Resume although this key of the recipe has changed, with which the run learns something else from
    /// here on. May be given several times.
    #[arg(long, value_name = "KEY", requires = "resume")]
    pub allow_change: Vec<String>,
    /// Check the recipe, print it with every default, and stop. What follows from the data or the
    /// tokenizer is not filled in.
    #[arg(long, conflicts_with_all = ["resume", "json"])]
    pub dry_run: bool,
    /// Record so many steps, after the first five, by operator: a table and a Chrome trace in profile/ of the
    /// run's folder.
    #[arg(long, allow_negative_numbers = true, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    pub profile: Option<u64>,
    /// Print the outcome as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `sst report`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sst report runs/demo
  sst report runs/demo --out demo.html --json

One HTML page with the curves, the evaluation, the ledger, the environment and the recipe, which needs no \
network and no other file.")]
pub struct ReportArgs {
    /// The run folder.
    pub run: PathBuf,
    /// Where the page goes; report.html in the run folder if not given.
    #[arg(long, short)]
    pub out: Option<PathBuf>,
    /// Print the place and the last figures as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `sst verify-resume`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sst verify-resume recipes/tiny.toml
  sst verify-resume recipes/tiny.toml --set train.precision=bf16 --kills 10 \\
      --json

Trains as the recipe says, once without a break and once killed at random moments and resumed each time, \
and compares every file of the last checkpoint and every figure. Exit code 1 if anything differs.")]
pub struct VerifyResumeArgs {
    /// The recipe, a TOML file.
    pub recipe: PathBuf,
    /// Override a key of the recipe. May be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// How many times the second run is killed.
    #[arg(long, allow_negative_numbers = true, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=limits::MAX_KILLS))]
    pub kills: u32,
    /// Seeds the moments of the kills.
    #[arg(long, allow_negative_numbers = true, default_value_t = 0)]
    pub seed: u64,
    /// Leave both runs in run.dir/NAME.verify.
    #[arg(long)]
    pub keep: bool,
    /// Print the outcome as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `sst checkpoint`.
#[derive(Debug, Subcommand)]
pub enum CheckpointCommand {
    /// List the checkpoints of a run with their figures.
    #[command(after_help = "Example:\n  sst checkpoint list runs/demo")]
    List {
        /// The run folder.
        run: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Compare every file of a checkpoint, or of all checkpoints of a run, with its manifest.
    #[command(after_help = "\
Examples:
  sst checkpoint verify runs/demo
  sst checkpoint verify runs/demo/checkpoints/step-00000200 --json")]
    Verify {
        /// A run folder or a checkpoint folder.
        path: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Delete the checkpoints of a run that no rule keeps. Not while the run is going on.
    #[command(after_help = "\
Examples:
  sst checkpoint prune runs/demo --last 1 --dry-run
  sst checkpoint prune runs/demo --last 2 --best 1 --every 1000")]
    Prune {
        /// The run folder.
        run: PathBuf,
        /// Keep the newest so many.
        #[arg(long, allow_negative_numbers = true, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
        last: u64,
        /// Keep the best so many, by the held-out loss.
        #[arg(long, allow_negative_numbers = true, default_value_t = 1)]
        best: usize,
        /// Keep those of every so many steps.
        #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..))]
        every: Option<u64>,
        /// Say what would be deleted, and delete nothing.
        #[arg(long)]
        dry_run: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}
