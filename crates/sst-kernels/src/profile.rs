//! libtorch's profiler.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::ffi::{self, check};

/// An operator that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorEvent {
    /// Its name, such as `aten::addmm`.
    pub name: String,
    /// The shapes of its inputs, such as `32x256 256x1024`.
    pub shapes: String,
    /// The thread it ran on, or the stream.
    pub thread: u64,
    /// When it began, in nanoseconds of some clock.
    pub start_ns: u64,
    /// How long it took, in nanoseconds, what it called included.
    pub duration_ns: u64,
    /// Whether it is a kernel on an accelerator.
    pub on_device: bool,
}

/// The profiler while it records; dropping it stops it.
#[derive(Debug)]
pub struct Profiler {
    running: bool,
}

impl Profiler {
    /// Starts to record what this thread runs, its backward passes included; with `cuda` also the kernels on
    /// the device.
    ///
    /// # Errors
    /// If libtorch's profiler is already running, or fails.
    pub fn start(cuda: bool) -> Result<Self> {
        // SAFETY: takes no pointers.
        check(unsafe { ffi::sst_profile_start(c_int::from(cuda)) })?;
        Ok(Self { running: true })
    }

    /// Stops, writes a Chrome trace to `trace`, and returns all that ran, in no order.
    ///
    /// # Errors
    /// If libtorch fails, or `trace` has a zero byte in it.
    pub fn stop(mut self, trace: &Path) -> Result<Vec<OperatorEvent>> {
        let Ok(path) = CString::new(trace.as_os_str().as_bytes()) else {
            return Err(Error::Contract(format!("{} has a zero byte in it", trace.display())));
        };
        self.running = false;
        let mut events: Vec<OperatorEvent> = Vec::new();
        // SAFETY: the path and the events outlive the call; `tell` takes the context for what it is.
        check(unsafe {
            ffi::sst_profile_stop(path.as_ptr(), (&raw mut events).cast(), Some(tell))
        })?;
        Ok(events)
    }
}

impl Drop for Profiler {
    fn drop(&mut self) {
        if self.running {
            // SAFETY: null is allowed for both pointers. What it says no longer matters.
            let _ = unsafe { ffi::sst_profile_stop(std::ptr::null(), std::ptr::null_mut(), None) };
        }
    }
}

/// Adds an event to the vector that `context` is.
unsafe extern "C" fn tell(
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
