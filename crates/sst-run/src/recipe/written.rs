//! A recipe as it was written: its values, and the line or override that each value comes from.

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
    /// A line of the recipe, counted from 1.
    Line(usize),
    /// The argument of a `--set`.
    Set(String),
    /// An option of the command, such as `--max-length`.
    Option(String),
}

/// The values of a recipe with its overrides, and their origins.
#[derive(Debug)]
pub(crate) struct Written {
    /// The name of the recipe in errors.
    file: String,
    /// The path of the recipe; `None` if it was not read from a file.
    path: Option<PathBuf>,
    /// The file name without its extension.
    stem: String,
    value: Value,
    /// The origin of each key, such as `train.batch_size`, and of each section.
    origins: BTreeMap<String, Origin>,
}

impl Written {
    /// Reads a recipe from a TOML file.
    ///
    /// # Errors
    /// If the file cannot be read or is not TOML; the error has the line.
    pub(crate) fn read(path: &Path) -> Result<Self, RecipeError> {
        let file = path.display().to_string();
        let error = |message: String| RecipeError { place: file.clone(), message };
        if path.is_dir() {
            return Err(error("this is a folder: name a recipe, which is a TOML file".to_owned()));
        }
        let bytes = require_readable(path).and_then(|()| std::fs::read(path));
        let bytes = bytes.map_err(|cause| error(format!("cannot read this recipe: {cause}")))?;
        let text = String::from_utf8(bytes).map_err(|cause| {
            let valid = &cause.as_bytes()[..cause.utf8_error().valid_up_to()];
            let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
            error(format!("line {line} is not UTF-8: save the recipe as UTF-8"))
        })?;
        let stem = path.file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into());
        let written = Self::parse(&file, stem, &text)?;
        Ok(Self { path: Some(path.to_owned()), ..written })
    }

    /// Parses the text of a recipe. Errors call it `file`; `stem` is the file name without its extension.
    ///
    /// # Errors
    /// If the text is not TOML; the error has the line.
    pub(crate) fn parse(file: &str, stem: String, text: &str) -> Result<Self, RecipeError> {
        let error_at = |offset: usize, message: String| RecipeError {
            place: format!("{file}:{}", line_of(text, offset)),
            message,
        };
        let table = DeTable::parse(text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            let message = match (error.message(), text.get(span.clone())) {
                ("duplicate key", Some(key)) => {
                    format!("the key {} is written twice: remove one of them", key.trim())
                }
                (message, _) => format!("this is not TOML: {message}"),
            };
            error_at(span.start, message)
        })?;
        let mut origins = BTreeMap::new();
        let value = table_to_json(table.get_ref(), "", &mut |key, offset| {
            origins.insert(key.to_owned(), Origin::Line(line_of(text, offset)));
        })
        .map_err(|(offset, message)| error_at(offset, message))?;
        Ok(Self { file: file.to_owned(), path: None, stem, value, origins })
    }

    /// Applies an override `key=value`. The value is parsed as TOML; if that fails, it is a string, so that
    /// `--set run.name=short` needs no quotes.
    ///
    /// # Errors
    /// If there is no `=`, or a part of the key before the last dot names a value instead of a section.
    pub(crate) fn set(&mut self, set: &str) -> Result<(), RecipeError> {
        self.put(set, Origin::Set(set.to_owned()))
    }

    /// Applies an override that an option of the command gives. Errors name the option instead of the key.
    ///
    /// # Errors
    /// Those of [`Written::set`].
    pub(crate) fn set_by_option(&mut self, option: &str, set: &str) -> Result<(), RecipeError> {
        self.put(set, Origin::Option(option.to_owned()))
    }

    fn put(&mut self, set: &str, origin: Origin) -> Result<(), RecipeError> {
        let place = match &origin {
            Origin::Option(option) => option.clone(),
            Origin::Set(_) | Origin::Line(_) => format!("--set {set}"),
        };
        let error = |message: String| RecipeError { place: place.clone(), message };
        let (key, text) = set
            .split_once('=')
            .ok_or_else(|| error("write it as KEY=VALUE, as in train.steps=200step".to_owned()))?;
        let (key, text) = (key.trim(), text.trim());
        let parts: Vec<&str> = key.split('.').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(error(format!("`{key}` is not a key; a key looks like train.steps")));
        }
        let value = DeValue::parse(text)
            .ok()
            .and_then(|value| value_to_json(&value, key, &mut |_, _| {}).ok())
            .unwrap_or_else(|| Value::String(text.to_owned()));
        let mut target = &mut self.value;
        for (depth, part) in parts.iter().enumerate() {
            let Value::Object(table) = target else {
                let section = parts[..depth].join(".");
                return Err(error(format!("{section} is not a section, so it has no `{part}`")));
            };
            target = table.entry(*part).or_insert_with(|| Value::Object(Map::new()));
        }
        *target = value;
        // The override replaces everything that was written under the key.
        let is_under_key =
            |other: &str| other.strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', '[']));
        self.origins.retain(|other, _| !is_under_key(other));
        self.origins.insert(key.to_owned(), origin);
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

    /// The file and line, or the `--set`, where the key was written. For a key that was not written, those of its
    /// section.
    pub(crate) fn place(&self, key: &str) -> String {
        self.locate(Problem::new(key, "")).place
    }

    /// The path of the recipe; `None` if it was not read from a file.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The recipe's file name without its extension.
    pub(crate) fn stem(&self) -> String {
        self.stem.clone()
    }

    /// Turns a problem into an error with the place where its key was written, as [`Written::place`] finds it.
    pub(crate) fn locate(&self, problem: Problem) -> RecipeError {
        let Problem { key, message: said, whole } = problem;
        let message = match whole || key.is_empty() {
            true => said.clone(),
            false => format!("{key}: {said}"),
        };
        let error = |place: String| RecipeError { place, message: message.clone() };
        let error_at = |origin: &Origin| match origin {
            Origin::Set(set) => error(format!("--set {set}")),
            Origin::Line(line) => error(format!("{}:{line}", self.file)),
            Origin::Option(option) => {
                // The user of an option knows no key.
                let message = said.strip_suffix(&format!(" (`{key}` in the recipe)"));
                let message = message.unwrap_or(&said).to_owned();
                RecipeError { place: option.clone(), message }
            }
        };
        // Elements of a list have no origins, except tables: `data.paths[0]` has the place of `data.paths`, but
        // `data.transform[0]` has its own.
        let mut key = &*key;
        while key.contains('[') && !self.origins.contains_key(key) {
            key = &key[..key.rfind(['.', '[']).unwrap_or_default()];
        }
        // A task takes the keys that it lacks from the section that all tasks share.
        if let Some(shared) = shared_key(key)
            && !self.origins.contains_key(key)
            && self.get(key).is_none()
            && self.origins.contains_key(shared)
        {
            key = shared;
        }
        // A section may exist only because of an override of a key in it: `--set trian.steps=1step` creates `trian`.
        let prefix = format!("{key}.");
        let mut keys_in_section =
            self.origins.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
        let has_no_origin = !key.is_empty() && !self.origins.contains_key(key);
        if has_no_origin
            && let Some((_, origin)) = keys_in_section.next()
            && !matches!(origin, Origin::Line(_))
        {
            return error_at(origin);
        }
        // The place is that of the innermost section that was written.
        loop {
            match self.origins.get(key) {
                Some(origin) => return error_at(origin),
                None => match key.rsplit_once('.') {
                    Some((section, _)) => key = section,
                    None => return error(self.file.clone()),
                },
            }
        }
    }
}

