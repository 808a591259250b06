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
