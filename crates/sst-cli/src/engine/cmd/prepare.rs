//! `sst data prepare`.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::{Value, json};
use sst_cli::args::PrepareArgs;
use sst_cli::exit::Exit;
use sst_cli::render;
use sst_data::rows::Subset;
use sst_data::{Ledger, Processor};
use sst_run::recipe::Task;
use sst_run::{CheckedRecipe, PreparedData};

use crate::recipe;

/// Trains the tokenizer if the recipe says so, and stores the tokenized data in the cache.
///
/// # Errors
/// If the recipe is wrong, the data cannot be read, or the cache cannot be written.
pub(crate) fn run(args: &PrepareArgs) -> Result<Exit> {
    let recipe = recipe::check(&args.recipe, &args.set)?;
    let ledger = Ledger::new();
    let processor = recipe.processor()?;
    let tokenizer = processor.find_tokenizer();
    if let Some(tokenizer) = tokenizer {
        ledger.add_unused(tokenizer.unused());
    }
    let tasks = recipe.config.tasks.list.iter();
    let tasks = tasks.map(|task| Prepared::make(&recipe, task, &processor, &ledger));
    let tasks: Vec<_> = tasks.collect::<Result<_>>()?;
    if args.json {
        let described: Vec<_> = tasks.iter().map(Prepared::describe).collect();
        let mut report = json!({ "version": 1, "ledger": ledger.entries() });
        if let Some(tokenizer) = tokenizer {
            report["vocab_size"] = json!(tokenizer.vocab_size());
        }
        for (data, described) in tasks.iter().zip(described) {
            for (key, value) in described {
                match &*data.task.name {
                    "" => report[key] = value,
                    name => report["tasks"][name][key] = value,
                }
            }
        }
        render::json(&report)?;
        return Ok(Exit::Done);
    }
    let mut rows = Vec::new();
    for data in &tasks {
        if !data.task.name.is_empty() {
            rows.push(vec!["task".to_owned(), data.task.name.clone()]);
        }
        for (key, value) in data.describe() {
            let value = match value {
                Value::Number(number) => render::count(number.as_u64().unwrap_or(0)),
                Value::String(text) => text,
                other => other.to_string(),
            };
            rows.push(vec![key.replace('_', " "), value]);
        }
    }
    if let Some(tokenizer) = tokenizer {
        rows.push(vec!["vocabulary".to_owned(), render::count(tokenizer.vocab_size() as u64)]);
    }
    render::line(&render::table(&rows))?;
    render::ledger(&ledger.entries());
    Ok(Exit::Done)
}

/// The prepared data of a task. The rows are counted but not indexed, because an index takes memory for each
/// document.
struct Prepared<'r> {
    task: &'r Task,
    data: PreparedData,
    folder: PathBuf,
    training_rows: u64,
    validation_rows: u64,
}

impl<'r> Prepared<'r> {
    fn make(
        recipe: &CheckedRecipe,
        task: &'r Task,
        processor: &Processor,
        ledger: &Ledger,
    ) -> Result<Self> {
        let data = recipe.prepare(task, processor, ledger)?;
        let fraction = task.data.validation;
        let count =
            |subset, ledger: &Ledger| recipe.count_rows(task, &data, subset, processor, ledger);
        let folder = recipe.cache()?.join(data.cache_folder()).join(data.fingerprint());
        let training_rows = count(Subset::Train { fraction }, ledger)?;
        let validation_rows = count(Subset::Validation { fraction }, &Ledger::new())?;
        Ok(Self { task, data, folder, training_rows, validation_rows })
    }

    /// The lines to print about it, as names and values.
    fn describe(&self) -> Vec<(&'static str, Value)> {
        let mut facts = vec![("store", json!(self.folder))];
        facts.extend(self.data.describe());
        facts.push(("training_rows", json!(self.training_rows)));
        facts.push(("validation_rows", json!(self.validation_rows)));
        facts
    }
}
