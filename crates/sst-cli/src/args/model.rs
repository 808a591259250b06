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

With --json, each text gives one line:
  {\"version\":1,\"text\":..,\"masks\":[{\"position\":..,\"predictions\":[{\"token\":..,\"id\":..,
  \"probability\":..,\"log_probability\":..,\"sequence\":..}]}]}")]
pub struct FillMaskArgs {
    /// A Hugging Face model folder, a checkpoint folder or a run folder.
    #[arg(long)]
    pub model: PathBuf,
    /// A text with one or more mask tokens, such as `[MASK]`. May be given several times.
    #[arg(long, required = true)]
    pub text: Vec<String>,
    /// The number of candidates to print for each mask token.
    #[arg(long, allow_negative_numbers = true, default_value_t = 5, value_parser = limits::positive::<u32>)]
    pub top_k: u32,
    /// The device and the threads.
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

The text of a single sample is printed as it is generated. With --json, each sample gives one line:
  {\"version\":1,\"prompt\":..,\"sample\":..,\"text\":..,\"ids\":[..],\"finish\":\"length|end|stop\",
  \"length_limit\":\"max_new_tokens|model\",\"log_probability\":..}
If finish is \"length\", length_limit says whether --max-new-tokens or the context length of the model ended the text. A \
\"ledger\" is added if a setting was found and not used, such as a temperature in generation_config.json: the sampling \
options are taken from the command line only. A text ends at a token of eos_token_id in generation_config.json, or in \
config.json if there is no such file. If neither file names one, a text ends at the end-of-text token of the tokenizer \
(transformers would continue).

With --timing, one more line follows: {\"version\":1,\"timing\":{\"tokens\":..,\"first_token_s\":..,\"seconds\":.., \
\"tokens_per_second\":..}}. The tokens per second leave out the first token of each sample. Samples depend only on the \
seed, the position of the prompt and the number of the sample.")]
pub struct GenerateArgs {
    /// A Hugging Face model folder, a checkpoint folder or a run folder.
    #[arg(long)]
    pub model: PathBuf,
    /// A text to continue. An empty text starts with the begin-of-text or end-of-text token of the tokenizer. May be
    /// given several times.
    #[arg(long)]
    pub prompt: Vec<String>,
    /// A file with one prompt per line.
    #[arg(long, value_name = "FILE")]
    pub prompts_file: Option<PathBuf>,
    /// The largest number of new tokens per sample.
    #[arg(long, allow_negative_numbers = true, default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=limits::MAX_NEW_TOKENS))]
    pub max_new_tokens: u64,
    /// Always take the most likely token. This is also the default without --temperature, --top-k, --top-p and
    /// --min-p.
    #[arg(long, conflicts_with_all = ["temperature", "top_k", "top_p", "min_p", "num_samples"])]
    pub greedy: bool,
    /// Sample from logits divided by this number. Below 1, likely tokens become more likely. It is 1 if only --top-k,
    /// --top-p or --min-p is given.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::finite)]
    pub temperature: Option<f64>,
    /// Sample from this many of the most likely tokens only. 0 means all tokens.
    #[arg(long, allow_negative_numbers = true)]
    pub top_k: Option<usize>,
    /// Sample from the smallest set of most likely tokens whose probabilities sum to at least this number (nucleus
    /// sampling).
    #[arg(long, allow_negative_numbers = true, value_parser = limits::finite)]
    pub top_p: Option<f64>,
    /// Sample only from tokens whose probability is at least this fraction of the highest probability.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::finite)]
    pub min_p: Option<f64>,
    /// The penalty on tokens that already occur in the text. Above 1 they become less likely.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::finite, default_value_t = 1.0)]
    pub repetition_penalty: f64,
    /// The seed of the sampling.
    #[arg(long, allow_negative_numbers = true, default_value_t = 0)]
    pub seed: u64,
    /// The number of samples per prompt.
    #[arg(long, allow_negative_numbers = true, default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=limits::MAX_SAMPLES))]
    pub num_samples: u32,
    /// End a text before this string, which must not be empty. May be given several times.
    #[arg(long)]
    pub stop: Vec<String>,
    /// Use beam search with this many beams instead of choosing token by token. It returns --num-samples results per
    /// prompt.
    #[arg(long, allow_negative_numbers = true, conflicts_with_all = ["temperature", "top_k", "top_p", "min_p", "greedy"])]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=limits::MAX_BEAMS))]
    pub beams: Option<u32>,
    /// For --beams: the score of a sequence is its log-probability divided by its length to this power.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::finite, default_value_t = 1.0, requires = "beams")]
    pub length_penalty: f64,
    /// Do not use the key-value cache. The text is the same and generation is slower.
    #[arg(long)]
    pub no_cache: bool,
    /// Print how fast the generation was: on stderr, or with --json in a last line of its own.
    #[arg(long, conflicts_with = "beams")]
    pub timing: bool,
    /// The device and the threads.
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

Reads models of architecture `llama` with a byte-level BPE tokenizer and tensors of type F32, F16, BF16, Q4_0, Q4_1, \
Q5_0, Q5_1, Q8_0 or Q2_K to Q6_K. Writes config.json, model.safetensors (in fp32) and the tokenizer files. RoPE scaling \
becomes `rope_parameters` as in transformers; the flags for adding begin-of-text and end-of-text tokens become settings \
of the tokenizer. Metadata keys and tensors that are not used are listed. With --json:
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
  sst embed --model runs/clip --data photos/ --out photos.jsonl
  sst embed --model runs/clip --data corpora/emoji/test.jsonl.gz \\
      --fields en_captions --out captions.npy

The vectors are fp32 and in the order of the texts. A .npy file holds one array of shape [texts, width], a .safetensors \
file the same array as `embeddings`, and a .jsonl file one line per text. With --json: {\"version\":1,\"texts\":.., \
\"width\":..,\"tokens\":..,\"seconds\":..,\"ledger\":{..}}. The seconds do not include loading the model.

A model that reads pictures makes vectors of the pictures of --data, or with --fields FIELD of the first caption of each \
picture in this field, or with --texts of texts. A model with a projection (CLIP, SigLIP, a dual encoder) projects both \
into one space and normalizes them, unless --no-normalize or --pooling is given. Any other model gives the class token, or \
the pooling `mean` or `max` over the patches. Each line of a .jsonl file has the key of its picture; take this format \
with --skip-errors, which leaves pictures out. With --json there is \"pictures\" or \"captions\" in place of \"texts\", and \
\"vector\" says which one it is.")]
pub struct EmbedArgs {
    /// A sentence-transformers folder, a Hugging Face model folder, a checkpoint folder or a run folder.
    #[arg(long)]
    pub model: PathBuf,
    /// Files, folders or globs of texts, or of pictures. May be given several times.
    #[arg(long, required = true, num_args = 1..)]
    pub data: Vec<String>,
    /// For a model that reads pictures: `image` for the vectors of pictures, or the field of captions for those of captions.
    /// If not given, it is `image`.
    #[arg(long, value_name = "FIELD", conflicts_with = "texts")]
    pub fields: Option<String>,
    /// For a model that reads pictures and texts: the data are texts, without pictures.
    #[arg(long)]
    pub texts: bool,
    /// How pictures are read.
    #[command(flatten)]
    pub pictures: super::PictureArgs,
    /// Options that say how the data is read.
    #[command(flatten)]
    pub documents: super::DocumentArgs,
    /// The file to write: .npy, .safetensors or .jsonl.
    #[arg(long)]
    pub out: PathBuf,
    /// How hidden states become vectors.
    #[command(flatten)]
    pub pooling: PoolingArgs,
    /// Text to put before each text. If not given, it is the default prompt of the model folder.
    #[arg(long)]
    pub prompt: Option<String>,
    /// The precision: `fp32`, `bf16` (for weights and matrix products), or `auto`, which is bf16 where the device
    /// computes it fast and fp32 elsewhere.
    #[arg(long, default_value = "auto")]
    pub precision: String,
    /// The approximate number of tokens in a forward pass.
    #[arg(long, allow_negative_numbers = true, default_value_t = 8192, value_parser = limits::positive::<u64>)]
    pub batch_tokens: u64,
    /// The device and the threads.
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
    /// A sentence-transformers folder, a Hugging Face model folder, a checkpoint folder or a run folder.
    #[arg(long)]
    pub model: PathBuf,
    /// The format: `huggingface`, or `sentence-transformers`, which adds a pooling module after the encoder.
    #[arg(long)]
    pub format: String,
    /// How hidden states become vectors.
    #[command(flatten)]
    pub pooling: PoolingArgs,
    /// The folder to write, which must not exist.
    #[arg(long)]
    pub out: PathBuf,
    /// Print JSON: the folder, and the settings that the format cannot hold.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `sst merge`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sst merge --model runs/topics --out topics
  sst merge --model adapter/ --out merged --json

Adds what the adapter has learned to the weights of its base model, in fp32, and writes a whole model, which needs \
neither the adapter nor PEFT. Before it writes, it runs both models on random token ids and prints the greatest change \
of a logit, which is rounding; a model whose logits change by more, or are not finite, is not written. The base model \
is the folder that adapter_config.json names. With --json:
  {\"version\":1,\"out\":..,\"greatest_change\":..,\"largest_logit\":..,\"tokens\":..,\"ledger\":{..}}")]
pub struct MergeArgs {
    /// The folder of an adapter (adapter_config.json), or a checkpoint folder or run folder with one.
    #[arg(long)]
    pub model: PathBuf,
    /// The folder to write, which must not exist.
    #[arg(long)]
    pub out: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `sst combine`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sst combine --image runs/mae --text runs/demo --out combined
  sst combine --image vit-base/ --text bert-base-chinese/ --projection-dim 256 \\
      --out combined --json

Writes transformers' `vision-text-dual-encoder`: the encoders of both models, with new projections into one space. Name \
the folder with `model.path` in a recipe with the objective `clip` to train it; `train.freeze = [\"vision_model\"]` keeps \
the image encoder as it is (LiT). The ledger lists what the new model does not have, such as the decoder of a masked \
autoencoder or a language-model head, and what is new. With --json:
  {\"version\":1,\"out\":..,\"ledger\":{..}}")]
pub struct CombineArgs {
    /// The image model (ViT, ViTMAE, CLIP, SigLIP): a Hugging Face model folder, a checkpoint folder or a run folder.
    #[arg(long)]
    pub image: PathBuf,
    /// The text model (BERT, GPT-2, Llama, CLIP, SigLIP): a Hugging Face model folder, a checkpoint folder or a run folder.
    #[arg(long)]
    pub text: PathBuf,
    /// The folder to write, which must not exist.
    #[arg(long)]
    pub out: PathBuf,
    /// The width of the space that pictures and texts share.
    #[arg(long, allow_negative_numbers = true, default_value_t = 512)]
    pub projection_dim: i64,
    /// The seed of the projections.
    #[arg(long, allow_negative_numbers = true, default_value_t = 0)]
    pub seed: u64,
    /// Print JSON.
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

The hard negatives of a query are the answers to other queries whose vectors are most similar to it. The file has one \
line per negative, {\"anchor\":..,\"positive\":..,\"negative\":..,\"score\":..}; with --ntuple it has one line per pair, \
with \"negatives\":[..] and \"scores\":[..]. Pairs for which no negative is found are left out and counted. With --json, \
one line says how many candidates were considered and why candidates were excluded; its seconds are those of the search \
alone.

Among the counts, looked_at are the entries nearest to the queries, summed over the queries. The counts from positives to \
negatives add up to it: an entry is a positive of its query, is excluded by the option of that name (below_range_min and \
above_range_max by --range-min and --range-max), is not_needed because enough others were selected, or is a negative. \
Without --range-max, it is --range-min plus --num-negatives (ten times that with --max-score or a margin) plus the largest \
number of positives of a query. short_queries have fewer negatives than --num-negatives, and duplicates are entries with \
the text of an earlier one.")]
pub struct MineArgs {
    /// The pairs, and the model that embeds them.
    #[command(flatten)]
    pub pairs: super::PairArgs,
    /// The .jsonl file to write.
    #[arg(long)]
    pub out: PathBuf,
    /// Write one line per pair with all its negatives, instead of one line per negative.
    #[arg(long)]
    pub ntuple: bool,
    /// The number of negatives per query.
    #[arg(long, allow_negative_numbers = true, default_value_t = 3)]
    pub num_negatives: usize,
    /// Skip this many of the most similar candidates, which may be unlabelled positives.
    #[arg(long, allow_negative_numbers = true, default_value_t = 0)]
    pub range_min: usize,
    /// Consider only this many of the most similar candidates. If not given, as many as are needed.
    #[arg(long, allow_negative_numbers = true)]
    pub range_max: Option<usize>,
    /// The highest cosine similarity that a negative may have with its query.
    #[arg(long, value_parser = limits::finite, allow_negative_numbers = true)]
    pub max_score: Option<f64>,
    /// The lowest cosine similarity that a negative may have with its query.
    #[arg(long, value_parser = limits::finite, allow_negative_numbers = true)]
    pub min_score: Option<f64>,
    /// The margin by which the cosine similarity of a negative must be below that of the query's least similar
    /// positive.
    #[arg(long, value_parser = limits::finite, allow_negative_numbers = true)]
    pub absolute_margin: Option<f64>,
    /// The same margin as a fraction of the cosine similarity of that positive.
    #[arg(long, value_parser = limits::finite, allow_negative_numbers = true)]
    pub relative_margin: Option<f64>,
    /// Choose negatives among the candidates at random, with this seed, instead of the most similar ones.
    #[arg(long, allow_negative_numbers = true, value_name = "SEED")]
    pub random: Option<u64>,
}
