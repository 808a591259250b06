//! What a run tells its caller beside the events that trackers see.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use sst_data::Ledger;
use sst_train::{Precision, Saver};

/// Something that a caller may want to tell its user. `Display` gives a sentence without a full stop.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// A tokenizer is trained, which may take a while.
    TrainingTokenizer {
        /// The tokens it will have.
        vocab_size: usize,
    },
    /// Data is being prepared; told every few seconds.
    Preparing {
        /// Documents so far.
        documents: u64,
        /// Tokens so far.
        tokens: u64,
    },
    /// The precision that the run computes in.
    Precision {
        /// The precision.
        precision: Precision,
        /// Why it is this one.
        reason: String,
    },
    /// `train.bf16_weights` is on and has no effect, since the precision is not bf16.
    WeightsStayFp32,
    /// The run was to be resumed, and its folder has no checkpoint yet.
    StartingAnew {
        /// The run folder.
        folder: PathBuf,
    },
    /// The run goes on from a checkpoint.
    Resuming {
        /// The checkpoint's folder.
        checkpoint: PathBuf,
    },
    /// The ledger of a run that failed could not be written either.
    LedgerLost {
        /// Why.
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
            Self::Precision { precision, reason } => {
                write!(f, "precision {}: {reason}", precision.name())
            }
            Self::WeightsStayFp32 => {
                f.write_str("weights stay in fp32: train.bf16_weights is for bf16")
            }
            Self::StartingAnew { folder } => {
                write!(f, "{} holds no checkpoint yet: starting anew", folder.display())
            }
            Self::Resuming { checkpoint } => {
                write!(f, "resuming from {}", checkpoint.display())
            }
            Self::LedgerLost { reason } => write!(f, "the ledger is lost: {reason}"),
        }
    }
}

/// Who is told what happens around the training of a run. Every method does nothing by default.
pub trait Observer: Send + Sync {
    /// Takes a notice.
    fn notice(&self, _notice: &Notice) {}

    /// Called right before the first step. The command line begins to listen to Ctrl-C here, and holds `saver` while it
    /// ends the process, so that no checkpoint is cut off.
    ///
    /// # Errors
    /// If the run must not begin.
    fn training_begins(&self, _saver: &Saver) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }

    /// Called right after the last step, and after an error in training too, with what was dropped, truncated or
    /// skipped on the way.
    fn training_ended(&self, _ledger: &Ledger) {}
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}
