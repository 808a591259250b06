//! Arguments of the commands that use a model.

use std::path::PathBuf;

use clap::Args;

use super::limits;
use super::shared::{DeviceArgs, PoolingArgs};

/// Arguments of `sst fill-mask`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sst fill-mask --model runs/demo --text \"And God said, Let there be [MASK].\"
  sst fill-mask --model bert-base-uncased/ \\
      --text \"Paris is the capital of [MASK].\" --top-k 3 --json

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
    #[arg(long, allow_negative_numbers = true, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub top_k: u32,
    /// Where it runs.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `sst generate`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("prompts").args(["prompt", "prompts_file"]).multiple(true).required(true))]
#[command(after_help = "\
Examples:
  sst generate --model runs/gpt --prompt \"In the beginning\" \\
      --max-new-tokens 60 --temperature 0.8 --top-k 50
  sst generate --model gpt2/ --prompt \"The capital of France is\" --greedy --json
  sst generate --model gpt2/ --prompts-file prompts.txt --beams 4 --json

Text of a single sample is printed as it comes. With --json, one line for each sample:
  {\"version\":1,\"prompt\":..,\"sample\":..,\"text\":..,\"ids\":[..],\"finish\":\"length|end|stop\",
  \"length_limit\":\"max_new_tokens|model\",\"log_probability\":..}
where length_limit says of the finish \"length\" whether --max-new-tokens or the model's own limit was reached, and \
with a \"ledger\" where something was found and not used, such as a temperature in generation_config.json: how \
tokens are drawn is said by options alone. A text ends at a token of that file's eos_token_id; where there \
is no such file at one of config.json's, and where that names none at the tokenizer's end-of-text token (transformers \
goes on). With --timing, one more: {\"version\":1,\"timing\":{\"tokens\":..,\"first_token_s\":..,\"seconds\":.., \
\"tokens_per_second\":..}}, the last of all tokens but each sample's first. \
Draws depend on the seed, the prompt's place and the sample's number alone.")]
pub struct GenerateArgs {
    /// A Hugging Face model folder, a checkpoint folder or a run folder.
    #[arg(long)]
    pub model: PathBuf,
    /// A text to continue; an empty one begins with the tokenizer's begin- or end-of-text token. May be given
    /// several times.
    #[arg(long)]
    pub prompt: Vec<String>,
    /// A file of texts to continue, one a line.
    #[arg(long, value_name = "FILE")]
    pub prompts_file: Option<PathBuf>,
    /// New tokens at most.
    #[arg(long, allow_negative_numbers = true, default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=limits::MAX_NEW_TOKENS))]
    pub max_new_tokens: u64,
    /// Always take the likeliest token. Also what happens without a --temperature, --top-k, --top-p or --min-p.
    #[arg(long, conflicts_with_all = ["temperature", "top_k", "top_p", "min_p", "num_samples"])]
    pub greedy: bool,
    /// Draw, from logits divided by this: below 1 the likely becomes likelier. 1 if another of these is given.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::finite)]
    pub temperature: Option<f64>,
    /// Draw from the so many likeliest tokens; 0 for all of them.
    #[arg(long, allow_negative_numbers = true)]
    pub top_k: Option<usize>,
    /// Draw from the likeliest tokens that together have this probability.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::finite)]
    pub top_p: Option<f64>,
    /// Draw from tokens with at least this share of the likeliest one's probability.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::finite)]
    pub min_p: Option<f64>,
    /// Above 1, tokens that are there already become less likely.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::finite, default_value_t = 1.0)]
    pub repetition_penalty: f64,
    /// Seed of the draws.
    #[arg(long, allow_negative_numbers = true, default_value_t = 0)]
    pub seed: u64,
    /// Samples of each prompt.
    #[arg(long, allow_negative_numbers = true, default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=limits::MAX_SAMPLES))]
    pub num_samples: u32,
    /// End a text before this string, which must not be empty. May be given several times.
    #[arg(long)]
    pub stop: Vec<String>,
    /// Search for likely sequences, following so many at a time, instead of taking token after token; as many
    /// results of each prompt as --num-samples.
    #[arg(long, allow_negative_numbers = true, conflicts_with_all = ["temperature", "top_k", "top_p", "min_p", "greedy"])]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=limits::MAX_BEAMS))]
    pub beams: Option<u32>,
    /// For beams: the power of its length that a sequence's log-probability is divided by.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::finite, default_value_t = 1.0, requires = "beams")]
    pub length_penalty: f64,
    /// Read every token again for each new one: the same text, only slower.
    #[arg(long)]
    pub no_cache: bool,
    /// Tell how fast it was: on stderr, or with --json in a last line of its own.
    #[arg(long, conflicts_with = "beams")]
    pub timing: bool,
    /// Where it runs.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `sst convert`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  sst convert SmolLM2-135M-Instruct.Q4_1.gguf --out smollm2

Reads models of architecture `llama` with a byte-level BPE tokenizer, quantised as F32, F16, BF16, Q4_0, Q4_1, \
Q5_0, Q5_1, Q8_0 or Q2_K to Q6_K, and writes them in fp32: config.json, model.safetensors and the tokenizer. \
Stretched positions become `rope_parameters` of transformers, and the flags for the first and last token of a text \
become the tokenizer's. Keys of the metadata and tensors that are not used are listed; with --json:
  {\"version\":1,\"out\":..,\"ledger\":{..}}")]
