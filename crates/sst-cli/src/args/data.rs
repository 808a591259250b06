//! Arguments of the commands on text and tokenizers.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// How files are read.
#[derive(Debug, Clone, Args)]
pub struct DocumentArgs {
    /// `text` (a document a line), `paragraphs` (blank lines between documents), `jsonl`, `csv`, `tsv`
    /// or `parquet`; by extension if not given.
    #[arg(long)]
    pub format: Option<String>,
    /// The field that holds the text, in formats that have fields.
    #[arg(long, default_value = "text")]
    pub text_field: String,
    /// Skip records that cannot be read, and count them, instead of stopping.
    #[arg(long)]
    pub skip_errors: bool,
}

/// `sst data`.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Read, clean and tokenise the data of a recipe into the cache, as `sst pretrain` would.
    #[command(after_help = "Example:\n  sst data prepare recipes/demo.toml")]
    Prepare(PrepareArgs),
    /// Show what is in files: documents, lengths, and the first few.
    #[command(
        visible_alias = "stats",
        after_help = "\
Examples:
  sst data inspect corpora/kjv.txt.gz --format paragraphs
  sst data inspect 'shards/*.jsonl' --text-field body --show 3 --json"
    )]
    Inspect(InspectArgs),
    /// Clean documents and write them as JSON lines to stdout.
    #[command(after_help = "\
Examples:
  sst data clean raw.txt --dedup > clean.jsonl
  sst data clean page.jsonl --nfkc --min-length 20 | sst data inspect /dev/stdin --format jsonl")]
    Clean(CleanArgs),
}

/// Arguments of `sst data prepare`.
#[derive(Debug, Args)]
pub struct PrepareArgs {
    /// The recipe.
    pub recipe: PathBuf,
    /// Override a key of the recipe.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `sst data inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Files, folders or globs.
    #[arg(required = true)]
    pub paths: Vec<String>,
    /// How they are read.
    #[command(flatten)]
    pub documents: DocumentArgs,
    /// How many documents to show.
    #[arg(long, default_value_t = 3)]
    pub show: usize,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `sst data clean`.
#[derive(Debug, Args)]
pub struct CleanArgs {
    /// Files, folders or globs.
    #[arg(required = true)]
    pub paths: Vec<String>,
    /// How they are read.
    #[command(flatten)]
    pub documents: DocumentArgs,
    /// Put characters into one form (Unicode NFKC); turns Chinese punctuation into ASCII too.
    #[arg(long)]
    pub nfkc: bool,
    /// Keep control and invisible characters.
    #[arg(long)]
    pub keep_control: bool,
    /// Keep white space as it is.
    #[arg(long)]
    pub keep_whitespace: bool,
    /// Drop documents of fewer characters (mostly Chinese) or words (otherwise).
    #[arg(long)]
    pub min_length: Option<usize>,
    /// Drop documents of more characters or words.
    #[arg(long)]
    pub max_length: Option<usize>,
    /// Drop documents that equal an earlier one.
    #[arg(long)]
    pub dedup: bool,
}

/// `sst tokenizer`.
#[derive(Debug, Subcommand)]
pub enum TokenizerCommand {
    /// Train a tokenizer from text.
    #[command(after_help = "\
Examples:
  sst tokenizer train corpora/kjv.txt.gz --format paragraphs --vocab-size 4096 --out tok/
  sst tokenizer train corpora/sanguo.txt.gz --algorithm bpe --cased --out tok/")]
    Train(TrainTokenizerArgs),
    /// Show the tokens of a text.
    #[command(after_help = "\
Examples:
  sst tokenizer encode --tokenizer tok/ --text \"Let there be light\"
  sst tokenizer encode --tokenizer tok/ --json < lines.txt")]
    Encode(EncodeArgs),
}

/// Arguments of `sst tokenizer train`.
#[derive(Debug, Args)]
pub struct TrainTokenizerArgs {
    /// Files, folders or globs.
    #[arg(required = true)]
    pub paths: Vec<String>,
    /// How they are read.
    #[command(flatten)]
    pub documents: DocumentArgs,
    /// The folder that tokenizer.json and tokenizer_config.json go to.
    #[arg(long)]
    pub out: PathBuf,
    /// `wordpiece`, `bpe` or `unigram`.
    #[arg(long, default_value = "wordpiece")]
    pub algorithm: String,
    /// Tokens in all, special ones included.
    #[arg(long, default_value_t = 8192)]
    pub vocab_size: usize,
    /// Pieces seen fewer times are not learned.
    #[arg(long, default_value_t = 2)]
    pub min_frequency: u64,
    /// Keep upper case and accents.
    #[arg(long)]
    pub cased: bool,
    /// Have one special token alone, which ends a text, as causal language models do; instead of BERT's.
    #[arg(long, value_name = "TOKEN")]
    pub end_of_text: Option<String>,
    /// The longest row that tokenizer_config.json tells of.
    #[arg(long, default_value_t = 512)]
    pub model_max_length: usize,
}

/// Arguments of `sst tokenizer encode`.
#[derive(Debug, Args)]
pub struct EncodeArgs {
    /// A tokenizer.json, a vocab.txt, or a folder that holds one.
    #[arg(long)]
    pub tokenizer: PathBuf,
    /// The text; the lines of stdin if not given. May be given several times.
    #[arg(long)]
    pub text: Vec<String>,
    /// Put the special tokens around it.
    #[arg(long)]
    pub special: bool,
    /// Print JSON: one line for each text, with ids, tokens and byte offsets.
    #[arg(long)]
    pub json: bool,
}
