//! Arguments of `sst predict`.

use std::path::PathBuf;

use clap::Args;

use super::limits;
use super::shared::{DeviceArgs, RecordFieldArgs};

/// Arguments of `sst predict`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("input").args(["text", "data", "question"]).required(true))]
#[command(after_help = "\
Examples:
  sst predict --model runs/books --text \"And God said, Let there be light.\"
  sst predict --model runs/names --text \"玄德问曰：何人？\" --json
  sst predict --model runs/answers --question \"Who wrote it?\" \\
      --context \"The book was written by Wu Cheng'en.\" --json
  sst predict --model runs/books --data verses.jsonl --json > labelled.jsonl

The head of the model decides what is predicted. With --json, each text gives one line. Classes, sorted by score (the \
softmax, or for any number of classes the sigmoid of each; for a regression the number itself):
  {\"version\":1,\"text\":..,\"labels\":[{\"label\":..,\"score\":..},..]}
Entities in the order of the text; start and end count Unicode characters, and the score is the mean probability of the \
labels of the words:
  {\"version\":1,\"text\":..,\"entities\":[{\"label\":..,\"start\":..,\"end\":..,\"text\":..,\"score\":..},..]}
Answers, best first; the score is the softmax over the answers that were tried:
  {\"version\":1,\"question\":..,\"context\":..,\"answers\":[{\"text\":..,\"start\":..,\"end\":..,\"score\":..},..]}

For --data, there is one line for each record, in the order of the files, which also has the other fields of the record. A field of the record that has the name of another one of the line (such as labels, entities or answers) is written as \
gold_NAME. Texts longer than the model reads are cut off and counted for classes, and read in overlapping windows for \
entities and answers.")]
pub struct PredictArgs {
    /// A Hugging Face model folder, a checkpoint folder or a run folder, with a task head.
    #[arg(long)]
    pub model: PathBuf,
    /// A text. May be given several times.
    #[arg(long)]
    pub text: Vec<String>,
    /// The second text, for a model that classifies pairs of texts.
    #[arg(long, requires = "text")]
    pub text_pair: Option<String>,
    /// Files, folders or globs of texts or of questions with their contexts.
    #[arg(long, num_args = 1..)]
    pub data: Vec<String>,
    /// A question, for a model that finds answers.
    #[arg(long, requires = "context")]
    pub question: Option<String>,
    /// The text in which the answer is searched.
    #[arg(long, requires = "question")]
    pub context: Option<String>,
    /// How the records of --data are read.
    #[command(flatten)]
    pub records: RecordFieldArgs,
    /// Whether the records of --data have two texts, in the fields `text` and `text_pair`.
    #[arg(long, requires = "data")]
    pub pairs: bool,
    /// The number of classes or answers to print. If not given, all classes are printed, and three answers.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::positive::<u32>)]
    pub top_k: Option<u32>,
    /// How the labels of words are chosen: `greedy`, or `viterbi` for the best sequence that the scheme allows.
    #[arg(long, default_value = "greedy")]
    pub decoding: String,
    /// Say that there is no answer if its score is greater than that of the best answer by more than this number. If
    /// not given, every question has an answer.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::finite)]
    pub null_threshold: Option<f64>,
    /// The most tokens of an answer.
    #[arg(long, allow_negative_numbers = true, default_value_t = 30, value_parser = limits::positive::<u32>)]
    pub max_answer_length: u32,
    /// The number of tokens that two windows of a long text share. If not given, it is a quarter of the longest
    /// row.
    #[arg(long, allow_negative_numbers = true)]
    pub stride: Option<usize>,
    /// The largest number of tokens in a row, special tokens included. If not given, it is the model's limit.
    #[arg(long, allow_negative_numbers = true)]
    pub max_length: Option<usize>,
    /// The number of rows in a forward pass. The predictions do not depend on it.
    #[arg(long, allow_negative_numbers = true, default_value_t = 32, value_parser = limits::positive::<u32>)]
    pub batch_size: u32,
    /// The device and the threads.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
