//! What is made of a folder: the architecture, from what the weights hold, what the config names and what the
//! caller needs; and which parameter each tensor of the file is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use sst_core::checkpoint::{FileShapes, Renamed, Weights};
use sst_core::{HeadKind, ParamStore};

use crate::error::ModelError;
use crate::options::BuildOptions;

/// Which head a folder is loaded with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LoadHead {
    /// The heads that the file holds; the caller may do without.
    #[default]
    AsFound,
    /// A head of this kind must be in the file, whatever the config names.
    Needed(HeadKind),
    /// A head of this kind starts as a new model's would where the file lacks it: the caller trains it.
    New(HeadKind),
}

/// What a plan is made from.
pub(crate) struct Request<'a> {
    /// The `model_type` of the config.
    pub(crate) model_type: &'static str,
    /// The architectures of this type, the default first, without those of tasks.
    pub(crate) architectures: &'static [&'static str],
    /// The architectures of this type with the head of a task, and that head.
    pub(crate) tasks: &'static [(&'static str, HeadKind)],
    /// Every configuration key of the type with its default.
    pub(crate) default_config: fn() -> Value,
    pub(crate) config: &'a Value,
    pub(crate) weights: &'a Weights,
    /// The architecture that the caller asks for, if any: `head` is not looked at then.
    pub(crate) architecture: Option<&'static str>,
    pub(crate) head: LoadHead,
}

/// How a folder is loaded.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) architecture: &'static str,
    /// Whether the model gets a pooler, where its architecture may have one.
    pub(crate) pooler: bool,
    /// Whether the head has a projection of its own though the config ties it to the embeddings.
    pub(crate) untied: bool,
    /// What the names of parameters begin with that the file lacks and that start as a new model's would.
    pub(crate) new: Vec<String>,
    /// Parameters of the architecture that the config names which the file lacks and the model does without.
    pub(crate) absent: Vec<String>,
    /// What each tensor of the file is.
    pub(crate) renames: BTreeMap<String, Renamed>,
}

/// How a model is built besides what its options say.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Whether it gets a pooler, where its architecture may have one.
    pub(crate) pooler: bool,
    /// The file that it is loaded from next.
    pub(crate) file: Option<Arc<FileShapes>>,
}

impl Parts {
    /// All that a new model has.
    pub(crate) const NEW: Self = Self { pooler: true, file: None };

    /// An empty store for its parameters.
    pub(crate) fn store(&self, options: &BuildOptions) -> ParamStore {
        match &self.file {
            Some(file) => {
                let seed = options.seed.unwrap_or(0);
                ParamStore::for_file(options.device, seed, Arc::clone(file))
            }
            None => ParamStore::new(options.device, options.seed),
        }
    }
}

impl Request<'_> {
    /// The first architecture that the config names.
    pub(crate) fn named(&self) -> Option<&str> {
        self.config.pointer("/architectures/0").and_then(Value::as_str)
    }

    /// Whether the config says that the head's projection is the word embeddings.
    pub(crate) fn tied(&self) -> bool {
        let key = "tie_word_embeddings";
        let default = || (self.default_config)().get(key).and_then(Value::as_bool);
        self.config.get(key).and_then(Value::as_bool).or_else(default).unwrap_or(true)
    }

    /// The architecture of the task that the config names, and its head.
    pub(crate) fn named_task(&self) -> Option<(&'static str, HeadKind)> {
        let named = self.named();
        self.tasks.iter().copied().find(|(name, _)| Some(*name) == named)
    }

    /// The architecture of a task with this head.
    pub(crate) fn task_with(&self, head: HeadKind) -> Option<&'static str> {
        self.tasks.iter().find(|(_, kind)| *kind == head).map(|(name, _)| *name)
    }

    /// The error for a kind of head that no architecture of the type has.
    pub(crate) fn no_such_head(&self, head: HeadKind) -> ModelError {
        let model = self.model_type.to_owned();
        sst_core::Error::MissingHead { model, head, architectures: Vec::new() }.into()
    }

    /// The error for a head that is needed and not there.
    pub(crate) fn no_head(&self, head: &'static str, tensors: &'static str) -> ModelError {
        ModelError::NoHead { path: self.folder().to_owned(), head, tensors }
    }

    fn folder(&self) -> &Path {
        self.weights.path()
    }
}
