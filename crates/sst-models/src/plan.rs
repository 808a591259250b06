//! Decides how a folder is loaded: which architecture is built, given the tensors in the file, the config and the
//! needs of the caller; and which parameter each tensor of the file is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use sst_core::checkpoint::{FileShapes, Renamed, Weights};
use sst_core::{Adapter, HeadKind, ParamStore};

use crate::error::ModelError;
use crate::options::BuildOptions;

/// The head that a folder should be loaded with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LoadHead {
    /// The heads that the file holds. The caller may need none.
    #[default]
    AsFound,
    /// A head of this kind. The file must hold it, whatever architecture the config names.
    Needed(HeadKind),
    /// A head of this kind, which has the initial values of a new model if the file lacks it. The caller trains it.
    New(HeadKind),
}

/// The input of a plan.
pub(crate) struct Request<'a> {
    /// The `model_type` of the config.
    pub(crate) model_type: &'static str,
    /// The architectures of this type, the default first, without those of task heads.
    pub(crate) architectures: &'static [&'static str],
    /// The architectures of this type with a task head, and the kind of that head.
    pub(crate) tasks: &'static [(&'static str, HeadKind)],
    /// Every configuration key of the type with its default.
    pub(crate) default_config: fn() -> Value,
    pub(crate) config: &'a Value,
    pub(crate) weights: &'a Weights,
    /// The architecture that the caller asks for, if any. It overrides `head`.
    pub(crate) architecture: Option<&'static str>,
    pub(crate) head: LoadHead,
    /// Whether a head that the caller trains has the initial values of a new model even if the file holds it.
    pub(crate) reset_head: bool,
}

/// How a folder is loaded.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) architecture: &'static str,
    /// Whether the model has a pooler, if its architecture may have one.
    pub(crate) pooler: bool,
    /// Whether the head has a projection of its own although the config ties it to the embeddings.
    pub(crate) untied: bool,
    /// Prefixes of the names of parameters that the file lacks and that have the initial values of a new model.
    pub(crate) new: Vec<String>,
    /// Parameters of the architecture that the config names, which both the file and the model lack.
    pub(crate) absent: Vec<String>,
    /// The task head of the architecture, if it has one.
    pub(crate) task: Option<TaskHead>,
    /// The use of each tensor of the file.
    pub(crate) renames: BTreeMap<String, Renamed>,
}

/// The task head of an architecture.
#[derive(Debug)]
pub(crate) struct TaskHead {
    pub(crate) kind: HeadKind,
    /// The module that holds its parameters.
    pub(crate) module: &'static str,
    /// The parameter whose first dimension is the number of outputs.
    pub(crate) outputs: String,
}

/// How a model is built, besides its options.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Whether the model has a pooler, if its architecture may have one.
    pub(crate) pooler: bool,
    /// The file that it will be loaded from, if any.
    pub(crate) file: Option<Arc<FileShapes>>,
    /// The adapter of its weights, if any.
    pub(crate) adapter: Option<Adapter>,
}

impl Parts {
    /// All parts, for a new model.
    pub(crate) const NEW: Self = Self { pooler: true, file: None, adapter: None };

    /// An empty store for the parameters.
    pub(crate) fn store(&self, options: &BuildOptions) -> ParamStore {
        let store = match &self.file {
            Some(file) => {
                let seed = options.seed.unwrap_or(0);
                ParamStore::for_file(options.device, seed, Arc::clone(file))
            }
            None => ParamStore::new(options.device, options.seed),
        };
        match &self.adapter {
            Some(adapter) => store.with_adapter(adapter.clone()),
            None => store,
        }
    }
}

impl Request<'_> {
    /// The first architecture that the config names.
    pub(crate) fn named(&self) -> Option<&str> {
        self.config.pointer("/architectures/0").and_then(Value::as_str)
    }

    /// Whether the config ties the head's projection to the word embeddings.
    pub(crate) fn tied(&self) -> bool {
        let key = "tie_word_embeddings";
        let default = || (self.default_config)().get(key).and_then(Value::as_bool);
        self.config.get(key).and_then(Value::as_bool).or_else(default).unwrap_or(true)
    }

    /// The architecture with a task head that the config names, and the kind of its head.
    pub(crate) fn named_task(&self) -> Option<(&'static str, HeadKind)> {
        let named = self.named();
        self.tasks.iter().copied().find(|(name, _)| Some(*name) == named)
    }

    /// Whether the task head that the caller trains is a new one, although the file may hold tensors of its names:
    /// if the caller wants that, or if these belong to the head of another task.
    pub(crate) fn starts_head_anew(&self) -> bool {
        let LoadHead::New(kind) = self.head else { return false };
        let is_other = self.named_task().is_some_and(|(_, named)| named != kind);
        kind != HeadKind::LanguageModel && (self.reset_head || is_other)
    }

    /// The architecture with this task head.
    pub(crate) fn task_with(&self, head: HeadKind) -> Option<&'static str> {
        self.tasks.iter().find(|(_, kind)| *kind == head).map(|(name, _)| *name)
    }

    /// The error for a kind of head that no architecture of the type has.
    pub(crate) fn no_such_head(&self, head: HeadKind) -> ModelError {
        let model = self.model_type.to_owned();
        sst_core::Error::MissingHead { model, head, architectures: Vec::new() }.into()
    }

    /// The error for a required head that the file lacks.
    pub(crate) fn no_head(&self, head: &'static str, tensors: &'static str) -> ModelError {
        ModelError::NoHead { path: self.folder().to_owned(), head, tensors }
    }

    fn folder(&self) -> &Path {
        self.weights.path()
    }
}
