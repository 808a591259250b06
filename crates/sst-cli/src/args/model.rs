//! Arguments of the commands that use a model.

use std::path::PathBuf;

use clap::Args;

/// Where a model runs.
#[derive(Debug, Clone, Args)]
pub struct DeviceArgs {
    /// `cpu`, `cuda`, `cuda:N`, or `auto` for a GPU if there is one.
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Threads of libtorch; 0 for as many as there are cores.
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
}

/// Arguments of `sst fill-mask`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sst fill-mask --model runs/demo --text \"And God said, Let there be [MASK].\"
  sst fill-mask --model bert-base-uncased/ --text \"Paris is the capital of [MASK].\" --top-k 3 --json

With --json, one line for each text:
  {\"version\":1,\"text\":..,\"masks\":[{\"position\":..,\"predictions\":[{\"token\":..,\"id\":..,
  \"probability\":..,\"log_probability\":..,\"sequence\":..}]}]}")]
pub struct FillMaskArgs {
    /// A Hugging Face model folder, a checkpoint folder or a run folder.
    #[arg(long)]
    pub model: PathBuf,
    /// A text with one or more mask tokens, such as `[MASK]`. May be given several times.
    #[arg(long, required = true)]
    pub text: Vec<String>,
    /// How many candidates for each blank.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub top_k: u32,
    /// Where it runs.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
