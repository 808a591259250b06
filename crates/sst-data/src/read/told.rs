//! Warnings that are told once: who lists the files of a folder, trains a tokenizer on them and prepares them reads them
//! several times.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// The warnings of this process.
static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Warns, unless this process has said the same already.
pub(super) fn warn_once(message: String) {
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.insert(message.clone()) {
        tracing::warn!("{message}");
    }
}
