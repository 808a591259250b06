//! The head that a run trains: which one, and the classes that it has outputs for.

use std::path::Path;

use sst_core::HeadKind;

use crate::error::Result;
use crate::prepared::CheckedRecipe;
use crate::recipe::{ModelChoice, Problem, Task};
use crate::task_rows::PreparedData;

impl CheckedRecipe {
    /// The kind of head that the objectives train; `None` if they train the encoder alone.
    ///
    /// # Errors
    /// If two tasks train heads that no model has side by side.
    pub(crate) fn trained_head(&self) -> Result<Option<HeadKind>> {
        let mut found: Option<(&Task, HeadKind)> = None;
        for task in &self.config.tasks.list {
            let entry = sst_objectives::entry(task.objective_name());
            let Some(kind) = entry.ok().and_then(|entry| entry.head) else { continue };
            found = Some(match found {
                None => (task, kind),
                Some((first, other)) => match both(other, kind) {
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
        Ok(found.map(|(_, kind)| kind))
    }

    /// Whether an objective trains a head that scores classes, which may have the layers of `model.head`.
    pub(crate) fn trains_classifier(&self) -> bool {
        let kind = self.trained_head().ok().flatten();
        [HeadKind::SequenceClassification, HeadKind::TokenClassification].map(Some).contains(&kind)
    }

    /// The architecture of a new model with the head that is trained; `None` for the usual one of its type.
    ///
    /// # Errors
    /// If models of its type have no such head.
    pub(crate) fn new_architecture(&self) -> Result<Option<&'static str>> {
        let ModelChoice::New { config, .. } = &self.config.model else { return Ok(None) };
        let Some(kind) = self.trained_head()? else { return Ok(None) };
        let model_type = config.get("model_type").and_then(serde_json::Value::as_str);
        let entry = sst_models::list().iter().find(|entry| model_type == Some(entry.model_type));
        // An unknown type is told of where the model is built.
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

    /// The classes that the labels of a task are given as, in the order of the outputs of the model: those of
    /// `data.labels`, or of the trained head if the model of `model.path` has one already. Empty if they are those that
    /// the data has.
    pub(crate) fn given_labels(&self, task: &Task) -> Result<Vec<String>> {
        if !task.data.labels.is_empty() {
            return Ok(task.data.labels.clone());
        }
        let (ModelChoice::Folder { path, head, .. }, Some(kind)) =
            (&self.config.model, self.trained_head()?)
        else {
            return Ok(Vec::new());
        };
        if head.new {
            return Ok(Vec::new());
        }
        let encoder = sst_models::encoder_folder(Path::new(path))?;
        Ok(sst_models::labels_of(&encoder, kind)?.unwrap_or_default())
    }

    /// The classes of the head that is trained, from the data of the tasks; `None` if no task has labels.
    ///
    /// # Errors
    /// If tasks have other labels than each other.
    pub(crate) fn classes<'d>(
        &self,
        tasks: impl IntoIterator<Item = (&'d Task, &'d PreparedData)>,
    ) -> Result<Option<&'d [String]>> {
        let mut found: Option<(&Task, &[String])> = None;
        for (task, data) in tasks {
            let Some(names) = data.labels() else { continue };
            match found {
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
                None => found = Some((task, names)),
            }
        }
        match found {
            Some((task, [only])) => {
                let message = format!(
                    "all records have the label `{only}`: a classifier needs two or more; is data.label_field the right \
                     field?"
                );
                Err(self.refuse(Problem::new(&task.key("data.label_field"), message)))
            }
            found => Ok(found.map(|(_, names)| names)),
        }
    }
}

/// The head of an architecture that has heads of both kinds, if there is one.
fn both(one: HeadKind, other: HeadKind) -> Option<HeadKind> {
    use HeadKind::{LanguageModel, SentencePair};
    match (one, other) {
        (one, other) if one == other => Some(one),
        // `BertForPreTraining` has the language-model head too.
        (LanguageModel, SentencePair) | (SentencePair, LanguageModel) => Some(SentencePair),
        _ => None,
    }
}
