//! Arguments of the commands that read pictures.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{DeviceArgs, PairArgs, limits};

/// How pictures are read. A folder of pictures, JSON lines, CSV, TSV, Parquet and WebDataset tar files are.
#[derive(Debug, Clone, Args)]
pub struct PictureArgs {
    /// For pictures: the field that holds the picture, as a path, base64 or bytes. If not given, it is `image`, or
    /// `file_name` in files called `metadata`.
    #[arg(long, value_name = "FIELD")]
    pub image_field: Option<String>,
    /// For pictures: the most pixels of a picture.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::positive::<u64>)]
    pub max_pixels: Option<u64>,
    /// For pictures: the most bytes of the file of a picture.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::positive::<u64>)]
    pub max_file_bytes: Option<u64>,
}

/// Which of the captions of a picture are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CaptionsUsed {
    /// The first one of the field.
    First,
    /// Each of them is a caption of the picture.
    All,
}

/// Arguments of `sst eval retrieval`.
#[derive(Debug, Args)]
pub struct RetrievalArgs {
    /// The pairs, and the model that embeds them.
    #[command(flatten)]
    pub pairs: PairArgs,
    /// For pictures: which captions are used of a picture that has several in the field.
    #[arg(long, value_enum, default_value_t = CaptionsUsed::First)]
    pub captions: CaptionsUsed,
    /// For pictures: write a PNG that shows what some captions find: in each row the picture of the caption, then the five
    /// nearest pictures to the caption.
    #[arg(long, value_name = "FILE.png")]
    pub grid: Option<PathBuf>,
    /// For pictures: samples of the bootstrap that gives intervals; 0 for none. If not given, it is 1000.
    #[arg(long, allow_negative_numbers = true)]
    pub bootstrap_samples: Option<usize>,
    /// For pictures: the number of pictures or captions in a forward pass. If not given, it is 64.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::positive::<u32>)]
    pub batch_size: Option<u32>,
    /// How pictures are read.
    #[command(flatten)]
    pub pictures: PictureArgs,
    /// For pictures: skip records that cannot be read instead of stopping at the first one. The number of skipped records
    /// is printed.
    #[arg(long)]
    pub skip_errors: bool,
}

/// Arguments of `sst eval zero-shot`.
#[derive(Debug, Args)]
pub struct ZeroShotArgs {
    /// A model with encoders of pictures and texts, such as CLIP: a Hugging Face model folder, a checkpoint folder or a run
    /// folder.
    #[arg(long)]
    pub model: PathBuf,
    /// Labelled pictures: folders whose subfolders are the labels, or files or globs of records.
    #[arg(long, num_args = 1.., required = true)]
    pub data: Vec<String>,
    /// The prompt, with {} for the label. May be given several times: the vectors of the prompts are averaged.
    #[arg(long = "template", value_name = "TEXT", default_value = "a picture of {}")]
    pub templates: Vec<String>,
    /// The field of the label in records. For folders, any name stands for the folder of a picture.
    #[arg(long, default_value = "label")]
    pub label_field: String,
    /// The text that stands for a label in prompts, such as 0=zero. If not given, it is the label itself. May be given
    /// several times.
    #[arg(long = "label-name", value_name = "LABEL=TEXT")]
    pub label_names: Vec<String>,
    /// The largest number of tokens of a prompt, special tokens included; longer prompts are truncated and counted. If not
    /// given, it is the model's limit.
    #[arg(long, allow_negative_numbers = true)]
    pub max_length: Option<usize>,
    /// Samples of the bootstrap that gives the interval of mean_class_accuracy. 0 gives none.
    #[arg(long, allow_negative_numbers = true, default_value_t = 1000)]
    pub bootstrap_samples: usize,
    /// The number of pictures or prompts in a forward pass.
    #[arg(long, allow_negative_numbers = true, default_value_t = 64, value_parser = limits::positive::<u32>)]
    pub batch_size: u32,
    /// How pictures are read.
    #[command(flatten)]
    pub pictures: PictureArgs,
    /// Skip pictures that cannot be read instead of stopping at the first one. The number of skipped pictures is printed.
    #[arg(long)]
    pub skip_errors: bool,
    /// The device and the threads.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `sst reconstruct`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sst reconstruct --model runs/mae --data corpora/emoji/test.jsonl.gz \\
      --out mae.png
  sst reconstruct --model vit-mae-base/ --data photos/ --count 4 \\
      --mask-ratio 0.5 --out photos.png --json

Draws --count of the pictures, masks patches of them as in training, and writes a PNG with, for each picture from top to \
bottom: the original, what the model saw (masked patches in grey), and the reconstruction, with the visible patches of the \
original in their places. A model that was trained on normalised pixels (norm_pix_loss) predicts no colours; its patches \
are then shown with the mean and deviation of the original patches, and the command says so. Prints the mean squared \
error of the masked patches. With --json:
  {\"version\":1,\"out\":..,\"pictures\":[{\"key\":..,\"loss\":..}],\"loss\":..,\"mask_ratio\":..,
  \"masked_patches\":..,\"patches\":..,\"norm_pix_loss\":..,\"ledger\":{..}}")]
pub struct ReconstructArgs {
    /// A masked autoencoder (ViTMAE): a Hugging Face model folder, a checkpoint folder or a run folder.
    #[arg(long)]
    pub model: PathBuf,
    /// Pictures: files, folders or globs, or records with pictures.
    #[arg(long, num_args = 1.., required = true)]
    pub data: Vec<String>,
    /// The PNG file to write.
    #[arg(long)]
    pub out: PathBuf,
    /// The number of pictures to show.
    #[arg(long, allow_negative_numbers = true, default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=limits::MAX_SHOWN))]
    pub count: u32,
    /// The seed that chooses pictures and patches.
    #[arg(long, allow_negative_numbers = true, default_value_t = 0)]
    pub seed: u64,
    /// The fraction of patches to mask. If not given, it is that of the model.
    #[arg(long, allow_negative_numbers = true, value_parser = limits::finite)]
    pub mask_ratio: Option<f64>,
    /// How pictures are read.
    #[command(flatten)]
    pub pictures: PictureArgs,
    /// Skip pictures that cannot be read instead of stopping at the first one. The number of skipped pictures is printed.
    #[arg(long)]
    pub skip_errors: bool,
    /// The device and the threads.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
