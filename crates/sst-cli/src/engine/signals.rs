//! Handles Ctrl-C (SIGINT), SIGTERM and SIGHUP while a run trains.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use sst_cli::exit::Exit;
use sst_cli::{interrupt, render};
use sst_run::CONFIG;
use sst_train::Saver;

/// The state of the signal handler of a run. The first signal lets the run finish its step and save. The second one
/// ends the process, as soon as the checkpoint that is being written is complete.
#[derive(Clone)]
pub(crate) struct Signals {
    /// Set by the first signal.
    stop: Arc<AtomicBool>,
    /// Whether the run has ended by itself. The lock is held by the thread that decides how the process ends, so that
    /// only one message is printed.
    ended: Arc<Mutex<bool>>,
    saver: Saver,
}

impl Signals {
    /// Starts to listen. The first signal sets `stop`; the run then finishes its step, saves and ends.
    ///
    /// # Errors
    /// If the handler cannot be set.
    pub(crate) fn listen(saver: Saver, stop: Arc<AtomicBool>) -> Result<Self> {
        let signals = Self::new(saver, stop);
        let handled = signals.clone();
        interrupt::instead(move || handled.signal()).context("cannot listen to Ctrl-C")?;
        Ok(signals)
    }

    fn new(saver: Saver, stop: Arc<AtomicBool>) -> Self {
        Self { stop, ended: Arc::default(), saver }
    }

    /// Records that the run has ended; signals are ignored from here on. If the second signal is already ending the
    /// process, this function does not return.
    pub(crate) fn run_ended(&self) {
        *self.lock() = true;
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self) {
        if !self.stop.swap(true, Ordering::SeqCst) {
            render::note("stopping: finishing the step and saving; once more to stop at once");
            return;
        }
        self.at_once(&mut |exit, message| {
            render::note(message);
            // The user asked twice, and no checkpoint is being written at this point.
            sst_kernels::exit_at_once(exit as u8)
        });
    }

    /// Calls `end` with the exit code and the message of a run that stops at once, unless the run has already ended
    /// by itself. Until `end` returns, no checkpoint can be started and the run cannot end by itself.
    fn at_once(&self, end: &mut dyn FnMut(Exit, &str)) {
        let _no_save = self.saver.hold();
        let ended = self.lock();
        if *ended {
            return;
        }
        let newest = self.saver.steps().ok().and_then(|steps| steps.last().copied());
        match newest {
            Some(step) => {
                let place = self.saver.path(step);
                let recipe = place.ancestors().nth(2).unwrap_or(&place).join(CONFIG);
                let recipe = recipe.display().to_string();
                let message = format!(
                    "stopped at once; the last checkpoint is {}; continue with: sst pretrain {} --resume",
                    place.display(),
                    render::shell_word(&recipe)
                );
                end(Exit::Stopped, &message);
            }
            None => end(Exit::Failed, "stopped at once; there is no checkpoint yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// The exit code and message after a second signal; `None` if it is ignored.
    fn second(signals: &Signals) -> Option<(Exit, String)> {
        let mut found = None;
        signals.at_once(&mut |exit, message| found = Some((exit, message.to_owned())));
        found
    }

    #[test]
    fn a_second_signal_waits_for_the_checkpoint_being_written() {
        let folder = tempfile::tempdir().unwrap();
        let saver = Saver::new(folder.path());
        let signals = Signals::new(saver.clone(), Arc::default());
        let (exit, message) = second(&signals).unwrap();
        assert_eq!(exit, Exit::Failed);
        assert!(message.ends_with("there is no checkpoint yet"), "{message}");

        let (begun, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let save = thread::spawn(move || {
            saver.save(7, |_| {
                begun.send(()).unwrap();
                may_go_on.recv().unwrap();
                Ok(())
            })
        });
        has_begun.recv().unwrap();
        let asked = signals.clone();
        let (told, found) = mpsc::channel();
        thread::spawn(move || told.send(second(&asked)).unwrap());
        // The save is still blocked, so the second signal must not have ended the process yet.
        assert!(found.recv_timeout(std::time::Duration::from_millis(50)).is_err());
        go_on.send(()).unwrap();
        let (exit, message) = found.recv().unwrap().unwrap();
        assert_eq!(exit, Exit::Stopped);
        assert!(
            message.contains("the last checkpoint is ")
                && message.contains("step-00000007; continue"),
            "{message}"
        );
        save.join().unwrap().unwrap();
    }

    #[test]
    fn a_run_that_has_ended_tells_so_itself() {
        let folder = tempfile::tempdir().unwrap();
        let signals = Signals::new(Saver::new(folder.path()), Arc::default());
        signals.signal();
        assert!(signals.stop.load(Ordering::SeqCst));
        signals.run_ended();
        assert_eq!(second(&signals), None);
    }
}