/// The shared key of a task's key: `data.paths` for `tasks.NAME.data.paths`.
fn shared_key(key: &str) -> Option<&str> {
    key.strip_prefix("tasks.")?.split_once('.').map(|(_, key)| key)
}

/// The line of a byte offset, counted from 1.
fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// Called with the key and the byte offset of every value.
type Visit<'a> = dyn FnMut(&str, usize) + 'a;
/// A value, or the byte offset and the message of an error.
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

    #[test]
    fn every_key_has_the_line_where_it_was_written() {
        let written =
            recipe("[run]\nname = 'a'\n\n[data.clean]\nnfkc = true\npair = { one = 1 }\n");
        let check = |key, expected| assert_eq!(written.place(key), expected, "{key}");
        check("run.name", "r.toml:2");
        check("data.clean.nfkc", "r.toml:5");
        check("data.clean.pair.one", "r.toml:6");
        check("run.seed", "r.toml:1");
        check("data.clean.min_length[3]", "r.toml:4");
        check("train.steps", "r.toml");
    }

    #[test]
    fn each_table_of_a_list_has_its_own_line() {
        let mut written =
            recipe("[[data.transform]]\nname = 'a'\n\n[[data.transform]]\nname = 'b'\ncount = 1\n");
        let check =
            |written: &Written, key, expected| assert_eq!(written.place(key), expected, "{key}");
        check(&written, "data.transform[0].name", "r.toml:2");
        check(&written, "data.transform[1].count", "r.toml:6");
        check(&written, "data.transform[1].keep", "r.toml:4");
        check(&written, "data.transform", "r.toml:1");
        written.set("data.transform=[{ name = \"c\" }]").unwrap();
        check(&written, "data.transform[1].count", "--set data.transform=[{ name = \"c\" }]");
    }

    #[test]
    fn a_key_that_a_task_inherits_has_the_place_of_the_shared_key() {
        let written = recipe("[data]\nrows = 'x'\n[tasks.a.data]\npaths = []\n[tasks.b]\n");
        let check = |key, expected| assert_eq!(written.place(key), expected, "{key}");
        check("tasks.a.data.paths[0]", "r.toml:4");
        check("tasks.a.data.rows", "r.toml:2");
        check("tasks.b.data.rows", "r.toml:2");
        check("tasks.b.data.paths", "r.toml:5");
    }

    #[test]
    fn a_key_within_the_override_of_a_task_has_the_place_of_the_override() {
        let mut written = recipe("[data]\nrows = 'x'\nmax_length = 8\n");
        written.set("tasks.a={data={max_length=2}}").unwrap();
        assert_eq!(written.place("tasks.a.data.max_length"), "--set tasks.a={data={max_length=2}}");
        assert_eq!(written.place("tasks.a.data.rows"), "r.toml:2");
    }

    #[test]
    fn an_override_by_an_option_is_named_by_the_option_alone() {
        let mut written = recipe("[data]\nmax_length = 8\n");
        written.set_by_option("--max-length", "data.max_length=64").unwrap();
        assert_eq!(written.get("data.max_length"), Some(&serde_json::json!(64)));
        let error = written.locate(Problem::new("data.max_length", "is 64: lower it"));
        assert_eq!(error.to_string(), "--max-length: is 64: lower it");
        let named = "`max_length` is 2: raise it (`data.max_length` in the recipe)";
        let error = written.locate(Problem::sentence("data.max_length", named));
        assert_eq!(error.to_string(), "--max-length: `max_length` is 2: raise it");
    }

    #[test]
    fn an_override_replaces_the_value_and_its_place() {
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
        assert_eq!(written.place("run.name"), "--set run.name=short run");
        assert_eq!(
            written.place("tokenizer.train.vocab_size"),
            "--set tokenizer.train.vocab_size=12"
        );
        let error = written.set("run.name.x=1").unwrap_err();
        assert!(error.message.contains("run.name is not a section"), "{error}");
        assert!(written.set("steps").unwrap_err().message.contains("KEY=VALUE"));
    }

    #[test]
    fn a_section_that_an_override_creates_has_the_place_of_the_override() {
        let mut written = recipe("[run]\nname = 'a'\n");
        written.set("trian.steps=1step").unwrap();
        written.set("train.keep.last=1").unwrap();
        let check = |key, expected| assert_eq!(written.place(key), expected, "{key}");
        check("trian", "--set trian.steps=1step");
        check("train.keep", "--set train.keep.last=1");
        // A key that is missing in such a section is missing in the recipe.
        check("train.steps", "r.toml");
        check("run.seed", "r.toml:1");
    }

    #[test]
    fn errors_in_toml_have_their_line() {
        let error = Written::parse("r.toml", "r".into(), "[run]\nname = \n").unwrap_err();
        assert_eq!(error.place, "r.toml:2");
        let error = Written::parse("r.toml", "r".into(), "[run]\nname = = 1\n").unwrap_err();
        assert!(error.to_string().starts_with("r.toml:2: this is not TOML: "), "{error}");
        let error =
            Written::parse("r.toml", "r".into(), "[run]\nseed = 1\nseed = 2\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "r.toml:3: the key seed is written twice: remove one of them"
        );
        let error = Written::parse("r.toml", "r".into(), "[a]\nb = nan\n").unwrap_err();
        assert_eq!(error.to_string(), "r.toml:2: a.b: this number is not finite");
    }
}
