//! Arguments that several commands have.

use clap::Args;

use super::limits;

/// The device and the threads that a model runs on.
#[derive(Debug, Clone, Args)]
pub struct DeviceArgs {
    /// The device: `cpu`, `cuda`, `cuda:N`, or `auto`, which uses a GPU if there is one.
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// The number of CPU threads that libtorch uses. 0 means one per core.
    #[arg(long, allow_negative_numbers = true, default_value_t = 0, value_parser = limits::threads())]
    pub threads: usize,
}

/// How hidden states become one vector per text. These options override what the model folder says.
#[derive(Debug, Clone, Args)]
pub struct PoolingArgs {
    /// The pooling over tokens: `mean`, `cls`, `max`, `lasttoken`, `weightedmean` or `mean_sqrt_len_tokens`. If not
    /// given, it is taken from the folder, or else from the objective of the run, or else it is `mean`.
    #[arg(long)]
    pub pooling: Option<String>,
    /// Normalize vectors to length 1 (L2), even if the folder does not.
    #[arg(long, conflicts_with = "no_normalize")]
    pub normalize: bool,
    /// Do not normalize vectors, even if the folder does.
    #[arg(long)]
    pub no_normalize: bool,
    /// The largest number of tokens of a text, special tokens included; longer texts are truncated and counted. If
    /// not given, it is taken from the folder. It is never more than the model's limit.
    #[arg(long, allow_negative_numbers = true)]
    pub max_length: Option<usize>,
}

/// How the fields of labelled records are read.
#[derive(Debug, Clone, Args)]
pub struct RecordFieldArgs {
    /// The format of the files: `jsonl`, `csv`, `tsv`, `parquet`, `conll`, `conllu` or `squad`. If not given, it
    /// follows from the file extension.
    #[arg(long)]
    pub format: Option<String>,
    /// The field that holds the text, like `--field text=FIELD`.
    #[arg(long)]
    pub text_field: Option<String>,
    /// The field that holds a column, such as `text=sentence` or `label=sentiment`. If not given, the field has the
    /// name of the column. May be given several times.
    #[arg(long, value_name = "COLUMN=FIELD")]
    pub field: Vec<String>,
    /// The tags of words in CoNLL files: the number of their column, from 1 for the word. In CoNLL-U: `UPOS`, `XPOS`
    /// or the name of a key in MISC.
    #[arg(long)]
    pub tag_field: Option<String>,
    /// The scheme of the tags in CoNLL files, such as `IOB2`. If not given, it is found from the first sentences.
    #[arg(long)]
    pub tag_scheme: Option<String>,
    /// Skip records that cannot be read instead of stopping at the first one. The number of skipped records is
    /// printed.
    #[arg(long)]
    pub skip_errors: bool,
}