pub struct ConvertArgs {
    /// The GGUF file.
    pub file: PathBuf,
    /// The folder to write, which must not exist.
    #[arg(long)]
    pub out: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `sst embed`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sst embed --model all-MiniLM-L6-v2/ --data sentences.txt --out vectors.npy
  sst embed --model runs/demo --pooling cls --normalize --data corpus.jsonl \\
      --out vectors.safetensors --json

Vectors come in the order of the texts, fp32: one array of a .npy or (`embeddings`) of a .safetensors file, or a line \
for each text of a .jsonl file. With --json: {\"version\":1,\"texts\":..,\"width\":..,\"tokens\":..,\"seconds\":.., \
\"ledger\":{..}}; the seconds are those after the model was loaded.")]
pub struct EmbedArgs {
    /// A folder of sentence-transformers, a Hugging Face model folder, a checkpoint folder or a run folder.
    #[arg(long)]
    pub model: PathBuf,
    /// Files, folders and globs of texts. May be given several times.
    #[arg(long, required = true, num_args = 1..)]
    pub data: Vec<String>,
    /// How the data is read.
    #[command(flatten)]
    pub documents: super::DocumentArgs,
    /// The file to write: .npy, .safetensors or .jsonl.
    #[arg(long)]
    pub out: PathBuf,
    /// How hidden states become vectors.
    #[command(flatten)]
    pub pooling: PoolingArgs,
    /// Put this before each text, instead of what the folder says.
    #[arg(long)]
    pub prompt: Option<String>,
    /// `fp32`, `bf16` for weights and products, or `auto`: bf16 where the device multiplies it fast.
    #[arg(long, default_value = "auto")]
    pub precision: String,
    /// Tokens in a forward pass, about.
    #[arg(long, allow_negative_numbers = true, default_value_t = 8192, value_parser = clap::value_parser!(u64).range(1..))]
    pub batch_tokens: u64,
    /// Where it runs.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `sst export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sst export --model runs/simcse --format sentence-transformers --pooling cls \\
      --normalize --out simcse
  sst export --model runs/demo --format huggingface --out demo")]
pub struct ExportArgs {
    /// A folder of sentence-transformers, a Hugging Face model folder, a checkpoint folder or a run folder.
    #[arg(long)]
    pub model: PathBuf,
    /// `huggingface`, or `sentence-transformers` with a pooling after the encoder.
    #[arg(long)]
    pub format: String,
    /// How hidden states become vectors.
    #[command(flatten)]
    pub pooling: PoolingArgs,
    /// The folder to write, which must not exist.
    #[arg(long)]
    pub out: PathBuf,
    /// Print JSON: the folder, and what was not kept.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `sst mine`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sst mine --model all-MiniLM-L6-v2/ --data pairs.jsonl --fields query,answer \\
      --out triplets.jsonl
  sst mine --model runs/simcse --data pairs.tsv --fields en,zh --range-min 5 \\
      --relative-margin 0.05 --out hard.jsonl

The negatives of a query are the answers of others that are nearest to it. The file has a line for each negative, \
{\"anchor\":..,\"positive\":..,\"negative\":..,\"score\":..}, or with --ntuple one for each pair, with \
\"negatives\":[..] and \"scores\":[..]. Pairs without a negative are left out and counted. With --json, what was \
looked at and why it was left out is printed as one line; seconds are those of the search alone.")]
pub struct MineArgs {
    /// What is read, and with which model.
    #[command(flatten)]
    pub pairs: super::PairArgs,
    /// The file to write, .jsonl.
    #[arg(long)]
    pub out: PathBuf,
    /// One line a pair, with all its negatives.
    #[arg(long)]
    pub ntuple: bool,
    /// Negatives of each query.
    #[arg(long, allow_negative_numbers = true, default_value_t = 3)]
    pub num_negatives: usize,
    /// Skip so many of the nearest: they may be positives that nobody marked.
    #[arg(long, allow_negative_numbers = true, default_value_t = 0)]
    pub range_min: usize,
    /// Look at so many of the nearest; as many as are needed if not given.
    #[arg(long, allow_negative_numbers = true)]
    pub range_max: Option<usize>,
    /// The highest cosine of a negative.
    #[arg(long, value_parser = limits::finite, allow_negative_numbers = true)]
    pub max_score: Option<f64>,
    /// The lowest cosine of a negative.
    #[arg(long, value_parser = limits::finite, allow_negative_numbers = true)]
    pub min_score: Option<f64>,
    /// By how much a negative's cosine is below that of the query's least similar positive.
    #[arg(long, value_parser = limits::finite, allow_negative_numbers = true)]
    pub absolute_margin: Option<f64>,
    /// The same as a share of that positive's cosine.
    #[arg(long, value_parser = limits::finite, allow_negative_numbers = true)]
    pub relative_margin: Option<f64>,
    /// Take any of the candidates instead of the nearest, drawn with this seed.
    #[arg(long, allow_negative_numbers = true, value_name = "SEED")]
    pub random: Option<u64>,
}
