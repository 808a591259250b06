//! Arguments of `sst evaluate`.

use std::path::PathBuf;

use clap::Args;

use super::DeviceArgs;

/// Arguments of `sst evaluate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sst evaluate recipes/pages/demo.toml
  sst evaluate page.toml --model runs/small --model runs/large
  sst evaluate page.toml --set evaluate.twin=false --json
  sst evaluate page.toml --dry-run

The recipe is a TOML file:
  [evaluate]
  models = [\"runs/demo\"]        # or { NAME = \"FOLDER\", .. }

  [eval.parts]                   # a section for each measurement
  evaluator = \"probe\"          # see sst list evaluators
  data = [\"verses/train.jsonl\"] # the options of `sst eval probe`, with _ in place of -
  test = [\"verses/test.jsonl\"]

  [eval.classifier]
  train = \"recipes/verses.toml\" # first train this recipe from the model
  evaluator = \"classification\"
  data = [\"verses/test.jsonl\"]

Each measurement is repeated with an untrained model of the same shape (evaluate.twin = false leaves it out). The folder \
evaluate.out (evaluations/NAME if it is not set) gets report.html, report.json, for each model a result file in the form \
of lm-evaluation-harness, and the runs that sections with `train` trained. A run is not trained again if the model and \
its recipe are the same.")]
pub struct EvaluateArgs {
    /// The recipe of the page (a TOML file).
    pub recipe: PathBuf,
    /// Measure this model instead of those of the recipe. May be given several times.
    #[arg(long)]
    pub model: Vec<PathBuf>,
    /// Override a key of the recipe, as in `evaluate.twin=false`. May be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Check the recipe, print the measurements as commands, and stop.
    #[arg(long, conflicts_with = "json")]
    pub dry_run: bool,
    /// The device and the threads.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}
