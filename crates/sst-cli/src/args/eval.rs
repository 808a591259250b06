//! Arguments of `sst eval`.

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{DeviceArgs, DocumentArgs, limits};

/// `sst eval`: one command an evaluator.
#[derive(Debug, Subcommand)]
pub enum EvalCommand {
    /// How often the hidden token is found, and the loss of the hidden tokens.
    #[command(after_help = "\
Examples:
  sst eval mask-accuracy --model runs/demo
  sst eval mask-accuracy --model bert-base-uncased/ --data held-out.txt --json

Prints mask_accuracy, mask_accuracy_top5, commonest_token_accuracy (what always guessing the commonest \
hidden token would get), loss and perplexity. Tokens are masked as the run's objective says; for a model \
without a run, 15 % of them.")]
    MaskAccuracy(MaskAccuracyArgs),
    /// How unsure a causal model is of each token, given those before it.
    #[command(after_help = "\
Examples:
  sst eval perplexity --model runs/gpt --data held-out.txt --stride 64
  sst eval perplexity --model gpt2/ --data book.txt --stream --json

Prints perplexity and loss of a token, and word_perplexity, byte_perplexity and bits_per_byte, which compare \
models of different tokenizers: the same sum over all words (Unicode's; Han characters where they prevail) and \
all bytes. A first token without a start before it is counted as unscored. Tokens that the tokenizer puts around a \
text, such as Llama's <s>, are there too.

Windows are `strided` unless told otherwise: they lie and count as in the documentation of transformers \
(\"Perplexity of fixed-length models\"), whose code adds up the mean of each window times its new tokens less one. \
`token_perplexity` is of the same windows with each scored token counted once. With --windows full the last window is \
moved back, each token but a text's first is scored once, and both are the same number. The output says which it was.")]
    Perplexity(PerplexityArgs),
    /// Whether texts find what belongs to them among all others, by their vectors.
    #[command(after_help = "\
Examples:
  sst eval retrieval --model runs/simcse --data pairs.jsonl \\
      --fields query,answer
  sst eval retrieval --model all-MiniLM-L6-v2/ --data pairs.tsv --fields en,zh \\
      --json

Each record holds a text and what it is to find; the corpus is all of the latter, texts that are there twice counting \
once. Prints recall@1, recall@5, recall@10, mrr@10 and ndcg@10, and the alignment and uniformity of the vectors (Wang \
and Isola 2020; lower is better).")]
    Retrieval(PairArgs),
    /// How well the cosines of pairs of texts follow the scores that people gave.
    #[command(after_help = "\
Examples:
  sst eval sts --model all-MiniLM-L6-v2/ --data sts.tsv \\
      --fields sentence1,sentence2,score

Prints spearman and pearson, the correlations of cosine and score.")]
    Sts(PairArgs),
    /// How unsure the model is of each token, given all others (Salazar et al. 2020). Slow and exact.
    #[command(after_help = "\
Examples:
  sst eval pseudo-perplexity --model bert-base-uncased/ --data sentences.txt \\
      --json

Prints pseudo_perplexity and nll, the mean negative log-likelihood of a token in nats.")]
    PseudoPerplexity(EvalArgs),
    /// Any other evaluator of `sst list evaluators`. `sst-engine` reads its arguments.
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

impl EvalCommand {
    /// The name of the evaluator in the list of sst-eval.
    pub fn evaluator(&self) -> Cow<'_, str> {
        match self {
            Self::MaskAccuracy(_) => "mask-accuracy".into(),
            Self::Perplexity(_) => "perplexity".into(),
            Self::Retrieval(_) => "retrieval".into(),
            Self::Sts(_) => "sts".into(),
            Self::PseudoPerplexity(_) => "pseudo-perplexity".into(),
            Self::Other(words) => {
                words.first().map_or_else(Cow::default, |name| name.to_string_lossy())
            }
        }
    }
}

