//! The memory that the process uses, as metrics.

use sst_core::Metrics;
use tch::Device;

use crate::error::TrainError;

/// The memory in bytes: `memory_bytes` is the resident memory of the process, and `peak_memory_bytes` its maximum so
/// far (on Linux only). On an accelerator, `device_memory_bytes` and `device_peak_memory_bytes` say the same of the
/// tensors on the device.
pub(crate) fn usage(device: Device) -> Result<Metrics, TrainError> {
    let mut usage = Metrics::new();
    // Systems other than Linux have no such file. The metrics of the process are then left out.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for (name, key) in [("memory_bytes", "VmRSS:"), ("peak_memory_bytes", "VmHWM:")] {
        if let Some(bytes) = field(&status, key) {
            usage.insert(name.to_owned(), bytes);
        }
    }
    if let Some(memory) = sst_kernels::device_memory(device)? {
        usage.insert("device_memory_bytes".to_owned(), memory.now as f64);
        usage.insert("device_peak_memory_bytes".to_owned(), memory.peak as f64);
    }
    Ok(usage)
}

/// The number of bytes that the line of `key` states, which looks like `VmRSS:     1234 kB`.
fn field(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_from_the_status_file_of_linux() {
        let status = "Name:\tsst\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t2\n";
        assert_eq!(field(status, "VmRSS:"), Some(1024.0 * 1024.0));
        assert_eq!(field(status, "VmHWM:"), Some(2048.0 * 1024.0));
        assert_eq!(field(status, "VmSwap:"), None);
        assert_eq!(field("VmRSS: many kB", "VmRSS:"), None);
    }
}
