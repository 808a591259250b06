//! Finds the libtorch that this process uses.

use std::path::PathBuf;

/// The path of the loaded libtorch_cpu.so; `None` if it cannot be found.
pub fn libtorch_path() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.ends_with("/libtorch_cpu.so"))?;
    line.find('/').map(|start| PathBuf::from(&line[start..]))
}

/// The version of the loaded libtorch, from the file `build-version` that PyTorch ships with it.
pub fn libtorch_version() -> Option<String> {
    let library = libtorch_path()?;
    let file = library.parent()?.parent()?.join("build-version");
    Some(std::fs::read_to_string(file).ok()?.trim().to_owned())
}
