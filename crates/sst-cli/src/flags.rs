//! The flags that give the settings which errors of the libraries name, for commands without a recipe.

use std::error::Error;

use sst_data::augment::AugmentError;
use sst_data::pictures::PictureError;
use sst_data::read::ReadError;
use sst_data::store::PrepareError;
use sst_data::{NamesSettings, Setting, setting};

use crate::exit;

/// The flags of settings of sst-data. Those of the libraries over libtorch are added by `sst-engine`.
pub const FLAGS: &[(Setting, &str)] = &[
    (setting::FORMAT, "--format"),
    (setting::TEXT_FIELD, "--text-field"),
    (setting::MAX_LENGTH, "--max-length"),
    (setting::MIN_FREQUENCY, "--min-frequency"),
    (setting::SYNONYM_FILES, "--synonyms"),
    (setting::PICTURE_PATHS, "--data"),
    (setting::PICTURE_FIELD, "--image-field"),
    (setting::MAX_PIXELS, "--max-pixels"),
    (setting::MAX_FILE_BYTES, "--max-file-bytes"),
];

/// `` (`--format`)``: the flags among `flags` that give these settings. Empty if there are none.
pub fn shown(settings: &[Setting], flags: &[(Setting, &str)]) -> String {
    let flag = |setting: &Setting| flags.iter().find(|(known, _)| known == setting);
    let found: Vec<String> =
        settings.iter().filter_map(flag).map(|(_, flag)| format!("`{flag}`")).collect();
    listed(&found)
}

/// `` (`--range-min`)``: the flags of the keys of a configuration, where each key is a flag with hyphens. Empty if there
/// are none.
pub fn of_keys(keys: &[&str]) -> String {
    let flags = keys.iter().map(|key| format!("`--{}`", key.replace('_', "-")));
    listed(&flags.collect::<Vec<String>>())
}

fn listed(flags: &[String]) -> String {
    if flags.is_empty() { String::new() } else { format!(" ({})", flags.join(" and ")) }
}

/// The settings that an error of sst-data names.
pub fn settings(error: &(dyn Error + 'static)) -> Vec<Setting> {
    fn of<E: Error + NamesSettings + 'static>(
        error: &(dyn Error + 'static),
    ) -> Option<Vec<Setting>> {
        error.downcast_ref::<E>().map(NamesSettings::settings)
    }
    let found = of::<ReadError>(error).or_else(|| of::<PrepareError>(error));
    let found = found.or_else(|| of::<AugmentError>(error));
    found.or_else(|| of::<PictureError>(error)).unwrap_or_default()
}

/// Adds to the message of an error the flags that give the settings which it names. `settings` returns the settings
/// that one cause of the error names.
pub fn with_flags(
    error: anyhow::Error,
    flags: &[(Setting, &str)],
    settings: fn(&(dyn Error + 'static)) -> Vec<Setting>,
) -> anyhow::Error {
    let found =
        error.chain().map(|cause| shown(&settings(cause), flags)).find(|shown| !shown.is_empty());
    match found {
        Some(shown) => {
            let message = exit::message(&error) + &shown;
            error.context(message)
        }
        None => error,
    }
}

/// What a warning says of the setting with this path, for commands without a recipe.
pub fn of_path(path: &str) -> Option<String> {
    let found = FLAGS.iter().find(|(setting, _)| setting.path() == path);
    found.map(|(_, flag)| format!("`{flag}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_of_keys_have_hyphens() {
        assert_eq!(of_keys(&[]), "");
        assert_eq!(of_keys(&["stride", "range_min"]), " (`--stride` and `--range-min`)");
    }
}
