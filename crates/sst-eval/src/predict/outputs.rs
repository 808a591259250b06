//! What the outputs of a model stand for.

use serde_json::Value;
use sst_core::{HeadKind, Model, ProblemType};

use crate::error::EvalError;

/// The names of the outputs of a head: those of `id2label` in the model's config.json, and `LABEL_0`, `LABEL_1`, ...
/// where it names none.
///
/// # Errors
/// If the model has no such head.
pub fn output_names(model: &dyn Model, kind: HeadKind) -> Result<Vec<String>, EvalError> {
    let count = model.head(kind)?.num_outputs();
    let config = model.config();
    let name = |id: usize| {
        let named = config.pointer(&format!("/id2label/{id}")).and_then(Value::as_str);
        named.map_or_else(|| format!("LABEL_{id}"), str::to_owned)
    };
    Ok((0..count).map(name).collect())
}

/// What a sequence-classification head predicts: the `problem_type` of this config.json. Without one, a head with one
/// output predicts a number and any other exactly one class, as in transformers for integer labels.
pub fn problem_type(config: &Value, outputs: usize) -> ProblemType {
    let named = config.get("problem_type").and_then(Value::as_str).and_then(ProblemType::named);
    named.unwrap_or(if outputs == 1 { ProblemType::Regression } else { ProblemType::SingleLabel })
}
