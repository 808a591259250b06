//! Arguments of the commands that embed pairs of texts, or pictures and captions.

use std::path::PathBuf;

use clap::Args;

use super::DeviceArgs;

/// Arguments of the commands that embed pairs: `sst eval retrieval`, `sst eval sts` and `sst mine`.
#[derive(Debug, Args)]
pub struct PairArgs {
    /// A sentence-transformers folder, a Hugging Face model folder, a checkpoint folder or a run folder.
    #[arg(long)]
    pub model: PathBuf,
    /// Files, folders or globs of records with several fields: jsonl, csv, tsv or parquet.
    #[arg(long, num_args = 1.., required = true)]
    pub data: Vec<String>,
    /// The names of the fields that hold the two texts, and for `sts` of a third one that holds the score.
    #[arg(long, value_delimiter = ',', required = true)]
    pub fields: Vec<String>,
    /// The format of the files: `jsonl`, `csv`, `tsv` or `parquet`. If not given, it follows from the file extension.
    #[arg(long)]
    pub format: Option<String>,
    /// How hidden states become vectors.
    #[command(flatten)]
    pub pooling: super::PoolingArgs,
    /// Text to put before each first text. If not given, it is the prompt `query` of the model folder for retrieval
    /// and mining, and its default prompt for `sts`.
    #[arg(long, value_name = "TEXT")]
    pub query_prompt: Option<String>,
    /// Text to put before each second text. If not given, it is the prompt `document` of the model folder for
    /// retrieval and mining, and its default prompt for `sts`.
    #[arg(long, value_name = "TEXT")]
    pub document_prompt: Option<String>,
    /// The approximate number of tokens in a forward pass.
    #[arg(long, allow_negative_numbers = true, default_value_t = 4096)]
    pub batch_tokens: usize,
    /// The device and the threads.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
