//! Prints the levels of this processor, a line each in ascending order: the names that `SST_CPU` takes.

use std::io::Write;

use sst_kernels::CpuLevel;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    CpuLevel::available().iter().try_for_each(|level| writeln!(out, "{level}"))
}
