//! A recipe as it was written: its values, and where each stands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Number, Value};
use sst_data::read::require_readable;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Problem, RecipeError};

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    /// A line of the recipe, from 1.
    Line(usize),
    /// The text of a `--set`.
    Set(String),
}

/// The values of a recipe and of its overrides.
#[derive(Debug)]
pub(crate) struct Written {
    /// What errors call it.
    file: String,
    path: Option<PathBuf>,
    stem: String,
    value: Value,
    /// By key, such as `train.batch_size`; tables have one too.
    origins: BTreeMap<String, Origin>,
}

impl Written {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// If it cannot be read or is not TOML, with the line.
    pub(crate) fn read(path: &Path) -> Result<Self, RecipeError> {
        let file = path.display().to_string();
        let text = require_readable(path).and_then(|()| std::fs::read_to_string(path));
        let text = text.map_err(|error| RecipeError {
            place: file.clone(),
            message: format!("cannot read this recipe: {error}"),
        })?;
        let stem = path.file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into());
        let written = Self::parse(&file, stem, &text)?;
        Ok(Self { path: Some(path.to_owned()), ..written })
    }

    /// Takes the text of a recipe; `file` and `stem` are its name and that without the extension.
    pub(crate) fn parse(file: &str, stem: String, text: &str) -> Result<Self, RecipeError> {
        let at = |offset: usize, message: String| RecipeError {
            place: format!("{file}:{}", line_of(text, offset)),
            message,
        };
        let table = DeTable::parse(text)
            .map_err(|e| at(e.span().map_or(0, |span| span.start), e.message().to_owned()))?;
        let mut origins = BTreeMap::new();
        let value = table_to_json(table.get_ref(), "", &mut |key, offset| {
            origins.insert(key.to_owned(), Origin::Line(line_of(text, offset)));
        });
        let value = value.map_err(|(offset, message)| at(offset, message))?;
        Ok(Self { file: file.to_owned(), path: None, stem, value, origins })
    }

    /// Puts an override `key=value` on it. The value is TOML; what is not TOML is taken as text, so
    /// that `--set run.name=short` needs no quotes.
    ///
    /// # Errors
    /// If there is no `=`, or the key runs through something that is no section.
    pub(crate) fn set(&mut self, set: &str) -> Result<(), RecipeError> {
        let place = format!("--set {set}");
        let error = |message: String| RecipeError { place: place.clone(), message };
        let (key, text) = set
            .split_once('=')
            .ok_or_else(|| error("write it as KEY=VALUE, as in train.steps=200step".to_owned()))?;
        let (key, text) = (key.trim(), text.trim());
        let parts: Vec<&str> = key.split('.').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(error(format!("`{key}` is not a key, as train.steps is")));
        }
        let quoted = Value::String(text.to_owned());
        let parsed = DeValue::parse(text).ok();
        let parsed = parsed.and_then(|v| value_to_json(&v, key, &mut |_, _| {}).ok());
        let mut target = &mut self.value;
        for (depth, part) in parts.iter().enumerate() {
            let Value::Object(table) = target else {
                let section = parts[..depth].join(".");
                return Err(error(format!("{section} is not a section, so it has no `{part}`")));
            };
            target = table.entry(*part).or_insert_with(|| Value::Object(Map::new()));
        }
        *target = parsed.unwrap_or(quoted);
        let is_below =
            |other: &str| other.strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', '[']));
        self.origins.retain(|other, _| !is_below(other));
        self.origins.insert(key.to_owned(), Origin::Set(set.to_owned()));
        Ok(())
    }

    /// The values.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// The value under a key such as `train.batch_size`, if it was written.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        key.split('.').try_fold(&self.value, |value, name| value.get(name))
    }

    /// Where a key was written, or the section it would stand in.
    pub(crate) fn place(&self, key: &str) -> String {
        self.locate(Problem::new(key, "")).place
    }

    /// The recipe's file; nothing for a text that was read from none.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The recipe's file name without its extension.
    pub(crate) fn stem(&self) -> String {
        self.stem.clone()
    }

    /// The error for a problem: its key traced back to where it, or the section it would stand in,
    /// was written.
    pub(crate) fn locate(&self, problem: Problem) -> RecipeError {
        let Problem { key, message, whole } = problem;
        let message = if whole || key.is_empty() { message } else { format!("{key}: {message}") };
        // `data.paths[0]` stands where `data.paths` does, but a table of a list has a place of its own.
        let mut wanted = &*key;
        while wanted.contains('[') && !self.origins.contains_key(wanted) {
            wanted = &wanted[..wanted.rfind(['.', '[']).unwrap_or_default()];
        }
        // What a task does not say it has from the section that all tasks share.
        if let Some(shared) = shared(wanted)
            && !self.origins.contains_key(wanted)
            && self.origins.contains_key(shared)
        {
            wanted = shared;
        }
        // A section that only an override below it makes, as `trian` is made by `--set trian.steps=1step`.
        let below = format!("{wanted}.");
        let mut inner =
            self.origins.range(below.clone()..).take_while(|(key, _)| key.starts_with(&below));
        if let (false, Some((_, Origin::Set(set)))) =
            (wanted.is_empty() || self.origins.contains_key(wanted), inner.next())
        {
            return RecipeError { place: format!("--set {set}"), message };
        }
        loop {
            match self.origins.get(wanted) {
                Some(Origin::Set(set)) => {
                    return RecipeError { place: format!("--set {set}"), message };
                }
                Some(Origin::Line(line)) => {
                    return RecipeError { place: format!("{}:{line}", self.file), message };
                }
                None => match wanted.rsplit_once('.') {
                    Some((section, _)) => wanted = section,
                    None => return RecipeError { place: self.file.clone(), message },
                },
            }
        }
    }
}