/// Arguments of `sst eval perplexity`.
#[derive(Debug, Args)]
pub struct PerplexityArgs {
    /// A Hugging Face model folder, a checkpoint folder or a run folder.
    #[arg(long)]
    pub model: PathBuf,
    /// Files, folders or globs to measure on.
    #[arg(long, num_args = 1.., required = true)]
    pub data: Vec<String>,
    /// How the files are read.
    #[command(flatten)]
    pub documents: DocumentArgs,
    /// Tokens in a window; the model's limit by default.
    #[arg(long, allow_negative_numbers = true)]
    pub max_length: Option<usize>,
    /// How far the window moves: tokens are scored with at least max-length less stride tokens before them where
    /// there are so many. Half the window by default.
    #[arg(long, allow_negative_numbers = true)]
    pub stride: Option<usize>,
    /// Where windows lie: `strided` at multiples of the stride, the last one shorter; or `full`, the last one moved
    /// back so that it has all the context that fits.
    #[arg(long, default_value = "strided")]
    pub windows: String,
    /// Score all documents as one text, with the end-of-text token after each, instead of each by itself.
    #[arg(long)]
    pub stream: bool,
    /// Put the tokenizer's begin-of-text or else end-of-text token before each document, so that its first token
    /// is scored too.
    #[arg(long, conflicts_with = "stream")]
    pub start: bool,
    /// Tokens in a forward pass, about.
    #[arg(long, allow_negative_numbers = true, default_value_t = 8192)]
    pub batch_tokens: usize,
    /// Where it runs.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of an evaluator that reads whole texts as tokens.
#[derive(Debug, Clone, Args)]
pub struct TextArgs {
    /// A Hugging Face model folder, a checkpoint folder or a run folder.
    #[arg(long)]
    pub model: PathBuf,
    /// Files, folders or globs to measure on.
    #[arg(long, num_args = 1.., required = true)]
    pub data: Vec<String>,
    /// How the files are read.
    #[command(flatten)]
    pub documents: DocumentArgs,
    /// Measure all documents as one text, with the end-of-text token after each.
    #[arg(long)]
    pub stream: bool,
    /// Put the tokenizer's begin-of-text or else end-of-text token before each document.
    #[arg(long, conflicts_with = "stream")]
    pub start: bool,
    /// Where it runs.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

impl PerplexityArgs {
    /// The arguments that say which texts are read, and with which model.
    pub fn texts(&self) -> TextArgs {
        let Self { model, data, documents, stream, start, device, json, .. } = self;
        TextArgs {
            model: model.clone(),
            data: data.clone(),
            documents: documents.clone(),
            stream: *stream,
            start: *start,
            device: device.clone(),
            json: *json,
        }
    }
}

/// Arguments of an evaluator of the vectors of single texts.
#[derive(Debug, Args)]
pub struct EmbeddedTextArgs {
    /// A folder of sentence-transformers, a Hugging Face model folder, a checkpoint folder or a run folder.
    #[arg(long)]
    pub model: PathBuf,
    /// Files, folders or globs of texts.
    #[arg(long, num_args = 1.., required = true)]
    pub data: Vec<String>,
    /// How the files are read.
    #[command(flatten)]
    pub documents: DocumentArgs,
    /// How hidden states become vectors.
    #[command(flatten)]
    pub pooling: super::PoolingArgs,
    /// Put this before each text, instead of the folder's default prompt.
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// Tokens in a forward pass, about.
    #[arg(long, allow_negative_numbers = true, default_value_t = 4096)]
    pub batch_tokens: usize,
    /// Where it runs.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of every evaluator.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// A Hugging Face model folder, a checkpoint folder or a run folder.
    #[arg(long)]
    pub model: PathBuf,
    /// Files, folders or globs to measure on. Without it, the validation part of the run's own data.
    #[arg(long, num_args = 1..)]
    pub data: Vec<String>,
    /// Take the data, and how it is masked, from this recipe (its validation part).
    #[arg(long, conflicts_with = "data")]
    pub recipe: Option<PathBuf>,
    /// Of a run or recipe with several tasks, the one whose data, and whose masks, are meant.
    #[arg(long, value_name = "NAME")]
    pub task: Option<String>,
    /// How the files of --data are read.
    #[command(flatten)]
    pub documents: DocumentArgs,
    /// Tokens in a row at most, special tokens included; the model's limit by default.
    #[arg(long, allow_negative_numbers = true)]
    pub max_length: Option<usize>,
    /// How documents become rows: `document` (cut off), `chunk` (several rows) or `stream`; `chunk`
    /// by default, or as the run's recipe says.
    #[arg(long)]
    pub rows: Option<String>,
    /// Rows in a forward pass.
    #[arg(long, allow_negative_numbers = true, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_size: u32,
    /// Where it runs.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `sst eval mask-accuracy`.
#[derive(Debug, Args)]
pub struct MaskAccuracyArgs {
    /// What every evaluator takes.
    #[command(flatten)]
    pub eval: EvalArgs,
    /// The share of tokens to hide, instead of the run's.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::finite)]
    pub mask_rate: Option<f64>,
    /// The seed of the masks, instead of the run's.
    #[arg(long, allow_negative_numbers = true)]
    pub seed: Option<u64>,
}

/// Arguments of the evaluators of vectors.
#[derive(Debug, Args)]
pub struct PairArgs {
    /// A folder of sentence-transformers, a Hugging Face model folder, a checkpoint folder or a run folder.
    #[arg(long)]
    pub model: PathBuf,
    /// Files, folders or globs of records with several fields: jsonl, csv, tsv or parquet.
    #[arg(long, num_args = 1.., required = true)]
    pub data: Vec<String>,
    /// The fields of the two texts, and of the score for `sts`.
    #[arg(long, value_delimiter = ',', required = true)]
    pub fields: Vec<String>,
    /// `jsonl`, `csv`, `tsv` or `parquet`; by extension if not given.
    #[arg(long)]
    pub format: Option<String>,
    /// How hidden states become vectors.
    #[command(flatten)]
    pub pooling: super::PoolingArgs,
    /// Put this before each first text. If not given: the folder's prompt `query` for retrieval and mining, its
    /// default prompt for `sts`.
    #[arg(long, value_name = "TEXT")]
    pub query_prompt: Option<String>,
    /// Put this before each second text. If not given: the folder's prompt `document`, or its default prompt.
    #[arg(long, value_name = "TEXT")]
    pub document_prompt: Option<String>,
    /// Tokens in a forward pass, about.
    #[arg(long, allow_negative_numbers = true, default_value_t = 4096)]
    pub batch_tokens: usize,
    /// Where it runs.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
