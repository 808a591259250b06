//! `[model.lora]`: LoRA, which trains small matrices beside the frozen weights of `model.path`.

use serde::Deserialize;
use serde_json::{Value, json};
use sst_core::{LoraConfig, LoraTargets};

use super::error::{Problem, require};
use super::section;

/// The word for all linear layers.
const ALL: &str = "all-linear";

/// `[model.lora]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LoraFile {
    /// r. Default: 8, as in PEFT.
    rank: i64,
    /// The numerator of the scale `alpha / rank`. Default: 16, so that the scale is 2, as the paper has it for GPT-2 and
    /// larger models.
    alpha: f64,
    /// The dropout probability of the input of the matrices. Default: 0, as in PEFT.
    dropout: f64,
    /// Names of linear layers, or the last parts of their names; or "all-linear", which is the default, because the
    /// attention alone does not reach the quality of training all weights (Dettmers et al. 2023, "QLoRA", section 4).
    targets: Value,
    /// Whether the scale is `alpha / sqrt(rank)`. Default: false.
    use_rslora: bool,
}

impl Default for LoraFile {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, dropout: 0.0, targets: json!(ALL), use_rslora: false }
    }
}

/// Reads `[model.lora]`.
pub(super) fn fill(value: &Value) -> Result<LoraConfig, Problem> {
    let LoraFile { rank, alpha, dropout, targets, use_rslora } =
        section::parse("model.lora", value)?;
    let wrong = || {
        let message = format!("must be \"{ALL}\" or a list of names of linear layers");
        Problem::new("model.lora.targets", message)
    };
    let targets = match targets {
        Value::String(name) if name == ALL => LoraTargets::AllLinear,
        Value::Array(names) => {
            let names = names.iter().map(|name| name.as_str().map(str::to_owned));
            LoraTargets::Named(names.collect::<Option<_>>().ok_or_else(wrong)?)
        }
        _ => return Err(wrong()),
    };
    Ok(LoraConfig { rank, alpha, dropout, use_rslora, targets })
}

/// Checks the values.
pub(super) fn check(lora: &LoraConfig) -> Result<(), Problem> {
    require(lora.alpha > 0.0, "model.lora.alpha", "must be above 0")?;
    require(lora.dropout < 1.0, "model.lora.dropout", "must be below 1")?;
    let LoraTargets::Named(names) = &lora.targets else { return Ok(()) };
    let has_names = !names.is_empty() && names.iter().all(|name| !name.is_empty());
    require(has_names, "model.lora.targets", format!("has no name: remove it for \"{ALL}\""))
}

/// `[model.lora]` as it is written out.
pub(super) fn to_json(lora: &LoraConfig) -> Value {
    let targets = match &lora.targets {
        LoraTargets::AllLinear => json!(ALL),
        LoraTargets::Named(names) => json!(names),
    };
    json!({
        "rank": lora.rank, "alpha": lora.alpha, "dropout": lora.dropout, "targets": targets,
        "use_rslora": lora.use_rslora,
    })
}
