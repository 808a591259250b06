//! The head that a run trains: its kind, and the classes of its outputs.

use std::path::Path;

use serde_json::{Map, Value, json};
use sst_core::HeadKind;

use crate::error::Result;
use crate::prepared::CheckedRecipe;
use crate::recipe::{ModelChoice, Problem, Task};
use crate::task_rows::PreparedData;

impl CheckedRecipe {
    /// The kind of head that the objectives train; `None` if they train the encoder alone.
    ///
    /// # Errors
    /// If two tasks train heads that no model has together.
    pub(crate) fn trained_head(&self) -> Result<Option<HeadKind>> {
        // The first task that trains a head, and the head for all tasks so far.
        let mut trained: Option<(&Task, HeadKind)> = None;
        for task in &self.config.tasks.list {
            let entry = sst_objectives::entry(task.objective_name());
            let Some(kind) = entry.ok().and_then(|entry| entry.head) else { continue };
            trained = Some(match trained {
                None => (task, kind),
                Some((first, other)) => match combined_head(other, kind) {
                    Some(kind) => (first, kind),
                    None => {
                        let message = format!(
                            "`{}` trains a {kind}, and `{}` a {other}: no model has both, so train one after the \
                             other, with model.path",
                            task.objective_name(),
                            first.objective_name()
                        );
                        return Err(self.refuse(Problem::new(&task.key("objective.name"), message)));
                    }
                },
            });
        }
        Ok(trained.map(|(_, kind)| kind))
    }

    /// Whether an objective trains a head that scores classes, which may have the layers of `model.head`.
    pub(crate) fn trains_classifier(&self) -> bool {
        let kind = self.trained_head().ok().flatten();
        [HeadKind::SequenceClassification, HeadKind::TokenClassification].map(Some).contains(&kind)
    }

    /// The architecture of a new model with the head that is trained; `None` for the default architecture of its type.
    ///
    /// # Errors
    /// If models of this type do not have such a head.
    pub(crate) fn new_architecture(&self) -> Result<Option<&'static str>> {
        let ModelChoice::New { config, .. } = &self.config.model else { return Ok(None) };
        let Some(kind) = self.trained_head()? else { return Ok(None) };
        let model_type = config.get("model_type").and_then(serde_json::Value::as_str);
        let entry = sst_models::list().iter().find(|entry| model_type == Some(entry.model_type));
        // An unknown type is reported where the model is built.
        let Some(entry) = entry else { return Ok(None) };
        match entry.architecture_with(kind) {
            Some(architecture) => Ok(Some(architecture)),
            None => {
                let message = format!(
                    "is `{}`, and models of this type have no {kind}, which the objective trains: choose another type",
                    entry.model_type
                );
                Err(self.refuse(Problem::new("model.type", message)))
            }
        }
    }

    /// The classes of a task in the order of the outputs of the model, if they do not come from the data: those of
    /// `data.labels`, or else those of the trained head of the model at `model.path`. Empty if they come from the data.
    ///
    /// # Errors
    /// If the head of the model has named classes, and `data.labels` gives others or another order: its outputs would
    /// then stand for other classes than those that they were trained for.
    pub(crate) fn given_labels(&self, task: &Task) -> Result<Vec<String>> {
        let given = &task.data.labels;
        let (ModelChoice::Folder { path, head, .. }, Some(kind)) =
            (&self.config.model, self.trained_head()?)
        else {
            return Ok(given.clone());
        };
        if head.new {
            return Ok(given.clone());
        }
        let encoder = sst_models::encoder_folder(Path::new(path))?;
        match sst_models::labels_of(&encoder, kind)? {
            None => Ok(given.clone()),
            Some(head) if given.is_empty() => Ok(head.names),
            Some(head) if head.are_named && head.names != *given => {
                let message = format!(
                    "are {}, but the outputs of the {kind} in {path} stand for {}, in this order: remove data.labels, \
                     give the same, or start the head anew with model.head.new = true",
                    given.join(", "),
                    head.names.join(", ")
                );
                Err(self.refuse(Problem::new(&task.key("data.labels"), message)))
            }
            Some(_) => Ok(given.clone()),
        }
    }

    /// The keys of config.json that follow from the classes of the head that is trained.
    pub(crate) fn class_keys(&self, classes: &[String]) -> Result<Map<String, Value>> {
        let mut keys = sst_models::label_keys(classes);
        if self.trained_head()? == Some(HeadKind::SequenceClassification) {
            keys.insert("problem_type".to_owned(), json!("single_label_classification"));
        }
        Ok(keys)
    }

    /// The classes of the head that is trained, from the data of the tasks; `None` if no task has labels.
    ///
    /// # Errors
    /// If two tasks have different labels, or all records have the same label.
    pub(crate) fn classes<'d>(
        &self,
        tasks: impl IntoIterator<Item = (&'d Task, &'d PreparedData)>,
    ) -> Result<Option<&'d [String]>> {
        let mut labelled: Option<(&Task, &[String])> = None;
        for (task, data) in tasks {
            let Some(names) = data.labels() else { continue };
            match labelled {
                Some((first, others)) if others != names => {
                    let message = format!(
                        "are needed: the data of task \"{}\" has other labels ({}) than that of task \"{}\" ({}), and \
                         the model has one head for both",
                        task.name,
                        names.join(", "),
                        first.name,
                        others.join(", ")
                    );
                    return Err(self.refuse(Problem::new(&task.key("data.labels"), message)));
                }
                Some(_) => {}
                None => labelled = Some((task, names)),
            }
        }
        match labelled {
            Some((task, [only])) => {
                let message = format!(
                    "all records have the label `{only}`: a classifier needs two or more; is data.label_field the right \
                     field?"
                );
                Err(self.refuse(Problem::new(&task.key("data.label_field"), message)))
            }
            labelled => Ok(labelled.map(|(_, names)| names)),
        }
    }
}

/// The head to load so that the model has heads of both kinds; `None` if no architecture has both.
fn combined_head(one: HeadKind, other: HeadKind) -> Option<HeadKind> {
    use HeadKind::{LanguageModel, SentencePair};
    match (one, other) {
        (one, other) if one == other => Some(one),
        // `BertForPreTraining` has the language-model head too.
        (LanguageModel, SentencePair) | (SentencePair, LanguageModel) => Some(SentencePair),
        _ => None,
    }
}
