//! The leak ledger: how much of the test set of a section was in the training part, and in what a model was pretrained on.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};
use sst_cli::host::source::named;
use sst_core::Modality;
use sst_data::Ledger;
use sst_data::leaks::{LeakConfig, LeakSearch, Leaks};
use sst_data::read::{OnError, Source};
use sst_eval::InputKind;
use sst_run::model::ModelLocation;
use sst_run::recipe::ModelChoice;
use sst_run::{CONFIG, Evaluation, Measurement};

use super::subject::Subject;
use crate::recipe;

/// One comparison.
pub(super) struct Compared {
    /// What the test set was searched in: the training part, or the corpus of a model.
    pub(super) reference: String,
    /// What was found, or why nothing could be compared.
    pub(super) leaks: Result<Leaks, String>,
}

/// The comparisons of a page. A test set that several sections share is searched once.
#[derive(Default)]
pub(super) struct LeakLedger {
    known: BTreeMap<String, Result<Leaks, String>>,
}

impl LeakLedger {
    /// Searches the test set of a section in its training part and in the corpora of the models.
    pub(super) fn compare(
        &mut self,
        page: &Evaluation,
        section: &Measurement,
        subjects: &[Subject],
    ) -> Vec<Compared> {
        let of_pictures = |subject: &Subject| are_pictures(section, &subject.found);
        if subjects.first().is_some_and(of_pictures) {
            let reason = "the data are pictures, which are not searched for duplicates";
            let leaks = Err(reason.to_owned());
            return vec![Compared { reference: "corpus".to_owned(), leaks }];
        }
        let Some(tests) = sources(section, true) else {
            let reason = "the rows are those that the run of the model held out of its own data";
            let leaks = Err(reason.to_owned());
            return vec![Compared { reference: "corpus".to_owned(), leaks }];
        };
        let mut references: Vec<Reference> = Vec::new();
        let training = || "training part".to_owned();
        let learns = sst_eval::entry(&section.evaluator)
            .is_ok_and(|entry| entry.input == InputKind::LabelledRows);
        match sources(section, false) {
            Some(train) => references.push((training(), Ok((train, 0)))),
            None if learns => {
                let reason = "the evaluator holds out a part of the same files, and texts that occur several times may be \
                              in both parts";
                references.push((training(), Err(reason.to_owned())));
            }
            None => {}
        }
        if let Some(recipe) = &section.train {
            references.push((training(), sources_of_recipe(recipe, &section.set)));
        }
        match &page.evaluate.corpus[..] {
            [] => {
                for subject in subjects {
                    add_corpora(&mut references, &subject.name, &subject.path, &subject.found);
                }
            }
            paths => {
                let source = Source { paths: paths.to_vec(), ..Source::default() };
                references.push(("corpus".to_owned(), Ok((vec![source], 0))));
            }
        }
        let compared = references.into_iter().map(|(reference, sources)| {
            let leaks = sources.and_then(|(sources, least)| {
                let leaks = self.search(&tests, &sources)?;
                match leaks.references < least {
                    true => Err(format!(
                        "its files have {} texts, and the run was trained on {least}: they have changed, or are not \
                         those of the run; paths of a recipe are relative to the current folder",
                        leaks.references
                    )),
                    false => Ok(leaks),
                }
            });
            Compared { reference, leaks }
        });
        compared.collect()
    }

    fn search(&mut self, tests: &[Source], references: &[Source]) -> Result<Leaks, String> {
        let key = format!("{tests:?} in {references:?}");
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let found = search(tests, references).map_err(|error| format!("{error:#}"));
        self.known.insert(key, found.clone());
        found
    }
}

