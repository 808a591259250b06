//! Arguments of `sst eval`.

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{DeviceArgs, DocumentArgs, PairArgs, RetrievalArgs, ZeroShotArgs, limits};

/// The subcommands of `sst eval`: one for each evaluator.
#[derive(Debug, Subcommand)]
pub enum EvalCommand {
    /// Measure how often a masked language model predicts the masked tokens correctly, and its loss on them.
    #[command(after_help = "\
Examples:
  sst eval mask-accuracy --model runs/demo
  sst eval mask-accuracy --model bert-base-uncased/ --data held-out.txt --json

Prints mask_accuracy, mask_accuracy_top5, loss and perplexity, and as a baseline commonest_token_accuracy: the \
accuracy of always predicting the most frequent masked token. Tokens are masked as in the objective of the run. A model \
that comes without a run is measured with 15 % of its tokens masked.")]
    MaskAccuracy(MaskAccuracyArgs),
    /// Measure the perplexity of a causal language model: how well it predicts each token from the tokens before it.
    #[command(after_help = "\
Examples:
  sst eval perplexity --model runs/gpt --data held-out.txt --stride 64
  sst eval perplexity --model gpt2/ --data book.txt --stream --json

Prints the perplexity and the mean loss per token. It also prints word_perplexity, byte_perplexity and bits_per_byte, \
which divide the same total loss by the number of words or bytes, so that models with different tokenizers can be \
compared. (Words are Unicode words; mostly Chinese text is counted in characters.) The first token of a text has no \
context unless the tokenizer or --start puts a token before it; such a token is not scored and is counted as unscored. \
Special tokens that the tokenizer puts around a text, such as Llama's <s>, are included.

By default, windows are `strided`: perplexity is computed as in the documentation of transformers (\"Perplexity of \
fixed-length models\"), which weights the mean loss of each window by its number of new tokens less one. \
`token_perplexity` uses the same windows, but weights each scored token equally. With --windows full, the last window \
is moved back so that it is full; each token except the first of a text is scored once, and perplexity and \
token_perplexity are equal. The output names the kind of windows.")]
    Perplexity(PerplexityArgs),
    /// Measure retrieval by vectors: does each query rank its own document first among all documents? Or do pictures and
    /// captions find each other?
    #[command(after_help = "\
Examples:
  sst eval retrieval --model runs/simcse --data pairs.jsonl \\
      --fields query,answer
  sst eval retrieval --model all-MiniLM-L6-v2/ --data pairs.tsv --fields en,zh \\
      --json
  sst eval retrieval --model runs/clip --data corpora/emoji/test.jsonl.gz \\
      --fields image,en_captions --grid nearest.png

Each record holds a query and the document that it should find. All documents together are the corpus; a text that \
occurs several times counts once. Prints recall@1, recall@5, recall@10, mrr@10 and ndcg@10, and the alignment and \
uniformity of the vectors (Wang and Isola 2020; lower is better).

With a model that reads pictures and texts (CLIP, SigLIP, a dual encoder), the first field is that of the picture (`image` \
stands for the one that the format suggests) and the second that of its captions. Prints, for pictures that search for \
captions (image_to_text) and captions that search for pictures (text_to_image), recall@1, recall@5 and recall@10 (the \
share with a hit among so many) and mrr (the mean reciprocal rank over all), each with a 95 % interval and with what a \
random order reaches (chance). Of several captions of a picture the first is used, unless --captions all makes each of \
them a hit; they are never averaged. Equal captions count once and belong to all of their pictures.")]
    Retrieval(RetrievalArgs),
    /// Classify pictures without training: which label's prompt is most similar to a picture?
    #[command(after_help = "\
Examples:
  sst eval zero-shot --model runs/clip --data photos/test --json
  sst eval zero-shot --model runs/clip --data corpora/emoji/test.jsonl.gz \\
      --template \"a picture of {}\" --template \"{}\" --label-name flag=banner

