//! Exits the process while other threads are still computing.

use std::ffi::c_int;

unsafe extern "C" {
    /// `_exit` of the C library.
    fn _exit(code: c_int) -> !;
}

/// Exits the process with `code` at once. `std::process::exit` first runs the destructors of libtorch's statics while
/// other threads may still use them, and the process may then die from a signal.
pub fn exit_at_once(code: u8) -> ! {
    // SAFETY: takes a number, and nothing runs after it.
    unsafe { _exit(c_int::from(code)) }
}
