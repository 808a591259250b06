//! How much memory the process takes.

use sst_core::Metrics;
use tch::Device;

use crate::error::TrainError;

/// Bytes of memory: `memory_bytes` now and `peak_memory_bytes` at most (Linux only, from the kernel), and
/// with the prefix `device_` what tensors take on an accelerator.
pub(crate) fn usage(device: Device) -> Result<Metrics, TrainError> {
    let mut usage = Metrics::new();
    // Elsewhere there is no such file, and the figures are left out.
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

/// The bytes in a line like `VmRSS:     1234 kB`.
fn field(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_figures_are_read() {
        let status = "Name:\tsst\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t2\n";
        assert_eq!(field(status, "VmRSS:"), Some(1024.0 * 1024.0));
        assert_eq!(field(status, "VmHWM:"), Some(2048.0 * 1024.0));
        assert_eq!(field(status, "VmSwap:"), None);
        assert_eq!(field("VmRSS: many kB", "VmRSS:"), None);
    }
}