Prints top1 and top5 (the shares of pictures whose label is the first, or among the first five), mean_class_accuracy, and \
as baselines chance_top1, chance_top5 and majority_accuracy, which always names the commonest label of the data; then a table \
of all labels and the confusion matrix. The vector of a label is the mean of those of its prompts, each of length 1, as in \
open_clip.")]
    ZeroShot(ZeroShotArgs),
    /// Measure semantic textual similarity (STS): how well cosine similarity correlates with human scores.
    #[command(after_help = "\
Examples:
  sst eval sts --model all-MiniLM-L6-v2/ --data sts.tsv \\
      --fields sentence1,sentence2,score

Each record holds two texts and a score. Prints spearman and pearson, the correlations between the cosine \
similarities of the pairs and their scores.")]
    Sts(PairArgs),
    /// Measure the pseudo-perplexity of a masked language model (Salazar et al. 2020): each token in turn is masked
    /// and predicted from all others. It is exact, and slow: a text takes one forward row per token.
    #[command(after_help = "\
Examples:
  sst eval pseudo-perplexity --model bert-base-uncased/ --data sentences.txt \\
      --json

Prints pseudo_perplexity and nll, the mean negative log-likelihood per token in nats.")]
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
            Self::ZeroShot(_) => "zero-shot".into(),
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
    /// Options that say how the files are read.
    #[command(flatten)]
    pub documents: DocumentArgs,
    /// The number of tokens in a window. If not given, it is the model's limit.
    #[arg(long, allow_negative_numbers = true)]
    pub max_length: Option<usize>,
    /// The number of tokens by which the window moves. A token is scored with at least max-length minus stride tokens
    /// of context where the text has that many. If not given, it is half the window.
    #[arg(long, allow_negative_numbers = true)]
    pub stride: Option<usize>,
    /// How windows are placed: `strided` puts them at multiples of the stride, and the last one is shorter; `full`
    /// moves the last one back so that it is as long as the others.
    #[arg(long, default_value = "strided")]
    pub windows: String,
    /// Score all documents as one text, joined by the end-of-text token. By default, each document is scored by
    /// itself.
    #[arg(long)]
    pub stream: bool,
    /// Put the begin-of-text token before each document, so that its first token is scored too. If the tokenizer has
    /// none, the end-of-text token is used.
    #[arg(long, conflicts_with = "stream")]
    pub start: bool,
    /// The approximate number of tokens in a forward pass.
    #[arg(long, allow_negative_numbers = true, default_value_t = 8192)]
    pub batch_tokens: usize,
    /// The device and the threads.
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
    /// Files, folders or globs of texts, or of pictures for a model that reads pictures.
    #[arg(long, num_args = 1.., required = true)]
    pub data: Vec<String>,
    /// How the files are read.
    #[command(flatten)]
    pub documents: DocumentArgs,
    /// How pictures are read.
    #[command(flatten)]
    pub pictures: super::PictureArgs,
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
    /// Files, folders or globs to measure on. If not given, the validation part of the run's own data is used.
    #[arg(long, num_args = 1..)]
    pub data: Vec<String>,
    /// Use the validation data of this recipe, and mask it as the objective of the recipe says.
    #[arg(long, conflicts_with = "data")]
    pub recipe: Option<PathBuf>,
    /// If the run or recipe has several tasks: the name of the task whose data and masking are used.
    #[arg(long, value_name = "NAME")]
    pub task: Option<String>,
    /// Options that say how the files of --data are read.
    #[command(flatten)]
    pub documents: DocumentArgs,
    /// The largest number of tokens in a row, special tokens included. If not given, it is the model's limit.
    #[arg(long, allow_negative_numbers = true)]
    pub max_length: Option<usize>,
    /// How documents are split into rows: `document` (one row, truncated), `chunk` (as many rows as are needed) or
    /// `stream` (all documents are concatenated and cut into full rows). If not given, it is taken from the recipe of
    /// the run, or else it is `chunk`.
    #[arg(long)]
    pub rows: Option<String>,
    /// The number of rows in a forward pass.
    #[arg(long, allow_negative_numbers = true, default_value_t = 32, value_parser = limits::positive::<u32>)]
    pub batch_size: u32,
    /// The device and the threads.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `sst eval mask-accuracy`.
