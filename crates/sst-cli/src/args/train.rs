//! Arguments of the commands that train, and of those on runs and checkpoints.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::limits;

/// Arguments of `sst train`, whose other name is `sst pretrain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sst train recipes/demo.toml
  sst train recipes/demo.toml --set train.steps=200step --set run.name=short
  sst train recipes/demo.toml --resume
  sst train recipes/demo.toml --resume --set train.batch_size=128 \\
      --allow-change train.batch_size
  sst train recipes/demo.toml --set run.name=profiled \\
      --set train.steps=30step --profile 20
  sst train recipes/demo.toml --seeds 3 --set train.steps=200step
  sst train recipes/demo.toml --dry-run
  sst train runs/demo/config.toml --set run.name=again

The run is written to the folder run.dir/run.name. It holds config.toml, environment.json, metrics.jsonl, ledger.json, \
loss.png, TensorBoard events, and checkpoints/; each checkpoint contains a Hugging Face model folder. Paths in a recipe \
are relative to the current folder. If you press Ctrl-C while the data is prepared, sst exits at once with code 130 and \
leaves no run behind. If you press Ctrl-C during training, sst finishes the step, saves a checkpoint and exits with code \
3. A second Ctrl-C stops at once: with code 3 if there is a checkpoint, otherwise with code 1.")]
pub struct TrainArgs {
    /// The recipe (a TOML file). The config.toml of an earlier run is a recipe too.
    pub recipe: PathBuf,
    /// Override a key of the recipe, as in `train.steps=200step`. May be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Continue from the newest good checkpoint of the run. If there is none yet, the run starts from the beginning.
    #[arg(long)]
    pub resume: bool,
    /// Allow this key of the recipe to differ from the interrupted run. From here on the run trains differently than
    /// it would have, so a resume refuses such a change otherwise. May be given several times.
    #[arg(long, value_name = "KEY", requires = "resume")]
    pub allow_change: Vec<String>,
    /// Check the recipe, print it with every default filled in, and stop before reading data. Values that depend on
    /// the data or on the tokenizer are not filled in.
    #[arg(long, conflicts_with_all = ["resume", "json"])]
    pub dry_run: bool,
    /// Train this many runs, with the seed of the recipe and those after it, and print the mean and the standard deviation
    /// of their evaluations. The runs are called NAME-seed-1, NAME-seed-2 and so on, after their seeds.
    #[arg(long, value_name = "N", allow_negative_numbers = true, conflicts_with = "dry_run")]
    #[arg(value_parser = limits::positive::<u32>)]
    pub seeds: Option<u32>,
    /// Profile this many steps after the first five. The folder profile/ of the run gets a table of operators and a
    /// Chrome trace.
    #[arg(long, allow_negative_numbers = true, value_name = "STEPS", value_parser = limits::positive::<u64>)]
    pub profile: Option<u64>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `sst report`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sst report runs/demo
  sst report runs/demo --out demo.html --json

The page shows the curves, the evaluation, the ledger, the environment and the recipe. It needs no network and no other \
file.")]
pub struct ReportArgs {
    /// The run folder.
    pub run: PathBuf,
    /// The HTML file to write. If not given, it is report.html in the run folder.
    #[arg(long, short)]
    pub out: Option<PathBuf>,
    /// Print the path of the page and the last metrics as JSON.
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

Trains the recipe twice: once without interruption, and once killed at random moments and resumed each time. Then \
compares every file of the last checkpoint and every metric. The exit code is 1 if anything differs.")]
pub struct VerifyResumeArgs {
    /// The recipe (a TOML file).
    pub recipe: PathBuf,
    /// Override a key of the recipe. May be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// How many times the second run is killed.
    #[arg(long, allow_negative_numbers = true, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=limits::MAX_KILLS))]
    pub kills: u32,
    /// The seed of the random moments at which the run is killed.
    #[arg(long, allow_negative_numbers = true, default_value_t = 0)]
    pub seed: u64,
    /// Keep both runs in run.dir/NAME.verify. They are deleted by default.
    #[arg(long)]
    pub keep: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `sst checkpoint`.
#[derive(Debug, Subcommand)]
pub enum CheckpointCommand {
    /// List the checkpoints of a run with their losses.
    #[command(after_help = "Example:\n  sst checkpoint list runs/demo")]
    List {
        /// The run folder.
        run: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check every file of a checkpoint, or of all checkpoints of a run, against the sizes and hashes in its
    /// manifest.
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
    /// Delete the checkpoints of a run, except those that --last, --best and --every keep. The run must not be
    /// training.
    #[command(after_help = "\
Examples:
  sst checkpoint prune runs/demo --last 1 --dry-run
  sst checkpoint prune runs/demo --last 2 --best 1 --every 1000")]
    Prune {
        /// The run folder.
        run: PathBuf,
        /// Keep this many of the newest checkpoints.
        #[arg(long, allow_negative_numbers = true, default_value_t = 2, value_parser = limits::positive::<u64>)]
        last: u64,
        /// Keep this many of the checkpoints with the lowest held-out loss.
        #[arg(long, allow_negative_numbers = true, default_value_t = 1)]
        best: usize,
        /// Also keep the checkpoints whose step is a multiple of this number.
        #[arg(long, allow_negative_numbers = true, value_parser = limits::positive::<u64>)]
        every: Option<u64>,
        /// Print what would be deleted, and delete nothing.
        #[arg(long)]
        dry_run: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}
