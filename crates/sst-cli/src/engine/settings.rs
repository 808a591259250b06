//! What the user calls the settings that messages of the libraries name: the key of the recipe, or the flag.

use std::error::Error;

use anyhow::Result;
use sst_cli::args::{Command, DataCommand, DeviceArgs};
use sst_cli::exit::Usage;
use sst_cli::flags;
use sst_cli::logging::NameOfSetting;
use sst_data::{NamesSettings, Setting};
use sst_models::{ModelError, setting};
use sst_run::{RunError, device, recipe};
use tch::Device;

/// The flags of settings of the libraries over libtorch.
pub(crate) const FLAGS: &[(Setting, &str)] = &[
    (setting::MAX_LENGTH, "--max-length"),
    (setting::NORMALIZE, "--normalize"),
    (setting::PROMPT, "--prompt"),
    (setting::AUTOCAST, "--precision"),
];

/// The settings that an error names.
pub(crate) fn of(error: &(dyn Error + 'static)) -> Vec<Setting> {
    match error.downcast_ref::<ModelError>() {
        Some(error) => error.settings(),
        None => flags::settings(error),
    }
}

/// Opens the device that the options of a command ask for.
///
/// # Errors
/// If it is not usable; the message names the option.
pub(crate) fn open_device(args: &DeviceArgs) -> Result<Device> {
    device::open(&args.device, args.threads).map_err(|error| match error {
        RunError::Device(message) => Usage(format!("{message} (`--device`)")).into(),
        other => other.into(),
    })
}

/// How warnings name settings in this command.
pub(crate) fn name(command: &Command) -> NameOfSetting {
    match command {
        Command::Train(_) | Command::VerifyResume(_) | Command::Data(DataCommand::Prepare(_)) => {
            key
        }
        _ => flag,
    }
}

fn key(path: &str) -> Option<String> {
    recipe::key_of(path).map(|key| format!("`{key}` in the recipe"))
}

fn flag(path: &str) -> Option<String> {
    let found = FLAGS.iter().find(|(setting, _)| setting.path() == path);
    found.map(|(_, flag)| format!("`{flag}`")).or_else(|| flags::of_path(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_key_or_a_flag() {
        let lists = [
            sst_data::setting::ALL,
            setting::ALL,
            sst_objectives::setting::ALL,
            sst_train::setting::ALL,
        ];
        for setting in lists.concat() {
            let is_flag = [flags::FLAGS, FLAGS].concat().iter().any(|(known, _)| *known == setting);
            let is_named = is_flag || recipe::key_of(setting.path()).is_some();
            assert!(is_named, "{}", setting.path());
        }
    }
}
