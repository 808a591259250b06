//! The command line of an evaluator that a section `[eval.NAME]` stands for: each key is an argument of `sst eval`, with _ in
//! place of -.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction};
use serde_json::Value;
use sst_eval::{Entry, InputKind};
use sst_run::{Evaluation, Measurement};

use crate::cmd::eval;

/// Arguments that the page sets.
const OWN: [&str; 7] = ["model", "json", "help", "device", "threads", "no_twin", "grid"];

/// The arguments of one section.
#[derive(Debug, Clone)]
pub(super) struct Words {
    entry: &'static Entry,
    given: Vec<OsString>,
}

impl Words {
    /// Reads the keys of a section.
    ///
    /// # Errors
    /// If the evaluator does not exist or cannot be run by itself, a key is not one of its arguments, a value is not
    /// valid, or an argument is missing; the error names the line.
    pub(super) fn read(page: &Evaluation, section: &Measurement) -> Result<Self> {
        let key = format!("eval.{}", section.name);
        let entry = sst_eval::entry(&section.evaluator).map_err(|error| {
            let message = format!("{error}; write evaluator = \"NAME\" in this section");
            page.refuse(&key, message)
        })?;
        if entry.needs_objective {
            let message = format!("{} measures an objective while it trains", entry.name);
            return Err(page.refuse(&key, message).into());
        }
        let command = eval::arguments(entry);
        let known: Vec<(String, &Arg)> = command
            .get_arguments()
            .filter_map(|arg| Some((arg.get_long()?.replace('-', "_"), arg)))
            .filter(|(name, _)| !OWN.contains(&name.as_str()))
            .collect();
        let mut given = Vec::new();
        for (name, value) in &section.arguments {
            let key = format!("{key}.{name}");
            let Some((_, arg)) = known.iter().find(|(known, _)| known == name) else {
                let known = known.iter().map(|(name, _)| name.as_str());
                let known: Vec<&str> = known.chain(["evaluator", "train", "set"]).collect();
                return Err(page.unknown_key(&key, &known).into());
            };
            let words = words_of(arg, value).map_err(|message| page.refuse(&key, message))?;
            given.extend(words.into_iter().map(OsString::from));
        }
        let words = Self { entry, given };
        let line = words.line(Path::new("MODEL"), &[]);
        command.try_get_matches_from(line).map_err(|error| page.refuse(&key, why(&error)))?;
        Ok(words)
    }

    /// The evaluator.
    pub(super) fn entry(&self) -> &'static Entry {
        self.entry
    }

    /// The words after `sst eval` for a model, with these further ones.
    pub(super) fn line(&self, model: &Path, more: &[OsString]) -> Vec<OsString> {
        let mut line = vec![OsString::from(self.entry.name)];
        let mut model_word = OsString::from("--model=");
        model_word.push(model);
        line.push(model_word);
        line.extend(self.given.iter().cloned());
        // The page measures twins itself, so that each evaluator has one.
        if self.entry.input == InputKind::LabelledRows {
            line.push(OsString::from("--no-twin"));
        }
        line.extend(more.iter().cloned());
        line
    }

    /// Whether the evaluator can draw a grid of pictures (`--grid FILE`).
    pub(super) fn can_draw_grid(&self) -> bool {
        eval::arguments(self.entry).get_arguments().any(|arg| arg.get_long() == Some("grid"))
    }

    /// Whether the section names the data that is measured on.
    pub(super) fn has_data(&self) -> bool {
        let is_data = |word: &OsString| word.to_string_lossy().starts_with("--data=");
        self.given.iter().any(is_data)
    }
}

/// The words of one key.
fn words_of(arg: &Arg, value: &Value) -> Result<Vec<String>, String> {
    let long = arg.get_long().unwrap_or_default();
    let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
    let is_list = matches!(arg.get_action(), ArgAction::Append);
    match (value, is_switch) {
        (Value::Bool(true), true) => Ok(vec![format!("--{long}")]),
        (Value::Bool(false), true) => Ok(Vec::new()),
        (_, true) => Err("is true or false".to_owned()),
        (Value::Array(items), false) if is_list => {
            items.iter().map(|item| Ok(format!("--{long}={}", scalar(item)?))).collect()
        }
        (Value::Array(_), false) => Err("takes one value, and this is a list".to_owned()),
        (Value::Object(table), false) if is_list => {
            let word = |(name, value): (&String, &Value)| {
                Ok(format!("--{long}={name}={}", scalar(value)?))
            };
            table.iter().map(word).collect()
        }
        (value, false) => Ok(vec![format!("--{long}={}", scalar(value)?)]),
    }
}

fn scalar(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        _ => Err("is neither a text nor a number".to_owned()),
    }
}

/// What is wrong, in terms of keys.
fn why(error: &clap::Error) -> String {
    let named = |kind| match error.get(kind) {
        Some(ContextValue::Strings(names)) => names.join(", "),
        Some(ContextValue::String(name)) => name.clone(),
        _ => String::new(),
    };
    let keys = named(ContextKind::InvalidArg);
    let keys: Vec<String> = keys
        .split(", ")
        .filter_map(|word| word.strip_prefix("--"))
        .map(|word| word.split([' ', '=']).next().unwrap_or(word).replace('-', "_"))
        .collect();
    match error.kind() {
        ErrorKind::MissingRequiredArgument => format!("lacks the key {}", keys.join(", ")),
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            first.trim_start_matches("error: ").to_owned()
        }
    }
}
