//! The end of the process while other threads compute.

use std::ffi::c_int;

unsafe extern "C" {
    /// Of the C library.
    fn _exit(code: c_int) -> !;
}

/// Ends the process with `code` as it stands. `std::process::exit` would run the destructors of libtorch's statics first,
/// under the hands of threads that still use them, and then the process may die of a signal instead.
pub fn exit_at_once(code: u8) -> ! {
    // SAFETY: takes a number, and nothing runs after it.
    unsafe { _exit(c_int::from(code)) }
}
