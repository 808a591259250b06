//! Describes the processor of this machine for environment.json and `sst doctor`.

use serde_json::{Value, json};
use sst_kernels::{CpuLevel, library_variables};

use crate::error::Result;

/// Returns the CPU level in use, the available levels, the level that `SST_CPU` requests, the processor model, and
/// the variables that limit the instructions of oneDNN and MKL.
///
/// # Errors
/// If `SST_CPU` names a level that this processor does not have.
pub fn describe() -> Result<Value> {
    let levels = CpuLevel::available();
    Ok(json!({
        "level": CpuLevel::current().name(),
        "levels": levels.iter().map(|level| level.name()).collect::<Vec<_>>(),
        "requested": CpuLevel::requested()?.map(CpuLevel::name),
        "model": from_cpuinfo("model name"),
        "libraries": library_variables(),
        "mkl_keeps_avx2": mkl_keeps_avx2(),
    }))
}

/// Whether MKL uses AVX2 although the level is lower: it has no lower kernels for AMD processors.
fn mkl_keeps_avx2() -> bool {
    CpuLevel::current() == CpuLevel::Portable
        && from_cpuinfo("vendor_id").is_some_and(|vendor| vendor == "AuthenticAMD")
        && CpuLevel::available().contains(&CpuLevel::Avx2)
}

/// A value of the first processor in /proc/cpuinfo.
fn from_cpuinfo(key: &str) -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Warns if a run that is resumed on the CPU was trained on another processor or at another level so far, according
/// to its `environment`. Rounding differs from here on.
///
/// # Errors
/// If `SST_CPU` names a level that this processor does not have.
pub(crate) fn compare(environment: &Value) -> Result<()> {
    let (before, now) = (&environment["cpu"], describe()?);
    for (key, name) in [("level", "processor level"), ("model", "processor")] {
        // Runs of earlier versions did not record it.
        if before[key].is_null() || before[key] == now[key] {
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap_or("unknown").to_owned();
        let (was, is) = (text(&before[key]), text(&now[key]));
        tracing::warn!(
            "the {name} was {was} and is {is}: the run continues, but its weights will differ slightly"
        );
    }
    Ok(())
}