fn search(tests: &[Source], references: &[Source]) -> Result<Leaks> {
    // What is skipped is counted where the evaluator reads the same files.
    let ledger = Ledger::new();
    let (mut texts, mut last) = (Vec::new(), HashSet::new());
    for source in tests {
        for example in source.read(&ledger)? {
            let example = example?;
            let text = example.text("text").unwrap_or_default().to_owned();
            // The questions about one text repeat it.
            if source.text_field != CONTEXT || last.insert(text.clone()) {
                texts.push((example.key, text));
            }
        }
    }
    let mut search = LeakSearch::new(LeakConfig::default(), texts)?;
    for source in references {
        search.read(source, &ledger)?;
    }
    Ok(search.finish())
}

/// The column with the texts of questions, which several questions share.
const CONTEXT: &str = "context";

/// What a test set is searched in: its name, the files, and the fewest texts that they must have.
type Reference = (String, Result<(Vec<Source>, u64), String>);

/// Whether a section measures on pictures, which is up to its evaluator and to the model.
pub(super) fn are_pictures(section: &Measurement, found: &ModelLocation) -> bool {
    let input = sst_eval::entry(&section.evaluator).map(|entry| entry.input);
    match input {
        Ok(InputKind::NamedPictures) => true,
        Ok(
            InputKind::Pairs
            | InputKind::LabelledRows
            | InputKind::EmbeddedTexts
            | InputKind::ComparedTexts,
        ) => found.reads(Modality::Image),
        _ => false,
    }
}

/// The paths of the pictures of a section by the key that names them.
pub(super) fn picture_paths(section: &Measurement) -> Vec<(&'static str, Vec<String>)> {
    let named = ["data", "test"].map(|name| (name, list(section, name)));
    named.into_iter().filter(|(_, paths)| !paths.is_empty()).collect()
}

/// The texts of a key that holds one or several.
fn list(section: &Measurement, name: &str) -> Vec<String> {
    let items = section.arguments.get(name).into_iter().flat_map(|value| match value {
        Value::Array(items) => items.clone(),
        other => vec![other.clone()],
    });
    items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// The files of a section by the key that names them.
pub(super) fn files(section: &Measurement) -> Vec<(&'static str, Source)> {
    let of = |test| sources(section, test).into_iter().flatten();
    let key = if section.arguments.contains_key("test") { "test" } else { "data" };
    let tests = of(true).map(|source| (key, source));
    tests.chain(of(false).map(|source| ("data", source))).collect()
}

/// The files that the section measures on, or those that it learns from. `None` if it names none. There is one source for
/// each field with texts.
fn sources(section: &Measurement, test: bool) -> Option<Vec<Source>> {
    let arguments = &section.arguments;
    let list = |name: &str| list(section, name);
    let text = |name: &str| arguments.get(name).and_then(Value::as_str).map(str::to_owned);
    let (data, separate) = (list("data"), list("test"));
    let paths = match (test, separate.is_empty()) {
        (true, false) => separate,
        (true, true) => data,
        (false, false) => data,
        // A part of the data is held out, which the evaluator chooses.
        (false, true) => Vec::new(),
    };
    if paths.is_empty() {
        return None;
    }
    let pairs: Vec<String> =
        list("fields").iter().flat_map(|name| name.split(',')).take(2).map(str::to_owned).collect();
    let fields = if pairs.is_empty() { text_fields(section) } else { pairs };
    let format = text("format").and_then(|format| named("format", &format).ok());
    let skip = arguments.get("skip_errors") == Some(&json!(true));
    let source = |text_field| Source {
        paths: paths.clone(),
        format,
        text_field,
        tag_field: text("tag_field"),
        tag_scheme: text("tag_scheme").and_then(|scheme| named("tag_scheme", &scheme).ok()),
        on_error: if skip { OnError::Skip } else { OnError::Fail },
        ..Source::default()
    };
    Some(fields.into_iter().map(source).collect())
}

/// The fields with texts: those of the columns that the evaluator reads, or else `text`.
fn text_fields(section: &Measurement) -> Vec<String> {
    let arguments = &section.arguments;
    let entry = sst_eval::entry(&section.evaluator).ok();
    let records = entry.and_then(|entry| Some((entry, entry.records?)));
    let columns = records.map_or_else(Vec::new, |(entry, records)| {
        let given = arguments.iter().map(|(key, value)| (key.as_str(), value.clone()));
        let rows = (records.rows)(&json!({}), &entry.config_with(given));
        rows.text_columns().into_iter().map(|column| column.name.clone()).collect()
    });
    let columns = if columns.is_empty() { vec!["text".to_owned()] } else { columns };
    let field = |column: String| {
        let of_table = match arguments.get("field") {
            Some(Value::Object(table)) => table.get(&column).and_then(Value::as_str),
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).find_map(|item| {
                item.split_once('=').filter(|(name, _)| *name == column).map(|(_, field)| field)
            }),
            _ => None,
        };
        let of_text = arguments.get("text_field").and_then(Value::as_str);
        let named = of_table.or(of_text.filter(|_| column == "text"));
        named.map_or(column.clone(), str::to_owned)
    };
    columns.into_iter().map(field).collect()
}

