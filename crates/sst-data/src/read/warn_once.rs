//! Warnings that are printed once. Listing the files of a folder, training a tokenizer on them and preparing them
//! reads the same files several times.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::setting::Setting;

/// The warnings that this process has printed.
static PRINTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Prints a warning, unless this process has printed it already. `setting` is the one that it advises to change.
pub(super) fn warn_once(setting: Option<Setting>, message: String) {
    let mut printed = PRINTED.lock().unwrap_or_else(PoisonError::into_inner);
    if printed.insert(message.clone()) {
        tracing::warn!(setting = setting.map(Setting::path), "{message}");
    }
}
