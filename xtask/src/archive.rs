//! Extracts selected files from a wheel (zip), a source package (tar.gz) or a tar stream. Nothing in them is
//! executed.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};

/// A file or folder to extract, and its new path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Take {
    /// The path in the archive. With a final `/` it is a folder: all files below are extracted.
    pub(crate) from: &'static str,
    /// The new path. With a final `/` it is the new folder of what lies below `from`.
    pub(crate) to: &'static str,
}

/// Extracts what `takes` names into the folder `into`. A name that matches nothing is an error.
pub(crate) fn unpack(archive: &Path, takes: &[Take], into: &Path) -> Result<()> {
    let file = File::open(archive).with_context(|| format!("cannot open {}", archive.display()))?;
    let is_tar = archive.extension().is_some_and(|extension| extension != "whl");
    write_taken(&archive.display().to_string(), takes, into, |visit| {
        if is_tar {
            read_tar(flate2::read::GzDecoder::new(file), visit)
        } else {
            read_zip(file, visit)
        }
    })
}

/// Like [`unpack`], for a tar stream. `name` names the archive in errors.
pub(crate) fn unpack_stream(
    name: &str,
    stream: impl Read,
    takes: &[Take],
    into: &Path,
) -> Result<()> {
    write_taken(name, takes, into, |visit| read_tar(stream, visit))
}

fn write_taken(
    name: &str,
    takes: &[Take],
    into: &Path,
    read: impl FnOnce(Visit<'_>) -> Result<()>,
) -> Result<()> {
    let mut taken = vec![0_u32; takes.len()];
    let mut take = |name: &str, content: &mut dyn Read| -> Result<()> {
        for (take, count) in takes.iter().zip(&mut taken) {
            if let Some(target) = destination(take, name)? {
                write(&into.join(target), content)?;
                *count += 1;
                break;
            }
        }
        Ok(())
    };
    read(&mut take).with_context(|| format!("cannot unpack {name}"))?;
    if let Some((missing, _)) = takes.iter().zip(&taken).find(|(_, count)| **count == 0) {
        bail!("{name} has no {}", missing.from);
    }
    Ok(())
}

type Visit<'a> = &'a mut dyn FnMut(&str, &mut dyn Read) -> Result<()>;

fn read_zip(file: File, visit: Visit<'_>) -> Result<()> {
    let mut zip = zip::ZipArchive::new(file)?;
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index)?;
        if entry.is_file() {
            let name = entry.name()?.into_owned();
            visit(&name, &mut entry)?;
        }
    }
    Ok(())
}

fn read_tar(stream: impl Read, visit: Visit<'_>) -> Result<()> {
    let mut tar = tar::Archive::new(stream);
    for entry in tar.entries()? {
        let mut entry = entry?;
        if entry.header().entry_type().is_file() {
            let name = String::from_utf8(entry.path_bytes().into_owned())?;
            // Paths in Debian packages start with `./`.
            let name = name.strip_prefix("./").unwrap_or(&name);
            visit(name, &mut entry)?;
        }
    }
    Ok(())
}

/// The new path of the entry `name` by `take`; `None` if it is not selected.
fn destination(take: &Take, name: &str) -> Result<Option<PathBuf>> {
    let Some(rest) = name.strip_prefix(take.from) else { return Ok(None) };
    if !take.from.ends_with('/') {
        return Ok(rest.is_empty().then(|| PathBuf::from(take.to)));
    }
    let inside = Path::new(rest);
    if !inside.components().all(|part| matches!(part, Component::Normal(_))) {
        bail!("the entry {name:?} points out of its folder");
    }
    Ok(Some(Path::new(take.to).join(inside)))
}

fn write(path: &Path, content: &mut dyn Read) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file =
        File::create_new(path).with_context(|| format!("cannot make {}", path.display()))?;
    io::copy(content, &mut file).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const TAKES: [Take; 2] =
        [Take { from: "p/lib/a.so", to: "lib/a.so" }, Take { from: "p/include/", to: "include/" }];

    fn zip(path: &Path, entries: &[(&str, &str)]) {
        let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
        for (name, text) in entries {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
    }

    fn tar_gz(path: &Path, entries: &[(&str, &str)]) {
        let gzip = flate2::write::GzEncoder::new(
            File::create(path).unwrap(),
            flate2::Compression::default(),
        );
        let mut tar = tar::Builder::new(gzip);
        for (name, text) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            // The path is written by hand, because the safe interface refuses the hostile names that are tested here.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            tar.append(&header, text.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap();
    }

    fn check(entries: &[(&str, &str)], expected: Result<&[(&str, &str)], &str>) {
        for name in ["p.whl", "p.tar.gz"] {
            let dir = tempfile::tempdir().unwrap();
            let archive = dir.path().join(name);
            if name.ends_with(".whl") {
                zip(&archive, entries)
            } else {
                tar_gz(&archive, entries)
            }
            let into = dir.path().join("into");
            match (unpack(&archive, &TAKES, &into), expected) {
                (Ok(()), Ok(files)) => {
                    for (file, text) in files {
                        assert_eq!(&fs::read_to_string(into.join(file)).unwrap(), text);
                    }
                    assert!(!into.join("other").exists());
                }
                (Err(error), Err(part)) => {
                    let error = format!("{error:#}");
                    assert!(error.contains(part), "{error}");
                }
                (found, _) => panic!("{name}: {found:?} instead of {expected:?}"),
            }
        }
    }

    #[test]
    fn takes_what_is_named() {
        check(
            &[
                ("p/lib/a.so", "A"),
                ("p/include/x/y.h", "Y"),
                ("other", "O"),
                ("p/lib/a.so.1", "no"),
            ],
            Ok(&[("lib/a.so", "A"), ("include/x/y.h", "Y")]),
        );
    }

    #[test]
    fn refuses_what_is_missing_or_hostile() {
        check(&[("p/lib/a.so", "A")], Err("has no p/include/"));
        check(&[("p/lib/a.so", "A"), ("p/include/../../evil", "E")], Err("points out"));
        check(&[("p/lib/a.so", "A"), ("p/include//etc/evil", "E")], Err("points out"));
    }

    #[test]
    fn a_stream_is_taken_from_like_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let archive = dir.path().join("p.tar.gz");
        tar_gz(&archive, &[("./p/lib/a.so", "A"), ("./p/include/y.h", "Y")]);
        let stream = || flate2::read::GzDecoder::new(File::open(&archive).unwrap());
        let into = dir.path().join("into");
        unpack_stream("p", stream(), &TAKES, &into).unwrap();
        assert_eq!(fs::read_to_string(into.join("lib/a.so")).unwrap(), "A");
        let other = [Take { from: "q/", to: "" }];
        let error = unpack_stream("p", stream(), &other, &into).unwrap_err();
        assert_eq!(error.to_string(), "p has no q/");
    }

    #[test]
    fn refuses_a_broken_archive() {
        let dir = tempfile::tempdir().unwrap();
        let archive = dir.path().join("p.whl");
        zip(&archive, &[("p/lib/a.so", "A"), ("p/include/y.h", "Y")]);
        let bytes = fs::read(&archive).unwrap();
        fs::write(&archive, &bytes[..bytes.len() - 30]).unwrap();
        assert!(unpack(&archive, &TAKES, dir.path()).is_err());
    }
}
