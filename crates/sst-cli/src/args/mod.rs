//! The command-line arguments, as clap parses them.

mod data;
mod eval;
mod evaluate;
mod limits;
mod model;
mod pairs;
mod pictures;
mod predict;
mod shared;
mod train;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

pub use data::{
    AugmentArgs, CleanArgs, DataCommand, DocumentArgs, EncodeArgs, InspectArgs, PrepareArgs,
    TokenizerCommand, TrainTokenizerArgs,
};
pub use eval::{
    ComparedTextArgs, EmbeddedTextArgs, EvalArgs, EvalCommand, LabelledRowArgs, MaskAccuracyArgs,
    PerplexityArgs, RecordArgs, TextArgs,
};
pub use evaluate::EvaluateArgs;
pub use model::{
    CombineArgs, ConvertArgs, EmbedArgs, ExportArgs, FillMaskArgs, GenerateArgs, MergeArgs,
    MineArgs,
};
pub use pairs::PairArgs;
pub use pictures::{CaptionsUsed, PictureArgs, ReconstructArgs, RetrievalArgs, ZeroShotArgs};
pub use predict::PredictArgs;
pub use shared::{DeviceArgs, PoolingArgs, RecordFieldArgs};
pub use train::{CheckpointCommand, ReportArgs, TrainArgs, VerifyResumeArgs};

const AFTER: &str = "\
Examples:
  sst pretrain recipes/demo.toml
  sst fill-mask --model runs/demo --text \"And God said, Let there be [MASK].\"
  sst doctor

Exit codes: 0 success, 1 failure, 2 wrong arguments or a wrong recipe, 3 training stopped early and a good checkpoint \
exists, 4 the loss was not finite, 130 interrupted (Ctrl-C). Data goes to stdout, everything else to stderr. \
RUST_LOG=debug prints more. SST_CPU=avx2 (or portable, avx512, ...) makes sst use fewer CPU instructions than the \
processor has; `sst doctor` shows which ones are in use.";

/// Self-supervised training: from raw text to a model you can use.
#[derive(Debug, Parser)]
#[command(name = "sst", version, about, after_help = AFTER, subcommand_required = true)]
#[command(arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model with any objective, as described by a recipe.
    #[command(visible_alias = "pretrain")]
    Train(TrainArgs),
    /// Check that a run that is killed and resumed ends with the same weights as an uninterrupted run.
    VerifyResume(VerifyResumeArgs),
    /// Write one HTML page with the curves, metrics, ledger and recipe of a run.
    Report(ReportArgs),
    /// Measure a model on held-out texts or pictures.
    #[command(
        subcommand,
        after_help = "Other evaluators of `sst list evaluators` are called in the same way: see `sst eval NAME --help`."
    )]
    Eval(EvalCommand),
    /// Run several evaluators on one or several models, and write one HTML page.
    Evaluate(EvaluateArgs),
    /// Predict with a task head: the classes or entities of texts, or the answers to questions.
    Predict(PredictArgs),
    /// Fill in the masked tokens of a text with a masked language model.
    FillMask(FillMaskArgs),
    /// Generate text from a prompt with a causal language model.
    Generate(GenerateArgs),
    /// Compute embedding vectors of texts, pictures or captions.
    Embed(EmbedArgs),
    /// Show how a masked autoencoder reconstructs pictures of which most patches are masked.
    Reconstruct(ReconstructArgs),
    /// Find hard negatives for pairs of texts, to train an embedding model on.
    Mine(MineArgs),
    /// Convert a GGUF file to a Hugging Face model folder.
    Convert(ConvertArgs),
    /// Write a model as a folder that transformers or sentence-transformers can load.
    Export(ExportArgs),
    /// Merge an adapter (LoRA) into the weights of its base model.
    Merge(MergeArgs),
    /// Make a dual encoder of an image model and a text model, to train it on captions.
    Combine(CombineArgs),
    /// Inspect, clean, augment and prepare text data.
    #[command(subcommand)]
    Data(DataCommand),
    /// Train a tokenizer, or show how one splits a text.
    #[command(subcommand)]
    Tokenizer(TokenizerCommand),
    /// List, verify or delete the checkpoints of a run.
    #[command(subcommand)]
    Checkpoint(CheckpointCommand),
    /// List the objectives, models, readers and so on that a recipe can name, with every key and its default.
    List(ListArgs),
    /// Check that sst can run on this machine, and show the libraries, processor and devices that it found.
    Doctor(JsonArgs),
    /// Print the completion script for a shell.
    #[command(
        after_help = "Example:\n  sst completions bash > ~/.local/share/bash-completion/completions/sst"
    )]
    Completions {
        /// The shell that the script is for.
        shell: Shell,
    },
}

/// Arguments of `sst doctor`, whose only option is `--json`.
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
    /// List only this kind. If not given, all kinds are listed.
    #[arg(value_enum)]
    pub kind: Option<ListKind>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// The kinds of entries that `sst list` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ListKind {
    /// Training objectives, such as masked language modelling.
    Objectives,
    /// Model architectures.
    Models,
    /// File formats that text can be read from.
    Readers,
    /// Kinds of tokenizers that can be trained.
    Tokenizers,
    /// Optimizers.
    Optimizers,
    /// Learning-rate schedules.
    Schedules,
    /// Evaluators of models.
    Evaluators,
    /// Text augmentations.
    Augmentations,
    /// Transforms of labelled records, for `[[data.transform]]`, and of captions, for `[[data.caption_transform]]`.
    Transforms,
    /// Transforms of pictures, for `[[data.transform]]`.
    PictureTransforms,
}
