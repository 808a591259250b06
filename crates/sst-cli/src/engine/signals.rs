//! Ctrl-C (SIGINT), SIGTERM and SIGHUP while a run trains.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use sst_cli::exit::Exit;
use sst_cli::{interrupt, render};
use sst_run::CONFIG;
use sst_train::Saver;

/// What the signals of a run have asked for. The first lets it finish its step and save; the second ends the process,
/// once the checkpoint that is being written stands.
#[derive(Clone)]
pub(crate) struct Signals {
    /// Set by the first signal.
    stop: Arc<AtomicBool>,
    /// Whether the run has ended by itself. Held by whoever decides how the process ends, so that one alone tells it.
    ended: Arc<Mutex<bool>>,
    saver: Saver,
}

impl Signals {
    /// Listens from now on. The first signal sets `stop`, at which the run finishes its step, saves and ends.
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

    /// The run has ended, and says itself how: a signal changes nothing any more. Does not return if the process is
    /// being ended by the second signal.
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
            // The user asked twice, and nothing is being written in place.
            sst_kernels::exit_at_once(exit as u8)
        });
    }

    /// Calls `end` with the code and the message of a run that stops at once, unless it has ended by itself. Until
    /// `end` returns no checkpoint is begun and the run cannot end by itself.
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
                    "stopped at once; {} stands: go on with: sst pretrain {} --resume",
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

    /// What a second signal makes of it.
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
        // The save cannot end yet, so whatever comes now came too early.
        assert!(found.recv_timeout(std::time::Duration::from_millis(50)).is_err());
        go_on.send(()).unwrap();
        let (exit, message) = found.recv().unwrap().unwrap();
        assert_eq!(exit, Exit::Stopped);
        assert!(message.contains("step-00000007 stands"), "{message}");
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
