//! Prints the CPU levels of this processor in ascending order, one on each line: the values that `SST_CPU` accepts.

use std::io::Write;

use sst_kernels::CpuLevel;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    CpuLevel::available().iter().try_for_each(|level| writeln!(out, "{level}"))
}
