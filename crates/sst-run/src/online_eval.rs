//! The evaluators of `[train.online_eval]`, with the pictures that they read.

use std::sync::Arc;

use serde_json::Value;
use sst_core::Evaluator;
use sst_data::pictures::{PictureStore, Pictures};
use sst_data::rows::{Dataset, SelectedRows, Subset, balanced};
use sst_eval::{EmbeddedPictures, Input, InputKind, LabelledRows};

use crate::error::Result;
use crate::prepared::CheckedRecipe;
use crate::recipe::{OnlineEval, Problem, Task};

/// The number of pictures of each label that a classifier of vectors needs: one to learn from, and one to choose its
/// regularisation on.
const LEAST_OF_LABEL: usize = 2;

impl CheckedRecipe {
    /// The evaluators of frozen vectors of a task. They learn from pictures of its training part and are measured on its
    /// validation part; no picture has random transforms. `settings` are keys for those evaluators that have them.
    ///
    /// # Errors
    /// If an evaluator needs labels that the pictures do not have, or a label has too few pictures.
    pub(crate) fn online_evaluators(
        &self,
        task: &Task,
        store: &Arc<PictureStore>,
        online: &OnlineEval,
        settings: &[(&str, Value)],
    ) -> Result<Vec<Box<dyn Evaluator>>> {
        let fraction = task.data.validation;
        let test: Arc<dyn Dataset> =
            Arc::new(self.plain_pictures(task, store, Subset::Validation { fraction })?);
        // The pixels do not change during a run, so neither does what baselines make of them.
        let settings = settings.iter().cloned().chain([("pixel_baselines", Value::Bool(false))]);
        let settings: Vec<(&str, Value)> = settings.collect();
        let batch_size = settings.iter().find(|(key, _)| *key == "batch_size");
        let batch_size = batch_size.and_then(|(_, size)| size.as_u64()).unwrap_or(1) as usize;
        let build = |name: &String| -> Result<Box<dyn Evaluator>> {
            let entry = sst_eval::entry(name).map_err(sst_core::Error::from)?;
            let input = match entry.input {
                InputKind::LabelledRows => {
                    let (train, labels) = self.labelled_pictures(task, store, online, name)?;
                    let test = Arc::clone(&test);
                    Input::LabelledRows(LabelledRows {
                        train,
                        test,
                        labels,
                        unlabelled: None,
                        twin: None,
                    })
                }
                _ => {
                    let rows = Arc::clone(&test);
                    Input::EmbeddedPictures(EmbeddedPictures { rows, vector: None, batch_size })
                }
            };
            let built = entry.build(&entry.config_with(settings.clone()), input);
            Ok(built.map_err(sst_core::Error::from)?)
        };
        online.evaluators.iter().map(build).collect()
    }

    /// The training pictures that the evaluator `name` learns from, with as many of each label as possible, and the labels.
    fn labelled_pictures(
        &self,
        task: &Task,
        store: &Arc<PictureStore>,
        online: &OnlineEval,
        name: &str,
    ) -> Result<(Arc<dyn Dataset>, Vec<String>)> {
        let refuse = |message| self.refuse(Problem::new("train.online_eval.evaluators", message));
        let Some(table) = store.labels() else {
            let label_field = task.key("data.label_field");
            let message = format!(
                "names `{name}`, which learns from labels, and the pictures have none: set {label_field}, or put the \
                 pictures of each class into a folder of its own"
            );
            return Err(refuse(message));
        };
        let fraction = task.data.validation;
        let rows = self.plain_pictures(task, store, Subset::Train { fraction })?;
        let labels = labels(&rows).map_err(|error| self.refuse_rows(task, error))?;
        for (number, label) in (0..).zip(&table.names) {
            let count = labels.iter().filter(|other| **other == number).count();
            if count < LEAST_OF_LABEL {
                let message = format!(
                    "names `{name}`, but the label `{label}` has {count} pictures in the training part, and \
                     {LEAST_OF_LABEL} are needed"
                );
                return Err(refuse(message));
            }
        }
        let count = (online.train_pictures as usize).min(labels.len());
        let entry = sst_eval::entry(name).map_err(sst_core::Error::from)?;
        let neighbours = (entry.default_config)()["k"].as_u64();
        if let Some(k) = neighbours.filter(|k| (count as u64) < *k) {
            let message = format!(
                "names `{name}`, which looks at {k} neighbours, but it would learn from {count} pictures: take more \
                 pictures, raise train.online_eval.train_pictures, or leave it out"
            );
            return Err(refuse(message));
        }
        let places = balanced(&labels, count, self.config.run.seed).unwrap_or_default();
        let chosen = SelectedRows::new(Arc::new(rows), places);
        let chosen = chosen.map_err(|error| self.refuse_rows(task, error))?;
        Ok((Arc::new(chosen), table.names.clone()))
    }
}

/// The label of each picture.
fn labels(rows: &Pictures) -> std::result::Result<Vec<i64>, sst_data::rows::DatasetError> {
    let label = |row| Ok(rows.record(row)?.label.map_or(-1, i64::from));
    (0..rows.len()).map(label).collect()
}
