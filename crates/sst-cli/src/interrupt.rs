//! Ctrl-C (SIGINT), SIGTERM and SIGHUP.
//!
//! By default, a signal makes sst remove its unfinished files and exit. While `sst pretrain` trains it replaces this
//! action, so that the run can finish its step and save.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sst_data::leftovers;

use crate::exit::Exit;
use crate::render;

/// The action on a signal.
type Action = Box<dyn Fn() + Send>;

/// The action on the next signal. It is `None` until [`listen`] is called.
static ACTION: Mutex<Option<Action>> = Mutex::new(None);

fn action() -> MutexGuard<'static, Option<Action>> {
    ACTION.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts to listen. A signal then removes unfinished files and ends the process with `end`. If the process was
/// started with SIGHUP or SIGINT ignored, as by `nohup` or in the background of a script, the signals stay ignored.
///
/// # Errors
/// If the signal handler cannot be installed.
pub fn listen(end: fn(u8) -> !) -> Result<(), ctrlc::Error> {
    if ignores_signals() {
        return Ok(());
    }
    instead(move || {
        leftovers::remove_all();
        render::note("interrupted: unfinished files were removed");
        end(Exit::Interrupted as u8)
    })
}

/// Replaces the action on a signal by `act`.
///
/// # Errors
/// If the signal handler cannot be installed.
pub fn instead(act: impl Fn() + Send + 'static) -> Result<(), ctrlc::Error> {
    match action().replace(Box::new(act)) {
        Some(_) => Ok(()),
        None => ctrlc::set_handler(|| {
            if let Some(act) = &*action() {
                act();
            }
        }),
    }
}

/// Whether SIGHUP or SIGINT is ignored. It is read from /proc, so it is known on Linux only and false elsewhere.
fn ignores_signals() -> bool {
    const HANGUP_AND_INTERRUPT: u64 = 0b11;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.unwrap_or(0) & HANGUP_AND_INTERRUPT != 0
}
