//! Notices of a run to its caller, in addition to the training events that trackers receive.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use sst_data::Ledger;
use sst_train::{Precision, Saver};

/// A notice that a caller may want to show to the user. `Display` gives a sentence without a full stop.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// A tokenizer is being trained, which may take a while.
    TrainingTokenizer {
        /// The size of its vocabulary.
        vocab_size: usize,
    },
    /// Data is being prepared. This notice comes every few seconds.
    Preparing {
        /// Documents so far.
        documents: u64,
        /// Tokens so far.
        tokens: u64,
    },
    /// Pictures are being prepared. This notice comes every few seconds.
    PreparingPictures {
        /// Pictures so far.
        pictures: u64,
        /// Bytes of resized pixels so far.
        bytes: u64,
    },
    /// The precision of the run was decided.
    Precision {
        /// The precision.
        precision: Precision,
        /// Why this precision was chosen.
        reason: String,
    },
    /// `train.bf16_weights` is on but has no effect, because the precision is not bf16.
    WeightsStayFp32,
    /// The views of a text that an objective compares are equal, because they differ by dropout alone and all of its
    /// probabilities are 0.
    EqualViews {
        /// The name of the objective.
        objective: String,
        /// The keys of the recipe that are dropout probabilities.
        keys: Vec<String>,
    },
    /// The run should be resumed, but its folder has no checkpoint yet.
    StartingAnew {
        /// The run folder.
        folder: PathBuf,
    },
    /// The run continues from a checkpoint.
    Resuming {
        /// The checkpoint's folder.
        checkpoint: PathBuf,
    },
    /// The run failed, and its ledger could not be written.
    LedgerLost {
        /// The error.
        reason: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TrainingTokenizer { vocab_size } => {
                write!(f, "training a tokenizer of {vocab_size} tokens")
            }
            Self::Preparing { documents, tokens } => {
                write!(f, "preparing data: {documents} documents, {tokens} tokens")
            }
            Self::PreparingPictures { pictures, bytes } => {
                write!(
                    f,
                    "preparing data: {pictures} pictures, {:.1} MB of pixels",
                    *bytes as f64 / 1e6
                )
            }
            Self::Precision { precision, reason } => {
                write!(f, "precision {}: {reason}", precision.name())
            }
            Self::WeightsStayFp32 => f.write_str(
                "weights stay in fp32: train.bf16_weights applies only to precision bf16",
            ),
            Self::EqualViews { objective, keys } => write!(
                f,
                "`{objective}` compares encodings of a text that differ by dropout alone, and without dropout they are \
                 equal: set one of {} above 0",
                keys.join(", ")
            ),
            Self::StartingAnew { folder } => {
                write!(
                    f,
                    "{} holds no checkpoint yet: starting from the beginning",
                    folder.display()
                )
            }
            Self::Resuming { checkpoint } => {
                write!(f, "resuming from {}", checkpoint.display())
            }
            Self::LedgerLost { reason } => write!(f, "the ledger could not be written: {reason}"),
        }
    }
}

/// Receives notices of a run. Every method does nothing by default.
pub trait Observer: Send + Sync {
    /// Receives a notice.
    fn notice(&self, _notice: &Notice) {}

    /// Called right before the first step. The command line starts to handle Ctrl-C here. It holds `saver` while it
    /// ends the process, so that no checkpoint is left incomplete.
    ///
    /// An error stops the run before its first step.
    fn training_begins(&self, _saver: &Saver) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }

    /// Called after the last step, and also after an error in training. The ledger holds what was dropped, truncated
    /// or skipped.
    fn training_ended(&self, _ledger: &Ledger) {}
}

/// An observer that ignores all notices.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}
