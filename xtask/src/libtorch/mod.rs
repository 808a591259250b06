//! Finds, checks, installs and links the libtorch that the workspace builds against.
//!
//! `.cargo/config.toml` sets `LIBTORCH` to the link `.libtorch` in the clone. After set-up, cargo and the built
//! programs therefore need no environment variable. A `LIBTORCH` set by the user takes precedence.

pub(crate) mod pins;
mod pins_cuda;
mod sets;
mod unpack;
mod version;

use std::env::consts::{ARCH, OS};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::{self, Cache};
use crate::exec;
use crate::repo::Repo;

/// The first NVIDIA driver that supports CUDA 13, which the CUDA set is built for.
const CUDA_13_DRIVER: u32 = 580;

/// Installs the default libtorch unless a usable one is linked.
pub(crate) fn ensure(repo: &Repo) -> Result<()> {
    if let Some(own) = repo.own_libtorch() {
        return check(own).context("LIBTORCH does not serve; unset it, or correct it");
    }
    match check(&repo.libtorch_link()) {
        Ok(()) => Ok(()),
        Err(_) => set_up(repo, None),
    }
}

/// Installs the CPU or the CUDA set and links to it. By default it is CUDA if the machine has a suitable driver.
pub(crate) fn set_up(repo: &Repo, cuda: Option<bool>) -> Result<()> {
    let cuda = cuda.unwrap_or_else(has_driver);
    let Some(set) = sets::set(cuda, OS, ARCH) else {
        let kind = if cuda { "CUDA" } else { "CPU" };
        bail!(
            "there is no {kind} set for {OS} on {ARCH}: get libtorch {} elsewhere and run \
             `cargo xtask setup --libtorch DIR`",
            pins::LIBTORCH
        );
    };
    let home = unpack::install(&Cache::open()?, set)?;
    link(repo, &home)
}

/// Checks that `home` is a libtorch of the pinned release, and links to it.
pub(crate) fn use_existing(repo: &Repo, home: &Path) -> Result<()> {
    let home = home.canonicalize().with_context(|| format!("there is no {}", home.display()))?;
    check(&home)?;
    link(repo, &home)
}

/// Returns an error unless `home` holds libraries and headers of the pinned release.
fn check(home: &Path) -> Result<()> {
    let library = if cfg!(target_os = "macos") { "libtorch_cpu.dylib" } else { "libtorch_cpu.so" };
    let needed =
        [format!("lib/{library}"), "include/torch/csrc/api/include/torch/torch.h".to_owned()];
    if let Some(missing) = needed.iter().find(|file| !home.join(file).is_file()) {
        bail!("{} holds no {missing}", home.display());
    }
    let found = version::of(home)?;
    if found != pins::LIBTORCH {
        bail!("{} is libtorch {found}, but tch binds {} alone", home.display(), pins::LIBTORCH);
    }
    // In the CUDA set, the stamp is in the parent folder.
    let target = home.canonicalize()?;
    let folders = [Some(target.as_path()), target.parent()];
    if folders.into_iter().flatten().any(cache::is_damaged) {
        bail!("{} has lost some of its files", target.display());
    }
    Ok(())
}

/// Points `.libtorch` at `home` atomically, for builds that are running.
fn link(repo: &Repo, home: &Path) -> Result<()> {
    let link = repo.libtorch_link();
    let before = fs::read_link(&link).ok();
    if before.as_deref() == Some(home) {
        return Ok(());
    }
    if before.is_none() && link.exists() {
        bail!("{} is not a link; move it away and run set-up again", link.display());
    }
    let fresh = repo.path(&format!(".libtorch.{}.tmp", std::process::id()));
    symlink(home, &fresh)?;
    fs::rename(&fresh, &link).with_context(|| format!("cannot replace {}", link.display()))?;
    if before.is_some() {
        forget_builds(repo)?;
    }
    Ok(())
}

/// Removes build outputs made with the libtorch that the link pointed at before. cargo sees only the name of the
/// link, which has not changed, and would keep the old headers and library path.
fn forget_builds(repo: &Repo) -> Result<()> {
    for profile in ["dev", "release"] {
        let packages = ["--package", "torch-sys", "--package", "sst-kernels"];
        let args = [&["clean", "--quiet", "--profile", profile], &packages[..]].concat();
        exec::run_quietly(&mut repo.cargo(&args))?;
    }
    Ok(())
}

/// Whether this machine has an NVIDIA driver that CUDA 13 can use.
fn has_driver() -> bool {
    if OS != "linux" {
        return false;
    }
    let mut query = Command::new("nvidia-smi");
    query.args(["--query-gpu=driver_version", "--format=csv,noheader"]);
    query.stderr(std::process::Stdio::null());
    if let Ok(answer) = query.output()
        && answer.status.success()
        && let Some(major) = driver_major(&String::from_utf8_lossy(&answer.stdout))
    {
        if major < CUDA_13_DRIVER {
            eprintln!(
                "the NVIDIA driver is version {major}, and CUDA 13 needs {CUDA_13_DRIVER} or later: \
                 the CPU set is used (`--cuda` overrules this)"
            );
        }
        return major >= CUDA_13_DRIVER;
    }
    let folders = ["/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/wsl/lib"];
    let library = |folder: &&str| PathBuf::from(folder).join("libcuda.so.1").exists();
    Path::new("/proc/driver/nvidia/version").exists() || folders.iter().any(library)
}

/// Parses the major driver version from the output of `nvidia-smi`, which has one line per GPU.
fn driver_major(answer: &str) -> Option<u32> {
    answer.lines().next()?.trim().split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn driver_version() {
        assert_eq!(driver_major("580.95.05\n580.95.05\n"), Some(580));
        assert_eq!(driver_major("No devices were found\n"), None);
        assert_eq!(driver_major(""), None);
    }

    fn libtorch(dir: &Path, version: &str) {
        let library = if OS == "macos" { "libtorch_cpu.dylib" } else { "libtorch_cpu.so" };
        for file in ["build-version", "include/torch/csrc/api/include/torch/torch.h"] {
            fs::create_dir_all(dir.join(file).parent().unwrap()).unwrap();
            fs::write(dir.join(file), version).unwrap();
        }
        fs::create_dir_all(dir.join("lib")).unwrap();
        fs::write(dir.join("lib").join(library), "").unwrap();
    }

    #[test]
    fn only_the_pinned_release_serves() {
        let dir = tempfile::tempdir().unwrap();
        let error = check(dir.path()).unwrap_err().to_string();
        assert!(error.contains("holds no lib/libtorch_cpu"), "{error}");
        libtorch(dir.path(), "2.10.0+cpu");
        let error = check(dir.path()).unwrap_err().to_string();
        assert!(error.contains("is libtorch 2.10.0, but tch binds 2.11.0 alone"), "{error}");
        libtorch(dir.path(), "2.11.0+cu130\n");
        check(dir.path()).unwrap();
    }
}
