//! Which libtorch this process runs on.

use std::path::PathBuf;

/// The libtorch in this process.
pub fn libtorch_path() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.ends_with("/libtorch_cpu.so"))?;
    line.find('/').map(|start| PathBuf::from(&line[start..]))
}

/// Its version, as the file that PyTorch ships beside it tells.
pub fn libtorch_version() -> Option<String> {
    let library = libtorch_path()?;
    let file = library.parent()?.parent()?.join("build-version");
    Some(std::fs::read_to_string(file).ok()?.trim().to_owned())
}
