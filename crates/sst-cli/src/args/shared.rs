//! Arguments that several commands have.

use clap::Args;

/// Where a model runs.
#[derive(Debug, Clone, Args)]
pub struct DeviceArgs {
    /// `cpu`, `cuda`, `cuda:N`, or `auto` for a GPU if there is one.
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Threads of libtorch; 0 for as many as there are cores.
    #[arg(long, allow_negative_numbers = true, default_value_t = 0)]
    pub threads: usize,
}

/// How hidden states become vectors, where the folder does not say, or otherwise than it says.
#[derive(Debug, Clone, Args)]
pub struct PoolingArgs {
    /// `mean`, `cls`, `max`, `lasttoken`, `weightedmean` or `mean_sqrt_len_tokens`; as the folder says, or as the run's
    /// objective does, or the mean, if not given.
    #[arg(long)]
    pub pooling: Option<String>,
    /// Make vectors of length one, whatever the folder says.
    #[arg(long, conflicts_with = "no_normalize")]
    pub normalize: bool,
    /// Leave vectors as long as they are, whatever the folder says.
    #[arg(long)]
    pub no_normalize: bool,
    /// Tokens of a text at most, special ones included; as the folder says if not given, and never more than the
    /// model reads.
    #[arg(long, allow_negative_numbers = true)]
    pub max_length: Option<usize>,
}
