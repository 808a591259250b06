//! Panics inside kernels, which C++ calls on libtorch's threads. No panic may unwind across the C boundary.
//!
//! The first message becomes an error: an error of the call itself if it can return one, or else of the next call of
//! the bridge. After a backward pass, which libtorch runs, this is the optimiser's step at the latest, so that no
//! weight is updated with wrong gradients.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

static HAS_PANICKED: AtomicBool = AtomicBool::new(false);
static MESSAGE: Mutex<Option<String>> = Mutex::new(None);

/// Runs `body`, one thread's part of kernel `name`; writes the message to `place` if it panics.
pub(super) fn catch(name: &str, place: &Mutex<Option<String>>, body: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(body)) {
        let mut message = place.lock().unwrap_or_else(PoisonError::into_inner);
        let why = text(&*payload);
        message.get_or_insert(format!("kernel {name} panicked, which is a fault of sst: {why}"));
    }
}

/// [`catch`] for a kernel whose caller cannot return an error; [`pending`] returns the message.
pub(super) fn catch_for_later(name: &str, body: impl FnOnce()) {
    let message = Mutex::new(None);
    catch(name, &message, body);
    if let Some(message) = taken(&message) {
        MESSAGE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
        HAS_PANICKED.store(true, Ordering::SeqCst);
    }
}

/// Takes the message out of `place`.
pub(super) fn taken(place: &Mutex<Option<String>>) -> Option<String> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// The message of a kernel that has panicked since the last call, if any.
pub(super) fn pending() -> Option<String> {
    match HAS_PANICKED.swap(false, Ordering::Relaxed) {
        true => taken(&MESSAGE),
        false => None,
    }
}

/// The message of a panic.
pub(super) fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use crate::parallel::parallel;

    #[test]
    fn a_panic_in_a_kernel_is_an_error_with_its_message_and_the_next_call_works() {
        let fail = |i: usize| assert!(i != 3, "part {i} is wrong");
        let error = parallel(c"sst::test", 8, fail).unwrap_err().to_string();
        assert!(error.contains("sst::test") && error.contains("part 3 is wrong"), "{error}");
        parallel(c"sst::test", 8, |_| ()).unwrap();
    }
}
