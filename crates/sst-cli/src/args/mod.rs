//! The arguments as they are typed.

mod data;
mod eval;
mod limits;
mod model;
mod shared;
mod train;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

pub use data::{
    AugmentArgs, CleanArgs, DataCommand, DocumentArgs, EncodeArgs, InspectArgs, PrepareArgs,
    TokenizerCommand, TrainTokenizerArgs,
};
pub use eval::{
    EmbeddedTextArgs, EvalArgs, EvalCommand, MaskAccuracyArgs, PairArgs, PerplexityArgs, TextArgs,
};
pub use model::{ConvertArgs, EmbedArgs, ExportArgs, FillMaskArgs, GenerateArgs, MineArgs};
pub use shared::{DeviceArgs, PoolingArgs};
pub use train::{CheckpointCommand, PretrainArgs, ReportArgs, VerifyResumeArgs};

const AFTER: &str = "\
Examples:
  sst pretrain recipes/demo.toml
  sst fill-mask --model runs/demo --text \"And God said, Let there be [MASK].\"
  sst doctor

Exit codes: 0 done, 1 failed, 2 wrong usage or recipe, 3 stopped early with a good checkpoint, \
4 the loss was not finite, 130 interrupted (Ctrl-C). Data goes to stdout, everything else to stderr. RUST_LOG=debug says more. \
SST_CPU=avx2 (or portable, avx512, ...) lowers the instructions that are used: see `sst doctor`.";

/// Self-supervised training: from raw text to a model you can use.
#[derive(Debug, Parser)]
#[command(name = "sst", version, about, after_help = AFTER, subcommand_required = true)]
#[command(arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model on raw text, as a recipe says.
    Pretrain(PretrainArgs),
    /// See whether a run that is killed and resumed ends as one that is left alone.
    VerifyResume(VerifyResumeArgs),
    /// Write a run's curves, figures, ledger and recipe as one HTML page.
    Report(ReportArgs),
    /// Measure a model on held-out text.
    #[command(
        subcommand,
        after_help = "Other evaluators of `sst list evaluators` are called in the same way: see `sst eval NAME --help`."
    )]
    Eval(EvalCommand),
    /// Ask a masked language model for the words behind the blanks of a text.
    FillMask(FillMaskArgs),
    /// Have a causal language model continue a text.
    Generate(GenerateArgs),
    /// Turn texts into vectors.
    Embed(EmbedArgs),
    /// Find hard negatives for pairs of texts.
    Mine(MineArgs),
    /// Turn a GGUF file into a Hugging Face folder.
    Convert(ConvertArgs),
    /// Write a model as a folder for other tools.
    Export(ExportArgs),
    /// Look at, clean and prepare text.
    #[command(subcommand)]
    Data(DataCommand),
    /// Train a tokenizer, or see what one makes of a text.
    #[command(subcommand)]
    Tokenizer(TokenizerCommand),
    /// List and check the checkpoints of a run.
    #[command(subcommand)]
    Checkpoint(CheckpointCommand),
    /// List the objectives, models, readers and so on, with every key and its default.
    List(ListArgs),
    /// See whether this machine is ready, and what sst found on it.
    Doctor(JsonArgs),
    /// Print the completion script of a shell.
    #[command(
        after_help = "Example:\n  sst completions bash > ~/.local/share/bash-completion/completions/sst"
    )]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Arguments of a command that has none but `--json`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sst doctor\n  sst doctor --json\n  SST_CPU=avx2 sst doctor")]
pub struct JsonArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `sst list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sst list\n  sst list objectives --json")]
pub struct ListArgs {
    /// Only this kind.
    #[arg(value_enum)]
    pub kind: Option<ListKind>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ListKind {
    /// What a model can learn from.
    Objectives,
    /// What can be trained.
    Models,
    /// What text can be read from.
    Readers,
    /// What splits text into tokens.
    Tokenizers,
    /// What updates the weights.
    Optimizers,
    /// How the learning rate goes.
    Schedules,
    /// What measures a model.
    Evaluators,
    /// What makes other views of a text.
    Augmentations,
}
