//! Downloads Debian packages through apt-get, which verifies their signatures.
//!
//! No version is pinned, because Debian removes a version when the next one is released. The version in use is
//! printed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::archive::{self, Take};
use crate::exec;

/// A package in its current version, and the files to extract.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) takes: &'static [Take],
}

/// Downloads `packages` and extracts the selected files into the folder `into`.
pub(crate) fn take(packages: &[Package], into: &Path) -> Result<()> {
    let names: Vec<_> = packages.iter().map(|package| package.name).collect();
    for program in ["apt-get", "dpkg-deb"] {
        if !exec::succeeds(Command::new(program).arg("--version")) {
            bail!(
                "{} come from Debian, and there is no {program}: this needs Debian or a system \
                 made from it",
                names.join(" and ")
            );
        }
    }
    fs::create_dir_all(into)?;
    let staging = tempfile::tempdir_in(into)?;
    let mut apt = Command::new("apt-get");
    apt.arg("download").args(&names).current_dir(staging.path());
    exec::run_quietly(&mut apt)
        .context("apt-get has no such package; does `apt-get update` help?")?;
    for package in packages {
        let file = downloaded(staging.path(), package.name)?;
        eprintln!("{} {}", package.name, version(&file));
        unpack(&file, package, into)?;
    }
    Ok(())
}

fn unpack(file: &Path, package: &Package, into: &Path) -> Result<()> {
    let mut command = Command::new("dpkg-deb");
    command.arg("--fsys-tarfile").arg(file).stdout(Stdio::piped());
    let mut child = command.spawn().context("`dpkg-deb` does not start")?;
    let mut stream = child.stdout.take().context("`dpkg-deb` has no output")?;
    let unpacked = archive::unpack_stream(package.name, &mut stream, package.takes, into)
        // The tar reader stops before the padding at the end. Read the rest, so that dpkg-deb can write it and exit.
        .and_then(|()| Ok(io::copy(&mut stream, &mut io::sink())?));
    drop(stream);
    let status = child.wait()?;
    unpacked?;
    if !status.success() {
        bail!("`dpkg-deb --fsys-tarfile {}` failed ({status})", file.display());
    }
    Ok(())
}

/// The file of `package` in `folder`. apt-get names it NAME_VERSION_ARCHITECTURE.deb.
fn downloaded(folder: &Path, package: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_it = name.strip_prefix(package).is_some_and(|rest| rest.starts_with('_'));
        if is_it && name.ends_with(".deb") {
            return Ok(path);
        }
    }
    bail!("apt-get download left no file of {package}");
}

/// The version in a file name, in which a colon is written `%3a`.
fn version(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.split('_').nth(1).unwrap_or_default().replace("%3a", ":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_package_is_found_by_its_whole_name() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a-help_4%3a7.4.7-1+deb12u14_all.deb", "a-help-fr_1_all.deb", "b_1_all.txt"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let version_of =
            |package: &str| downloaded(dir.path(), package).map(|file| version(&file)).ok();
        assert_eq!(version_of("a-help").as_deref(), Some("4:7.4.7-1+deb12u14"));
        assert_eq!(version_of("a-help-fr").as_deref(), Some("1"));
        assert_eq!(version_of("a").as_deref(), None);
        assert_eq!(version_of("b").as_deref(), None);
    }
}
