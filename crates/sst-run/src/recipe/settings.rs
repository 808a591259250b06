//! The keys of the recipe that give the settings of the libraries.
//!
//! An error of a library names fields of its own configurations ([`NamesSettings`]). Each section of the recipe says
//! which key gives which of them (`Keys::settings`), and messages to the user of a recipe end with those keys.

use std::fmt::Display;

use sst_data::NamesSettings;
use sst_objectives::ObjectiveError;

use super::SECTIONS;
use super::error::Problem;
use super::section::join;
use super::task::Task;

/// The sections that each task has for itself.
const OF_TASKS: [&str; 3] = ["data.", "objective.", "curriculum."];

/// The key of the recipe that gives the setting with this path, such as `data.workers` for `LoaderConfig::workers`;
/// `None` if none does. Keys of tasks are written without `tasks.NAME.`.
pub fn key_of(setting: &str) -> Option<&'static str> {
    let mut all = SECTIONS.iter().flat_map(|keys| keys.settings);
    all.find(|(known, _)| known.path() == setting).map(|(_, key)| *key)
}

/// `` (`data.max_length` in the recipe)``: the keys that give the settings of the error. Empty if there are none.
pub(crate) fn keys(error: &impl NamesSettings) -> String {
    listed(error, str::to_owned)
}

impl Task {
    /// The message of an error about this task, and the keys that give the settings of the error.
    pub(crate) fn message(&self, error: &(impl NamesSettings + Display)) -> String {
        let keys =
            listed(error, |key| match OF_TASKS.iter().any(|section| key.starts_with(section)) {
                true => self.key(key),
                false => key.to_owned(),
            });
        format!("{error}{keys}")
    }

    /// The problem of the objective's key `path`, with which the message of `error` begins.
    pub(crate) fn objective_problem(&self, path: &str, error: &ObjectiveError) -> Problem {
        let message = self.message(error);
        let message = message.strip_prefix(path).unwrap_or(&message).trim_start_matches(": ");
        Problem::new(&join(&self.key("objective"), path), message)
    }
}

fn listed(error: &impl NamesSettings, name: impl Fn(&str) -> String) -> String {
    let settings = error.settings().into_iter();
    let keys = settings.filter_map(|setting| Some(format!("`{}`", name(key_of(setting.path())?))));
    let keys: Vec<String> = keys.collect();
    match keys.split_last() {
        None => String::new(),
        Some((only, [])) => format!(" ({only} in the recipe)"),
        Some((last, others)) => format!(" ({} and {last} in the recipe)", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sst_data::Setting;

    use super::*;
    use crate::recipe::{RunConfig, Written};

    /// The settings that no recipe gives: those of commands without one.
    const NOT_IN_RECIPES: [Setting; 5] = [
        sst_data::setting::SYNONYM_FILES,
        sst_models::setting::MAX_LENGTH,
        sst_models::setting::NORMALIZE,
        sst_models::setting::PROMPT,
        sst_models::setting::AUTOCAST,
    ];

    fn all() -> Vec<Setting> {
        let lists = [
            sst_data::setting::ALL,
            sst_models::setting::ALL,
            sst_objectives::setting::ALL,
            sst_train::setting::ALL,
        ];
        lists.concat()
    }

    /// Whether a recipe may have this key, whatever its value.
    fn exists(key: &str) -> bool {
        let refused = |objective: &str| {
            let text = format!(
                "[data]\npaths = ['x']\nmax_length = 8\n[tokenizer]\npath = 'x'\n[model]\ntype = 'bert'\n\
                 [objective]\nname = '{objective}'\n[train]\nsteps = '1step'\n"
            );
            let mut written = Written::parse("r.toml", "r".to_owned(), &text).unwrap();
            written.set(&format!("{key}={{ no_such_key = 1 }}")).unwrap();
            let problem = RunConfig::fill(&written).unwrap_err();
            problem.message.starts_with("unknown key") && !problem.key.ends_with("no_such_key")
        };
        !sst_objectives::list().iter().all(|entry| refused(entry.name))
    }

    #[test]
    fn every_setting_that_an_error_names_has_a_key() {
        for setting in all() {
            match key_of(setting.path()) {
                Some(key) => assert!(exists(key), "{}: there is no key {key}", setting.path()),
                None => assert!(
                    NOT_IN_RECIPES.contains(&setting),
                    "{}: add it to `settings` of its section",
                    setting.path()
                ),
            }
        }
        assert!(NOT_IN_RECIPES.iter().all(|setting| key_of(setting.path()).is_none()));
        assert!(!exists("data.max_lengths") && !exists("objective.units"));
    }

    #[test]
    fn every_key_is_that_of_a_known_setting_and_no_path_is_used_twice() {
        let known = all();
        let paths: BTreeSet<&str> = known.iter().map(|setting| setting.path()).collect();
        assert_eq!(paths.len(), known.len());
        let mut given = BTreeSet::new();
        for (setting, key) in SECTIONS.iter().flat_map(|keys| keys.settings) {
            assert!(paths.contains(setting.path()), "{key}");
            assert!(given.insert(setting.path()), "{} has two keys", setting.path());
        }
    }

    #[test]
    fn keys_are_listed_after_the_message() {
        struct About(Vec<Setting>);
        impl NamesSettings for About {
            fn settings(&self) -> Vec<Setting> {
                self.0.clone()
            }
        }
        use sst_data::setting::{CLEAN, FRACTION, PATHS, SYNONYM_FILES};
        let check =
            |settings: &[Setting], expected| assert_eq!(keys(&About(settings.to_vec())), expected);
        check(&[], "");
        check(&[SYNONYM_FILES], "");
        check(&[PATHS], " (`data.paths` in the recipe)");
        check(
            &[PATHS, CLEAN, FRACTION],
            " (`data.paths`, `data.clean` and `data.validation` in the recipe)",
        );
    }
}
