//! What other sections take from `[model]`.

use sst_data::RowSpec;
use sst_objectives::Entry;

use super::error::{Problem, require};

/// What other sections take from the model.
#[derive(Debug, Clone)]
pub(super) struct OfModel {
    /// Its type, such as `bert`.
    pub(super) model_type: String,
    /// The key that chose it.
    pub(super) key: &'static str,
    /// Whether it reads text.
    pub(super) reads_text: bool,
    /// The context length of the text encoder, if it has a limit.
    pub(super) positions: Option<usize>,
    /// Height and width of the pictures that it reads, if it reads any.
    pub(super) image_size: Option<[u32; 2]>,
}

impl OfModel {
    /// Checks that a model of this type has what the objective trains, which learns from `rows`.
    pub(super) fn check(&self, objective: &Entry, rows: &RowSpec) -> Result<(), Problem> {
        let (name, model_type) = (objective.name, &self.model_type);
        // A new model without a type, or with a misspelled one, is reported where it is built.
        let is_known = sst_models::list().iter().any(|entry| entry.model_type == model_type);
        let fits =
            objective.model_types.is_empty() || objective.model_types.contains(&&**model_type);
        let message = format!(
            "is a `{model_type}` model, and `{name}` trains models of the type {}",
            objective.model_types.join(" or ")
        );
        require(fits || !is_known, self.key, message)?;
        let message = format!(
            "is a `{model_type}` model, which reads no text, and `{name}` learns from text"
        );
        require(self.reads_text || !rows.have_tokens() || !is_known, self.key, message)?;
        let message = format!(
            "is a `{model_type}` model, which reads no pictures, and `{name}` learns from pictures"
        );
        require(self.image_size.is_some() || !rows.have_pictures() || !is_known, self.key, message)
    }
}
