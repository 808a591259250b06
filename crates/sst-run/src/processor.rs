//! The processor of this machine as environment.json and `sst doctor` describe it.

use serde_json::{Value, json};
use sst_kernels::{CpuLevel, library_variables};

use crate::error::Result;

/// The level in use, the levels there are, what `SST_CPU` asks for, the model, and what lowers the libraries.
///
/// # Errors
/// If `SST_CPU` names no level of this processor.
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

/// Whether MKL uses AVX2 although the level is lower: it has no kernels below that for AMD's processors.
fn mkl_keeps_avx2() -> bool {
    CpuLevel::current() == CpuLevel::Portable
        && from_cpuinfo("vendor_id").is_some_and(|vendor| vendor == "AuthenticAMD")
        && CpuLevel::available().contains(&CpuLevel::Avx2)
}

/// A value of Linux's description of the first processor.
fn from_cpuinfo(key: &str) -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Warns where a run that is being resumed on the CPU, and whose environment.json is `environment`, went on another
/// processor or at another level until now: its numbers are rounded differently from here on.
///
/// # Errors
/// If `SST_CPU` names no level.
pub(crate) fn compare(environment: &Value) -> Result<()> {
    let (before, now) = (&environment["cpu"], describe()?);
    for (key, name) in [("level", "processor level"), ("model", "processor")] {
        // Runs of earlier versions do not say.
        if before[key].is_null() || before[key] == now[key] {
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap_or("unknown").to_owned();
        let (was, is) = (text(&before[key]), text(&now[key]));
        tracing::warn!(
            "the {name} was {was} and is {is}: the run goes on, but not to the very same weights"
        );
    }
    Ok(())
}
