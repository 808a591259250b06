//! Writes checkpoints on a thread of their own, one after the other.

use std::path::PathBuf;
use std::thread::JoinHandle;

use super::Saver;
use super::snapshot::Snapshot;
use crate::error::TrainError;

/// A checkpoint that is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) step: u64,
    pub(crate) path: PathBuf,
}

/// Writes one checkpoint at a time. Dropping it waits for the one being written.
pub(crate) struct Writer {
    saver: Saver,
    /// Whether [`Writer::start`] returns before the checkpoint is complete.
    background: bool,
    pending: Option<(u64, JoinHandle<Result<PathBuf, TrainError>>)>,
}

impl Writer {
    pub(crate) fn new(saver: Saver, background: bool) -> Self {
        Self { saver, background, pending: None }
    }

    /// Begins to write `snapshot`. The one before it has to be waited for first. Returns it if it is
    /// complete already, as it always is without a thread.
    pub(crate) fn start(&mut self, snapshot: Snapshot) -> Result<Option<Written>, TrainError> {
        let (saver, step) = (self.saver.clone(), snapshot.trainer.step);
        let write = move || saver.save(step, |folder| snapshot.write(folder));
        if !self.background {
            return write().map(|path| Some(Written { step, path }));
        }
        let thread = std::thread::Builder::new().name("sst-saver".to_owned()).spawn(write);
        let reason = "the thread that writes it cannot be started";
        let thread = thread.map_err(|error| self.failed(step, &format!("{reason}: {error}")))?;
        self.pending = Some((step, thread));
        Ok(None)
    }

    /// The checkpoint that became complete since the last look, if one did. Does not wait.
    pub(crate) fn poll(&mut self) -> Result<Option<Written>, TrainError> {
        match &self.pending {
            Some((_, thread)) if thread.is_finished() => self.wait(),
            _ => Ok(None),
        }
    }

    /// Waits for the checkpoint that is being written, if one is.
    pub(crate) fn wait(&mut self) -> Result<Option<Written>, TrainError> {
        let Some((step, thread)) = self.pending.take() else { return Ok(None) };
        let result = thread.join().unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            let text = text.unwrap_or_else(|| "no message".to_owned());
            Err(self.failed(step, &format!("a panic while writing it: {text}")))
        });
        result.map(|path| Some(Written { step, path }))
    }

    fn failed(&self, step: u64, reason: &str) -> TrainError {
        TrainError::Save { path: self.saver.path(step), reason: reason.to_owned() }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The run ends with another error, which is the one to report.
        if let Err(error) = self.wait() {
            tracing::error!("{error}");
        }
    }
}
