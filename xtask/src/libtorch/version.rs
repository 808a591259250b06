//! Determines the release of a libtorch folder.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

/// The release in `home`, without a local suffix such as `+cpu`. It is read from `build-version` (a libtorch
/// archive), `version.py` (the `torch` folder of a Python package), or the header.
pub(super) fn of(home: &Path) -> Result<String> {
    let read = |file: &str| fs::read_to_string(home.join(file)).ok();
    let found = read("build-version")
        .or_else(|| python(&read("version.py")?))
        .or_else(|| header(&read("include/torch/headeronly/version.h")?))
        .or_else(|| header(&read("include/torch/csrc/api/include/torch/version.h")?));
    match found {
        Some(version) => Ok(version.trim().split('+').next().unwrap_or_default().to_owned()),
        None => bail!(
            "{} does not say its version; write it into a file build-version there",
            home.display()
        ),
    }
}

/// `__version__ = '2.11.0+cu130'`
fn python(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix("__version__ = "))?;
    Some(line.trim().trim_matches(['\'', '"']).to_owned())
}

/// Parses `#define TORCH_VERSION_MAJOR 2` and the lines for MINOR and PATCH.
fn header(text: &str) -> Option<String> {
    let part = |name: &str| {
        let prefix = format!("#define TORCH_VERSION_{name} ");
        text.lines().find_map(|line| Some(line.strip_prefix(&prefix)?.trim().to_owned()))
    };
    Some(format!("{}.{}.{}", part("MAJOR")?, part("MINOR")?, part("PATCH")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, text: &str, expected: &str) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        assert_eq!(of(dir.path()).unwrap(), expected);
    }

    #[test]
    fn three_places() {
        check("build-version", "2.11.0+cpu\n", "2.11.0");
        check("version.py", "debug = False\n__version__ = '2.11.0+cu130'\n", "2.11.0");
        let defines = "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 9\n\
                       #define TORCH_VERSION_PATCH 1\n";
        check("include/torch/headeronly/version.h", defines, "2.9.1");
        check("include/torch/csrc/api/include/torch/version.h", defines, "2.9.1");
    }

    #[test]
    fn no_place() {
        let dir = tempfile::tempdir().unwrap();
        assert!(of(dir.path()).unwrap_err().to_string().contains("build-version"));
    }
}
