//! Ctrl-C (SIGINT), SIGTERM and SIGHUP.
//!
//! A command that is interrupted removes the files that it has not finished, and ends. `sst pretrain` takes over once it
//! trains, to finish its step and save.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sst_data::leftovers;

use crate::exit::Exit;
use crate::render;

/// What a signal does.
type Action = Box<dyn Fn() + Send>;

/// What the next signal does; `None` where nobody listens yet.
static ACTION: Mutex<Option<Action>> = Mutex::new(None);

fn action() -> MutexGuard<'static, Option<Action>> {
    ACTION.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Listens from now on: a signal removes what is unfinished and ends the process by `end`. Where the process was started
/// so that it ignores SIGHUP or SIGINT, as by `nohup` or in the background of a script, nothing is changed.
///
/// # Errors
/// If the system refuses it.
pub fn listen(end: fn(u8) -> !) -> Result<(), ctrlc::Error> {
    if ignores_signals() {
        return Ok(());
    }
    instead(move || {
        leftovers::remove_all();
        render::note("interrupted: what was not finished is removed");
        end(Exit::Interrupted as u8)
    })
}

/// From now on a signal does this, instead of what it did.
///
/// # Errors
/// If the system refuses it.
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

/// Whether SIGHUP or SIGINT are ignored, as far as the system tells: Linux does.
fn ignores_signals() -> bool {
    const HANGUP_AND_INTERRUPT: u64 = 0b11;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.unwrap_or(0) & HANGUP_AND_INTERRUPT != 0
}
