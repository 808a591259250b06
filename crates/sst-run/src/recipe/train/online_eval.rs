//! `[train.online_eval]`: evaluators of frozen vectors, which run each time that the model is evaluated. A loss that falls
//! says little about how useful the vectors of a model are; these figures do.

use serde::{Deserialize, Serialize};
use sst_eval::{Entry, InputKind};

use crate::recipe::error::{Problem, require};
use crate::recipe::limits::MOST_COUNT;
use crate::recipe::{Keys, RunConfig, Task};

/// `[train.online_eval]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnlineEval {
    /// The names of the evaluators. Those that learn from labels need `data.label_field`, or folders of pictures with one
    /// for each class.
    pub evaluators: Vec<String>,
    /// Evaluators that learn from labels learn from so many pictures of the training part at most, with as many of each
    /// label as possible. Default: 2,000.
    #[serde(default = "train_pictures")]
    pub train_pictures: u64,
}

fn train_pictures() -> u64 {
    2000
}

pub(in crate::recipe) const KEYS: Keys =
    Keys { limits: &[("train.online_eval.train_pictures", 1.0, MOST_COUNT)], ..Keys::NONE };

impl OnlineEval {
    /// Whether one of the evaluators learns from labels.
    pub(crate) fn needs_labels(&self) -> bool {
        let mut entries = self.evaluators.iter().filter_map(|name| sst_eval::entry(name).ok());
        entries.any(|entry| entry.input == InputKind::LabelledRows)
    }
}

/// Whether an evaluator can run here: it reads single pictures, with labels or without.
fn is_online(entry: &Entry) -> bool {
    matches!(entry.input, InputKind::LabelledRows | InputKind::EmbeddedTexts)
}

/// Checks that the evaluators exist and have something to read.
pub(in crate::recipe) fn check(config: &RunConfig) -> Result<(), Problem> {
    let Some(online) = &config.train.online_eval else { return Ok(()) };
    let key = "train.online_eval.evaluators";
    require(!online.evaluators.is_empty(), key, "is empty: name an evaluator")?;
    for (at, name) in online.evaluators.iter().enumerate() {
        let known: Vec<&str> =
            sst_eval::list().iter().filter(|entry| is_online(entry)).map(|e| e.name).collect();
        let message = format!("names `{name}`; those that run here are {}", known.join(", "));
        require(known.contains(&name.as_str()), key, message)?;
        let message = format!("names `{name}` twice");
        require(!online.evaluators[..at].contains(name), key, message)?;
    }
    let has_pictures = |task: &Task| task.rows().is_ok_and(|rows| rows.have_pictures());
    let mut tasks = config.tasks.list.iter().filter(|task| has_pictures(task)).peekable();
    let message = "applies only to objectives on pictures. For a model of texts, measure its checkpoints with `sst eval`";
    require(tasks.peek().is_some(), "train.online_eval", message)?;
    let message = "needs held-out pictures: set data.validation above 0";
    require(tasks.any(|task| task.data.validation > 0.0), "train.online_eval", message)
}
