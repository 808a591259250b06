//! libtorch's profiler.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::ffi::{self, check};

/// An operator that ran while the profiler recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorEvent {
    /// Its name, such as `aten::addmm`.
    pub name: String,
    /// The shapes of its inputs, such as `32x256 256x1024`.
    pub shapes: String,
    /// The thread that it ran on, or the stream.
    pub thread: u64,
    /// Its start in nanoseconds, from an unspecified origin.
    pub start_ns: u64,
    /// Its duration in nanoseconds, including the operators that it called.
    pub duration_ns: u64,
    /// Whether it is a kernel on an accelerator.
    pub on_device: bool,
}

/// A running profiler. Dropping it stops the recording.
#[derive(Debug)]
pub struct Profiler {
    running: bool,
}

impl Profiler {
    /// Records the operators of this thread and of its backward passes; with `cuda` also the kernels on the device.
    ///
    /// # Errors
    /// If libtorch's profiler is already running, or fails.
    pub fn start(cuda: bool) -> Result<Self> {
        // SAFETY: takes no pointers.
        check(unsafe { ffi::sst_profile_start(c_int::from(cuda)) })?;
        Ok(Self { running: true })
    }

    /// Stops the recording, writes a Chrome trace to `trace`, and returns the operators in no particular order.
    ///
    /// # Errors
    /// If libtorch fails, or `trace` contains a zero byte.
    pub fn stop(mut self, trace: &Path) -> Result<Vec<OperatorEvent>> {
        let Ok(path) = CString::new(trace.as_os_str().as_bytes()) else {
            return Err(Error::Contract(format!("{} has a zero byte in it", trace.display())));
        };
        self.running = false;
        let mut events: Vec<OperatorEvent> = Vec::new();
        // SAFETY: the path and the events outlive the call; `record` takes the context for what it is.
        check(unsafe {
            ffi::sst_profile_stop(path.as_ptr(), (&raw mut events).cast(), Some(record))
        })?;
        Ok(events)
    }
}

impl Drop for Profiler {
    fn drop(&mut self) {
        if self.running {
            // SAFETY: null is allowed for both pointers. An error no longer matters.
            let _ = unsafe { ffi::sst_profile_stop(std::ptr::null(), std::ptr::null_mut(), None) };
        }
    }
}

/// Adds an event to the vector that `context` points to.
unsafe extern "C" fn record(
    context: *mut c_void,
    name: *const c_char,
    shapes: *const c_char,
    thread: u64,
    start_ns: u64,
    duration_ns: u64,
    on_device: c_int,
) {
    // SAFETY: `stop` hands over its vector, which nothing else uses meanwhile.
    let events = unsafe { &mut *context.cast::<Vec<OperatorEvent>>() };
    // SAFETY: the bridge hands over NUL-terminated strings that live during this call.
    let text = |pointer| unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned();
    let (name, shapes) = (text(name), text(shapes));
    let on_device = on_device != 0;
    events.push(OperatorEvent { name, shapes, thread, start_ns, duration_ns, on_device });
}