#[derive(Debug, Args)]
pub struct MaskAccuracyArgs {
    /// The arguments shared with the other evaluators.
    #[command(flatten)]
    pub eval: EvalArgs,
    /// The fraction of tokens to mask, instead of that of the run.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::finite)]
    pub mask_rate: Option<f64>,
    /// The seed of the masking, instead of that of the run.
    #[arg(long, allow_negative_numbers = true)]
    pub seed: Option<u64>,
}

/// Arguments of an evaluator of a task head on labelled records.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// A Hugging Face model folder, a checkpoint folder or a run folder, with the head that is measured.
    #[arg(long)]
    pub model: PathBuf,
    /// Files, folders or globs of labelled records.
    #[arg(long, num_args = 1.., required = true)]
    pub data: Vec<String>,
    /// How the records are read.
    #[command(flatten)]
    pub records: super::RecordFieldArgs,
    /// The largest number of tokens in a row, special tokens included. If not given, it is the model's limit.
    #[arg(long, allow_negative_numbers = true)]
    pub max_length: Option<usize>,
    /// The device and the threads.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of an evaluator of frozen vectors on labelled texts or pictures.
#[derive(Debug, Args)]
pub struct LabelledRowArgs {
    /// A Hugging Face model folder, a checkpoint folder or a run folder.
    #[arg(long)]
    pub model: PathBuf,
    /// Files, folders or globs of labelled texts to learn from: records with the columns `text` and `label`. For a model that
    /// reads pictures: labelled pictures, in folders whose subfolders are the labels, or in records.
    #[arg(long, num_args = 1.., required = true)]
    pub data: Vec<String>,
    /// Files, folders or globs of labelled texts or pictures to measure on. If not given, a fifth of --data is held out;
    /// those that occur several times may then be in both parts.
    #[arg(long, num_args = 1..)]
    pub test: Vec<String>,
    /// How the records are read.
    #[command(flatten)]
    pub records: super::RecordFieldArgs,
    /// How pictures are read.
    #[command(flatten)]
    pub pictures: super::PictureArgs,
    /// Learn from this many texts or pictures only, with as many of each label as possible, drawn at random.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = limits::positive::<u64>)]
    pub train_limit: Option<u64>,
    /// The seed of --train-limit.
    #[arg(long, value_name = "SEED", allow_negative_numbers = true, default_value_t = 0)]
    pub train_limit_seed: u64,
    /// Do not measure a model of the same shape that was never trained beside this one.
    #[arg(long)]
    pub no_twin: bool,
    /// The largest number of tokens in a row, special tokens included; longer texts are truncated and counted. If not
    /// given, it is the model's limit.
    #[arg(long, allow_negative_numbers = true)]
    pub max_length: Option<usize>,
    /// The device and the threads.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of an evaluator that compares the vectors of texts in layers or models.
#[derive(Debug, Args)]
pub struct ComparedTextArgs {
    /// A Hugging Face model folder, a checkpoint folder or a run folder.
    #[arg(long)]
    pub model: PathBuf,
    /// Another model to compare with. If not given, the layers of the model are compared with each other.
    #[arg(long, value_name = "MODEL")]
    pub other: Option<PathBuf>,
    /// Files, folders or globs of texts: records with the column `text`, or text files. For a model that reads pictures, of
    /// pictures.
    #[arg(long, num_args = 1.., required = true)]
    pub data: Vec<String>,
    /// How the records are read.
    #[command(flatten)]
    pub records: super::RecordFieldArgs,
    /// How pictures are read.
    #[command(flatten)]
    pub pictures: super::PictureArgs,
    /// The largest number of tokens in a row, special tokens included; longer texts are truncated and counted. If not
    /// given, it is the smaller limit of the models.
    #[arg(long, allow_negative_numbers = true)]
    pub max_length: Option<usize>,
    /// The device and the threads.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
