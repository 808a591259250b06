//! The layers that score classes: one linear layer, as in transformers, or an MLP.
//!
//! Shapes: n rows or tokens, d hidden size, h width of the MLP, o classes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sst_core::nn::{Activation, Linear, dropout};
use sst_core::{Result, Scope};
use tch::Tensor;

use crate::error::{ModelError, bad};

/// The key of a config.json that says which layers a classification head has. transformers does not know it.
pub(crate) const KEY: &str = "sst_head";
/// The largest width of an MLP.
const MAX_WIDTH: i64 = 1 << 24;

/// The layers of a classification head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum HeadConfig {
    /// One linear layer, as in transformers.
    #[default]
    Linear,
    /// A linear layer, ReLU, dropout, and a second linear layer. transformers has no such head.
    Mlp {
        /// h.
        hidden_size: i64,
        /// The dropout probability before the second layer.
        dropout: f64,
    },
}

impl HeadConfig {
    /// Reads the key from the content of a config.json; without it the head is a linear layer.
    ///
    /// # Errors
    /// If the value is no such configuration, or is out of range.
    pub fn of(config: &Value) -> Result<Self, ModelError> {
        let Some(value) = config.get(KEY).filter(|value| !value.is_null()) else {
            return Ok(Self::Linear);
        };
        let head: Self =
            serde_json::from_value(value.clone()).map_err(|error| bad(KEY, &error.to_string()))?;
        head.check().map_err(|error| match error {
            ModelError::Config { path, message } => bad(&format!("{KEY}.{path}"), &message),
            other => other,
        })?;
        Ok(head)
    }

    /// [`Self::of`] for some keys of a config.json.
    pub(crate) fn of_keys(keys: &Map<String, Value>) -> Result<Self, ModelError> {
        Self::of(&Value::Object(
            keys.get(KEY).map(|value| (KEY.to_owned(), value.clone())).into_iter().collect(),
        ))
    }

    /// Checks the values, after serde has checked their types.
    ///
    /// # Errors
    /// If a value is out of range, with the key.
    pub fn check(&self) -> Result<(), ModelError> {
        let Self::Mlp { hidden_size, dropout } = *self else { return Ok(()) };
        if !(1..=MAX_WIDTH).contains(&hidden_size) {
            let message = format!("is {hidden_size} and must be from 1 to {MAX_WIDTH}");
            return Err(bad("hidden_size", &message));
        }
        match (0.0..1.0).contains(&dropout) {
            true => Ok(()),
            false => {
                Err(bad("dropout", &format!("is {dropout} and must be at least 0 and below 1")))
            }
        }
    }

    /// The key of a config.json that stands for these layers; none for a linear layer.
    pub fn keys(self) -> Map<String, Value> {
        match self {
            Self::Linear => Map::new(),
            Self::Mlp { .. } => Map::from_iter([(KEY.to_owned(), json!(self))]),
        }
    }

    /// Replaces the key of a config.json.
    pub(crate) fn write(self, config: &mut Value) {
        if let Value::Object(keys) = config {
            keys.remove(KEY);
            keys.extend(self.keys());
        }
    }

    /// The names of the parameters of a head in `module`. `has_bias` is for the linear layer; an MLP has biases. The
    /// first dimension of the first of them is o.
    pub(crate) fn parameters(self, module: &str, has_bias: bool) -> Vec<String> {
        let names: &[&str] = match (self, has_bias) {
            (Self::Linear, true) => &["weight", "bias"],
            (Self::Linear, false) => &["weight"],
            (Self::Mlp { .. }, _) => {
                &["out_proj.weight", "out_proj.bias", "dense.weight", "dense.bias"]
            }
        };
        names.iter().map(|name| format!("{module}.{name}")).collect()
    }
}

/// Scores o classes from hidden states.
#[derive(Debug)]
pub(crate) enum Classifier {
    Linear(Linear),
    Mlp { dense: Linear, dropout: f64, out_proj: Linear },
}

/// The sizes of a classifier.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// d.
    pub(crate) width: i64,
    /// o.
    pub(crate) outputs: i64,
    /// The standard deviation of the initial weights.
    pub(crate) std: f64,
    /// Whether the linear layer has a bias.
    pub(crate) has_bias: bool,
}

impl Classifier {
    /// Makes the parameters in `scope`.
    pub(crate) fn new(scope: &Scope<'_>, config: HeadConfig, sizes: Sizes) -> Result<Self> {
        let Sizes { width, outputs, std, has_bias } = sizes;
        match config {
            HeadConfig::Linear if has_bias => {
                Ok(Self::Linear(Linear::new(scope, width, outputs, std)?))
            }
            HeadConfig::Linear => {
                Ok(Self::Linear(Linear::without_bias(scope, width, outputs, std)?))
            }
            HeadConfig::Mlp { hidden_size, dropout } => Ok(Self::Mlp {
                dense: Linear::new(&scope.sub("dense"), width, hidden_size, std)?,
                dropout,
                out_proj: Linear::new(&scope.sub("out_proj"), hidden_size, outputs, std)?,
            }),
        }
    }

    /// The scores `[n, o]` of hidden states `[n, d]`. `train` turns on the dropout of an MLP.
    pub(crate) fn forward(&self, hidden_nd: &Tensor, train: bool) -> Result<Tensor> {
        match self {
            Self::Linear(linear) => linear.forward(hidden_nd, train),
            Self::Mlp { dense, dropout: p, out_proj } => {
                let inner_nh = dense.forward_activated(hidden_nd, Activation::Relu, train)?;
                out_proj.forward(&dropout(inner_nh, *p, train)?, train)
            }
        }
    }

    pub(crate) fn num_outputs(&self) -> usize {
        match self {
            Self::Linear(last) | Self::Mlp { out_proj: last, .. } => last.num_outputs() as usize,
        }
    }

    pub(crate) fn parameters(&self) -> Vec<&Tensor> {
        match self {
            Self::Linear(linear) => linear.parameters().collect(),
            Self::Mlp { dense, out_proj, .. } => {
                dense.parameters().chain(out_proj.parameters()).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_read_and_wrong_values_are_refused_by_key() {
        let mlp = HeadConfig::Mlp { hidden_size: 8, dropout: 0.25 };
        let config = json!({"sst_head": {"type": "mlp", "hidden_size": 8, "dropout": 0.25}});
        assert_eq!(HeadConfig::of(&config).unwrap(), mlp);
        assert_eq!(HeadConfig::of(&json!({})).unwrap(), HeadConfig::Linear);
        let mut written = json!({});
        mlp.write(&mut written);
        assert_eq!(written, config);
        HeadConfig::Linear.write(&mut written);
        assert_eq!(written, json!({}));
        for (value, part) in [
            (json!({"type": "mlp", "hidden_size": 0, "dropout": 0.1}), "sst_head.hidden_size"),
            (json!({"type": "mlp", "hidden_size": 8, "dropout": 1.0}), "sst_head.dropout"),
            (json!({"type": "mlp", "dropout": 0.1}), "hidden_size"),
            (json!({"type": "cnn"}), "cnn"),
            (json!(3), "sst_head"),
        ] {
            let error = HeadConfig::of(&json!({"sst_head": value})).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
