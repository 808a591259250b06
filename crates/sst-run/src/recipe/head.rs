//! `[model.head]`: the layers of a classification head.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sst_models::HeadConfig;

use super::error::{Problem, require};
use super::nearest::{name, unknown_name};
use super::section;

const TYPE: &str = "model.head.type";
/// The kinds of heads.
const TYPES: [&str; 2] = ["linear", "mlp"];
/// The default width of an MLP.
const HIDDEN_SIZE: i64 = 256;
/// The default dropout probability of an MLP, that of BERT's heads.
const DROPOUT: f64 = 0.1;

/// `[model.head]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HeadFile {
    #[serde(rename = "type")]
    kind: Option<Value>,
    hidden_size: Option<i64>,
    dropout: Option<f64>,
    new: bool,
}

/// `[model.head]`
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct HeadChoice {
    /// `type`, `hidden_size` and `dropout`: the layers of the head. `None` for those that the folder of `model.path`
    /// has, or else for a linear layer.
    pub layers: Option<HeadConfig>,
    /// `new`: whether the head has the initial values of a new model even if the folder of `model.path` holds one.
    pub new: bool,
}

impl HeadChoice {
    /// Reads `[model.head]`.
    pub(super) fn fill(value: Option<&Value>) -> Result<Self, Problem> {
        let Some(value) = value else { return Ok(Self::default()) };
        let HeadFile { kind, hidden_size, dropout, new } = section::parse("model.head", value)?;
        let kind = kind.map(|kind| name(TYPE, &kind, TYPES.into_iter())).transpose()?;
        match kind.as_deref() {
            None | Some("linear") => {}
            Some("mlp") => {
                let hidden_size = hidden_size.unwrap_or(HIDDEN_SIZE);
                let layers = HeadConfig::Mlp { hidden_size, dropout: dropout.unwrap_or(DROPOUT) };
                return Ok(Self { layers: Some(layers), new });
            }
            Some(other) => return Err(unknown_name(TYPE, other, TYPES.into_iter())),
        }
        for (key, is_given) in
            [("hidden_size", hidden_size.is_some()), ("dropout", dropout.is_some())]
        {
            let key = format!("model.head.{key}");
            require(!is_given, &key, "applies only to model.head.type = \"mlp\"")?;
        }
        Ok(Self { layers: kind.map(|_| HeadConfig::Linear), new })
    }

    /// Checks the values.
    pub(super) fn check(&self) -> Result<(), Problem> {
        match self.layers {
            Some(HeadConfig::Mlp { dropout, .. }) => {
                require(dropout < 1.0, "model.head.dropout", "must be below 1")
            }
            _ => Ok(()),
        }
    }

    /// `[model.head]` as it is written out; `None` if it says nothing.
    pub(super) fn to_json(self) -> Option<Value> {
        let mut section = match self.layers {
            Some(layers) => json!(layers),
            None => Value::Object(Map::new()),
        };
        if self.new {
            section["new"] = json!(true);
        }
        (self != Self::default()).then_some(section)
    }
}
