//! Finds Python, and creates the virtual environments of the project.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::{self, Cache};
use crate::exec;
use crate::sum::sum;

/// `python3 -m pip`, from `PATH`.
pub(crate) fn pip() -> Result<Command> {
    let mut pip = Command::new(interpreter()?);
    pip.args(["-m", "pip"]);
    Ok(pip)
}

/// The first Python 3 on `PATH` that has pip.
fn interpreter() -> Result<&'static str> {
    let works = |name: &&str| exec::succeeds(Command::new(name).args(["-m", "pip", "--version"]));
    match ["python3", "python"].into_iter().find(works) {
        Some(name) => Ok(name),
        None => bail!(
            "neither python3 nor python has pip, which fetches packages; install it (on Debian: \
             python3-pip), or for libtorch alone set LIBTORCH to a copy of your own"
        ),
    }
}

/// Returns the interpreter of the virtual environment that `requirements` (a file) describes.
///
/// It is created once per content of that file. A virtual environment contains its own path, so unlike the rest of
/// the cache it is created in place. The stamp, written last, marks it as complete.
pub(crate) fn environment(cache: &Cache, name: &str, requirements: &Path) -> Result<PathBuf> {
    let sum = sum(requirements)?;
    let venv = cache.root().join(format!("{name}-{}", &sum[..12]));
    let stamp = venv.join(".sst-stamp");
    let python = venv.join("bin/python");
    if stamp.is_file() && python.exists() {
        return Ok(python);
    }
    let _lock = cache.lock()?;
    if stamp.is_file() && python.exists() {
        return Ok(python);
    }
    cache::remove(&venv)?;
    exec::run_quietly(Command::new(interpreter()?).args(["-m", "venv"]).arg(&venv)).context(
        "cannot make a virtual environment (on Debian: install python3-venv), or give --python",
    )?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--requirement"]).arg(requirements);
    exec::run_quietly(&mut pip)?;
    fs::write(&stamp, sum)?;
    Ok(python)
}

/// The interpreter of an existing virtual environment, or the interpreter itself.
pub(crate) fn existing(path: &Path) -> Result<PathBuf> {
    let python = if path.is_dir() { path.join("bin/python") } else { path.to_owned() };
    if !python.is_file() {
        bail!("{} is neither a virtual environment nor a Python interpreter", path.display());
    }
    Ok(std::path::absolute(python)?)
}
