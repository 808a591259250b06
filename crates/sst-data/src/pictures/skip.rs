//! Skips pictures that cannot be used, or stops at the first one.

use super::{PictureError, PictureProblem};
use crate::example::Key;
use crate::ledger::Ledger;
use crate::read::OnError;
use crate::setting::NamesSettings;

/// What to do with a picture that cannot be used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Skipping<'a> {
    pub(super) on_error: OnError,
    pub(super) ledger: &'a Ledger,
}

impl Skipping<'_> {
    /// Counts the error if such errors are skipped, and returns it otherwise. `place` is counted if the error has no
    /// place of its own.
    pub(super) fn count_or_fail(
        &self,
        error: PictureError,
        place: Option<&Key>,
    ) -> Result<(), PictureError> {
        match error.ledger_name() {
            Some(name) if self.on_error == OnError::Skip => {
                // Only the first error of a kind is printed. The ledger counts all of them.
                if self.ledger.count(name) == 0 {
                    let setting = error.settings().first().map(|setting| setting.path());
                    tracing::warn!(setting, "skipped, like all further ones of this kind: {error}");
                }
                self.ledger.add(name, 1, error.key().or(place));
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// The value; `None` if its problem was counted.
    pub(super) fn checked<T>(
        &self,
        key: &Key,
        result: Result<T, PictureProblem>,
    ) -> Result<Option<T>, PictureError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(problem) => {
                let error = PictureError::Picture { key: key.clone(), problem };
                self.count_or_fail(error, None).map(|()| None)
            }
        }
    }
}
