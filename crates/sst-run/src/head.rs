//! The head that a run trains: its kind, and the classes of its outputs.

use std::path::Path;

use serde_json::{Map, Value, json};
use sst_core::{HeadKind, ProblemType};
use sst_models::HeadLabels;
use sst_objectives::ObjectiveError;

use crate::error::{Result, RunError};
use crate::prepared::CheckedRecipe;
use crate::recipe::{ModelChoice, Problem, Task, key_problem};

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

    /// The head of the model at `model.path` that a task goes on training; `None` if the head is new.
    fn loaded_head(&self, task: &Task) -> Result<Option<(&str, HeadKind, HeadLabels)>> {
        let (ModelChoice::Folder { path, head, .. }, Some(kind)) =
            (&self.config.model, self.trained_head()?)
        else {
            return Ok(None);
        };
        let has_classes = sst_objectives::entry(task.objective_name())?.classes.is_some();
        if head.new || !has_classes {
            return Ok(None);
        }
        let encoder = sst_models::encoder_folder(Path::new(path))?;
        let labels = sst_models::labels_of(&encoder, kind)?;
        Ok(labels.map(|labels| (&**path, kind, labels)))
    }

    /// The labels of the data of a task, if they do not come from the data: those of `data.labels`, or else those of the
    /// trained head of the model at `model.path`. Empty if they come from the data.
    ///
    /// # Errors
    /// If the head of the model has named classes, and `data.labels` gives others or another order: its outputs would
    /// then stand for other classes than those that they were trained for. Also if the objective cannot train this head.
    pub(crate) fn given_labels(&self, task: &Task) -> Result<Vec<String>> {
        let given = &task.data.labels;
        let Some((path, kind, head)) = self.loaded_head(task)? else { return Ok(given.clone()) };
        let Some(classes) = sst_objectives::entry(task.objective_name())?.classes else {
            return Ok(given.clone());
        };
        let config = task.objective_config();
        if let (Some(found), Some(wanted)) =
            (head.problem_type.map(ProblemType::name), (classes.problem_type)(&config))
            && found != wanted
        {
            let message = format!(
                "trains a head for {wanted}, but the head in {path} is for {found}: change objective.problem, or start the \
                 head anew with model.head.new = true"
            );
            return Err(self.refuse(Problem::new(&task.key("objective.problem"), message)));
        }
        if !head.are_named && !given.is_empty() {
            return Ok(given.clone());
        }
        let of_head = (classes.labels)(&config, &head.names);
        let of_head = of_head.map_err(|error| self.refuse_labels(task, &error))?;
        if given.is_empty() || *given == of_head {
            return Ok(of_head);
        }
        let message = format!(
            "are {}, but the outputs of the {kind} in {path} stand for {}, in this order: remove data.labels, give the \
             same, or start the head anew with model.head.new = true",
            given.join(", "),
            of_head.join(", ")
        );
        Err(self.refuse(Problem::new(&task.key("data.labels"), message)))
    }

    /// The error of labels that an objective cannot learn, at the key that is wrong.
    fn refuse_labels(&self, task: &Task, error: &ObjectiveError) -> RunError {
        let problem = match error {
            ObjectiveError::Config { path, message } => {
                key_problem(&task.key("objective"), path, message)
            }
            // A recipe without labels takes those of the data or of the model.
            ObjectiveError::Labels { message } if task.data.labels.is_empty() => {
                let key = match &self.config.model {
                    ModelChoice::Folder { head, .. } if !head.new => "model.path".to_owned(),
                    _ => task.key("data"),
                };
                let message = format!("{message} (data.label_field, model.head.new)");
                Problem::sentence(&key, message)
            }
            other => Problem::sentence(&task.key("data.labels"), other.to_string()),
        };
        self.refuse(problem)
    }

    /// The keys of config.json that say what the outputs of the head that is trained stand for. `classes` are the names of
    /// the outputs; `None` if they are no classes. A null removes what the folder of `model.path` says of another head.
    /// There are no keys if no head is trained, since a head that the folder has is then kept.
    pub(crate) fn class_keys(&self, classes: Option<&[String]>) -> Result<Map<String, Value>> {
        if classes.is_none() && self.trained_head()?.is_none() {
            return Ok(Map::new());
        }
        let removed = ["id2label", "label2id", "num_labels", "problem_type"];
        let mut keys = Map::from_iter(removed.map(|key| (key.to_owned(), Value::Null)));
        keys.extend(classes.map(sst_models::label_keys).unwrap_or_default());
        for task in &self.config.tasks.list {
            let classes = sst_objectives::entry(task.objective_name())?.classes;
            let problem_type =
                classes.and_then(|classes| (classes.problem_type)(&task.objective_config()));
            let Some(problem_type) = problem_type else { continue };
            let before = keys.insert("problem_type".to_owned(), json!(problem_type));
            if before.is_some_and(|before| !before.is_null() && before != problem_type) {
                let message = "is another one than that of an earlier task, and the model has one head for both";
                return Err(self.refuse(Problem::new(&task.key("objective.problem"), message)));
            }
        }
        Ok(keys)
    }

    /// The names of the outputs of the head that is trained, for tasks whose data has these labels; `None` if no objective
    /// has classes.
    ///
    /// # Errors
    /// If two tasks need different outputs, or an objective cannot learn the labels.
    pub(crate) fn outputs<'d>(
        &self,
        tasks: impl IntoIterator<Item = (&'d Task, &'d [String])>,
    ) -> Result<Option<Vec<String>>> {
        let mut named: Option<(&Task, Vec<String>)> = None;
        for (task, labels) in tasks {
            let Some(classes) = sst_objectives::entry(task.objective_name())?.classes else {
                continue;
            };
            let names = match self.loaded_head(task)? {
                Some((_, _, head)) if head.are_named => head.names,
                _ => (classes.outputs)(&task.objective_config(), labels)
                    .map_err(|error| self.refuse_labels(task, &error))?,
            };
            match &named {
                Some((first, others)) if *others != names => {
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
                None => named = Some((task, names)),
            }
        }
        Ok(named.map(|(_, names)| names))
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