/// What the run of a model was trained on, and what the models were that it and they started from.
fn add_corpora(references: &mut Vec<Reference>, name: &str, path: &Path, found: &ModelLocation) {
    let (mut path, mut run) = (path.to_owned(), found.run.clone());
    let mut called = format!("corpus of {name}");
    // A run that starts from itself is not possible; the bound is for a folder that was changed by hand.
    for _ in 0..MOST_STARTS {
        let Some(folder) = run else {
            let reason = format!(
                "{} belongs to no run: name what it was pretrained on with corpus in [evaluate]",
                path.display()
            );
            references.push((called, Err(reason)));
            return;
        };
        references.push((called, sources_of_recipe(&folder.join(CONFIG), &[])));
        // A recipe that cannot be read is listed with the reason by the line above.
        let config = recipe::check(&folder.join(CONFIG), &[]).ok();
        let Some(ModelChoice::Folder { path: start, .. }) =
            config.map(|recipe| recipe.config.model)
        else {
            return;
        };
        called = format!("corpus of {name}, through {start}");
        path = PathBuf::from(start);
        run = match sst_run::model::find(&path) {
            Ok(found) => found.run,
            Err(error) => {
                references.push((called, Err(error.to_string())));
                return;
            }
        };
    }
    let reason = format!("more than {MOST_STARTS} runs started from one another");
    references.push((called, Err(reason)));
}

/// The most runs that are followed from one to the one that it started from.
const MOST_STARTS: usize = 16;

/// The texts of every task of a recipe. For the config.toml of a run, also the number of its documents; otherwise 0.
fn sources_of_recipe(path: &Path, sets: &[String]) -> Result<(Vec<Source>, u64), String> {
    let recipe = recipe::check(path, sets).map_err(|error| format!("{error:#}"))?;
    let mut sources = Vec::new();
    for task in &recipe.config.tasks.list {
        sources.extend(task.text_sources().map_err(|error| error.to_string())?);
    }
    let environment = path.with_file_name("environment.json");
    let environment = std::fs::read_to_string(environment).ok().filter(|_| path.ends_with(CONFIG));
    let environment: Option<Value> = environment.and_then(|text| serde_json::from_str(&text).ok());
    let documents = |data: &Value| data["documents"].as_u64().unwrap_or(0);
    let least = environment.map_or(0, |environment| {
        let data = &environment["data"];
        let tasks = data["tasks"].as_object().into_iter().flatten();
        documents(data) + tasks.map(|(_, data)| documents(data)).sum::<u64>()
    });
    Ok((sources, least))
}

impl Compared {
    /// `{"reference", "leaks"}` or `{"reference", "not_compared"}`.
    pub(super) fn to_json(&self) -> Value {
        match &self.leaks {
            Ok(leaks) => json!({"reference": self.reference, "leaks": leaks}),
            Err(reason) => json!({"reference": self.reference, "not_compared": reason}),
        }
    }
}
