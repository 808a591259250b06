//! The leak ledger: how much of the test set of a section was in the training part, and in what a model was pretrained on.

use std::collections::{BTreeMap, HashSet};

use anyhow::Result;
use serde_json::{Value, json};
use sst_cli::host::source::named;
use sst_data::Ledger;
use sst_data::leaks::{LeakConfig, LeakSearch, Leaks};
use sst_data::read::{OnError, Source};
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
        let Some(tests) = sources(section, true) else {
            let reason = "the rows are those that the run of the model held out of its own data";
            let leaks = Err(reason.to_owned());
            return vec![Compared { reference: "corpus".to_owned(), leaks }];
        };
        let mut references = Vec::new();
        if let Some(train) = sources(section, false) {
            references.push(("training part".to_owned(), Ok(train)));
        }
        if let Some(recipe) = &section.train {
            let of_recipe = sources_of_recipe(recipe, &section.set);
            references.push(("training part".to_owned(), of_recipe));
        }
        match &page.evaluate.corpus[..] {
            [] => references.extend(
                subjects
                    .iter()
                    .map(|subject| (format!("corpus of {}", subject.name), corpus(subject))),
            ),
            paths => {
                let source = Source { paths: paths.to_vec(), ..Source::default() };
                references.push(("corpus".to_owned(), Ok(vec![source])));
            }
        }
        let compared = references.into_iter().map(|(reference, sources)| {
            let leaks = sources.and_then(|sources| self.search(&tests, &sources));
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

/// The column with the texts of questions.
const CONTEXT: &str = "context";

/// The files that the section measures on, or those that it learns from. `None` if it names none. There is one source for
/// each field with texts.
fn sources(section: &Measurement, test: bool) -> Option<Vec<Source>> {
    let arguments = &section.arguments;
    let list = |name: &str| -> Vec<String> {
        let items = arguments.get(name).into_iter().flat_map(|value| match value {
            Value::Array(items) => items.clone(),
            other => vec![other.clone()],
        });
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
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
    let fields = if pairs.is_empty() {
        vec![text("text_field").unwrap_or_else(|| column(arguments.get("field"), section))]
    } else {
        pairs
    };
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

/// The field of the column with the text: `text`, or `context` of questions.
fn column(field: Option<&Value>, section: &Measurement) -> String {
    let has_questions = sst_eval::entry(&section.evaluator).is_ok_and(|entry| {
        entry.records.is_some_and(|records| records.head == sst_core::HeadKind::Span)
    });
    let column = if has_questions { CONTEXT } else { "text" };
    let named = match field {
        Some(Value::Object(table)) => table.get(column).and_then(Value::as_str),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).find_map(|item| {
            item.split_once('=').filter(|(name, _)| *name == column).map(|(_, field)| field)
        }),
        _ => None,
    };
    named.unwrap_or(column).to_owned()
}

/// What the run of a model was trained on.
fn corpus(subject: &Subject) -> Result<Vec<Source>, String> {
    match &subject.found.run {
        Some(run) => sources_of_recipe(&run.join(CONFIG), &[]),
        None => Err(format!(
            "{} belongs to no run: name what it was pretrained on with corpus in [evaluate]",
            subject.path.display()
        )),
    }
}

/// The data of every task of a recipe.
fn sources_of_recipe(path: &std::path::Path, sets: &[String]) -> Result<Vec<Source>, String> {
    let recipe = recipe::check(path, sets).map_err(|error| format!("{error:#}"))?;
    Ok(recipe.config.tasks.list.iter().map(|task| task.data.source()).collect())
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
