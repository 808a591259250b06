//! Writes checkpoints on a separate thread, one after the other.

use std::path::PathBuf;
use std::thread::JoinHandle;

use super::Saver;
use super::snapshot::Snapshot;
use crate::error::TrainError;

/// A checkpoint that has been written completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) step: u64,
    pub(crate) path: PathBuf,
}

/// Writes one checkpoint at a time. Dropping the writer waits for the checkpoint that is being written.
pub(crate) struct Writer {
    saver: Saver,
    /// Whether a separate thread writes the checkpoints, so that [`Writer::start`] returns before they are complete.
    is_async: bool,
    /// The step of the checkpoint that is being written, and the thread that writes it.
    pending: Option<(u64, JoinHandle<Result<PathBuf, TrainError>>)>,
}

impl Writer {
    /// A writer that has nothing to write yet.
    pub(crate) fn new(saver: Saver, is_async: bool) -> Self {
        Self { saver, is_async, pending: None }
    }

    /// Starts to write `snapshot`. The caller must have waited for the checkpoint before it. Returns the checkpoint if
    /// the calling thread has written it, and `None` if a separate thread is writing it.
    pub(crate) fn start(&mut self, snapshot: Snapshot) -> Result<Option<Written>, TrainError> {
        let (saver, step) = (self.saver.clone(), snapshot.trainer.step);
        let write = move || saver.save(step, |folder| snapshot.write(folder));
        if !self.is_async {
            return write().map(|path| Some(Written { step, path }));
        }
        let builder = std::thread::Builder::new().name("sst-saver".to_owned());
        let thread = builder.spawn(write).map_err(|error| {
            self.error(step, &format!("the thread that writes it cannot be started: {error}"))
        })?;
        self.pending = Some((step, thread));
        Ok(None)
    }

    /// The checkpoint that has become complete since the last call; `None` if there is none. Does not wait.
    pub(crate) fn poll(&mut self) -> Result<Option<Written>, TrainError> {
        match &self.pending {
            Some((_, thread)) if thread.is_finished() => self.wait(),
            _ => Ok(None),
        }
    }

    /// Waits for the checkpoint that is being written, and returns it; `None` if none is being written.
    pub(crate) fn wait(&mut self) -> Result<Option<Written>, TrainError> {
        let Some((step, thread)) = self.pending.take() else { return Ok(None) };
        let result = thread.join().unwrap_or_else(|panic| {
            let literal = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let message = literal
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "no message".to_owned());
            Err(self.error(step, &format!("the thread that writes it panicked: {message}")))
        });
        result.map(|path| Some(Written { step, path }))
    }

    /// The error that the checkpoint of `step` could not be written.
    fn error(&self, step: u64, reason: &str) -> TrainError {
        TrainError::Save { path: self.saver.path(step), reason: reason.to_owned() }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The run is ending because of an earlier error, which it reports. This one is only logged.
        if let Err(error) = self.wait() {
            tracing::error!("{error}");
        }
    }
}