/// `data.paths` for `tasks.NAME.data.paths`.
fn shared(key: &str) -> Option<&str> {
    key.strip_prefix("tasks.")?.split_once('.').map(|(_, key)| key)
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// Told the key and offset of every value.
type Visit<'a> = dyn FnMut(&str, usize) + 'a;
type Converted = Result<Value, (usize, String)>;

fn table_to_json(table: &DeTable<'_>, prefix: &str, visit: &mut Visit<'_>) -> Converted {
    let mut object = Map::new();
    for (name, value) in table.iter() {
        let key = match prefix {
            "" => name.get_ref().to_string(),
            _ => format!("{prefix}.{}", name.get_ref()),
        };
        visit(&key, name.span().start);
        object.insert(name.get_ref().to_string(), value_to_json(value, &key, visit)?);
    }
    Ok(Value::Object(object))
}

fn value_to_json(value: &Spanned<DeValue<'_>>, key: &str, visit: &mut Visit<'_>) -> Converted {
    let refuse = |what: &str| Err((value.span().start, format!("{key}: {what}")));
    match value.get_ref() {
        DeValue::String(text) => Ok(Value::String(text.to_string())),
        DeValue::Boolean(on) => Ok(Value::Bool(*on)),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Ok(number.into()),
            Err(_) => refuse("this whole number does not fit 64 bits"),
        },
        DeValue::Float(number) => {
            match number.as_str().parse::<f64>().ok().and_then(Number::from_f64) {
                Some(number) => Ok(Value::Number(number)),
                None => refuse("this number is not finite"),
            }
        }
        DeValue::Array(array) => {
            let items = array.iter().enumerate().map(|(i, item)| {
                let key = format!("{key}[{i}]");
                if matches!(item.get_ref(), DeValue::Table(_)) {
                    visit(&key, item.span().start);
                }
                value_to_json(item, &key, visit)
            });
            items.collect()
        }
        DeValue::Table(table) => table_to_json(table, key, visit),
        DeValue::Datetime(_) => refuse("no key takes a date"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(text: &str) -> Written {
        Written::parse("r.toml", "r".into(), text).unwrap()
    }

    fn place(written: &Written, key: &str) -> String {
        written.place(key)
    }

    #[test]
    fn every_key_knows_its_line() {
        let written =
            recipe("[run]\nname = 'a'\n\n[data.clean]\nnfkc = true\npair = { one = 1 }\n");
        let check = |key, expected| assert_eq!(place(&written, key), expected, "{key}");
        check("run.name", "r.toml:2");
        check("data.clean.nfkc", "r.toml:5");
        check("data.clean.pair.one", "r.toml:6");
        check("run.seed", "r.toml:1");
        check("data.clean.min_length[3]", "r.toml:4");
        check("train.steps", "r.toml");
    }

    #[test]
    fn tables_of_a_list_have_a_line_each() {
        let mut written =
            recipe("[[data.transform]]\nname = 'a'\n\n[[data.transform]]\nname = 'b'\ncount = 1\n");
        let check =
            |written: &Written, key, expected| assert_eq!(place(written, key), expected, "{key}");
        check(&written, "data.transform[0].name", "r.toml:2");
        check(&written, "data.transform[1].count", "r.toml:6");
        check(&written, "data.transform[1].keep", "r.toml:4");
        check(&written, "data.transform", "r.toml:1");
        written.set("data.transform=[{ name = \"c\" }]").unwrap();
        check(&written, "data.transform[1].count", "--set data.transform=[{ name = \"c\" }]");
    }

    #[test]
    fn what_a_task_does_not_say_stands_where_it_takes_it_from() {
        let written = recipe("[data]\nrows = 'x'\n[tasks.a.data]\npaths = []\n[tasks.b]\n");
        let check = |key, expected| assert_eq!(place(&written, key), expected, "{key}");
        check("tasks.a.data.paths[0]", "r.toml:4");
        check("tasks.a.data.rows", "r.toml:2");
        check("tasks.b.data.rows", "r.toml:2");
        check("tasks.b.data.paths", "r.toml:5");
    }

    #[test]
    fn an_override_takes_the_place_of_what_it_covers() {
        let mut written = recipe("[tokenizer]\ntrain = { vocab_size = 9 }\n");
        written.set("tokenizer.train.vocab_size=12").unwrap();
        written.set("run.name=short run").unwrap();
        written.set("train.optimizer.betas=[0.9, 0.95]").unwrap();
        let value = serde_json::json!({
            "tokenizer": {"train": {"vocab_size": 12}},
            "run": {"name": "short run"},
            "train": {"optimizer": {"betas": [0.9, 0.95]}},
        });
        assert_eq!(written.value(), &value);
        assert_eq!(place(&written, "run.name"), "--set run.name=short run");
        assert_eq!(
            place(&written, "tokenizer.train.vocab_size"),
            "--set tokenizer.train.vocab_size=12"
        );
        let error = written.set("run.name.x=1").unwrap_err();
        assert!(error.message.contains("run.name is not a section"), "{error}");
        assert!(written.set("steps").unwrap_err().message.contains("KEY=VALUE"));
    }

    #[test]
    fn a_section_that_an_override_makes_stands_there() {
        let mut written = recipe("[run]\nname = 'a'\n");
        written.set("trian.steps=1step").unwrap();
        written.set("train.keep.last=1").unwrap();
        let check = |key, expected| assert_eq!(place(&written, key), expected, "{key}");
        check("trian", "--set trian.steps=1step");
        check("train.keep", "--set train.keep.last=1");
        // What is missing in such a section is missing in the recipe.
        check("train.steps", "r.toml");
        check("run.seed", "r.toml:1");
    }

    #[test]
    fn broken_toml_names_its_line() {
        let error = Written::parse("r.toml", "r".into(), "[run]\nname = \n").unwrap_err();
        assert_eq!(error.place, "r.toml:2");
        let error = Written::parse("r.toml", "r".into(), "[a]\nb = nan\n").unwrap_err();
        assert_eq!(error.to_string(), "r.toml:2: a.b: this number is not finite");
    }
}
