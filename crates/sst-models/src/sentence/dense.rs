//! A linear layer after the pooling.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sst_core::checkpoint::{Weights, write_tensors};
use sst_core::nn::linear;
use sst_data::atomic;
use tch::{Device, Kind, Tensor};

use super::folder::need;
use crate::error::ModelError;

/// Its config.json.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Config {
    in_features: i64,
    out_features: i64,
    #[serde(default = "yes")]
    bias: bool,
    /// A Python class.
    activation_function: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    use_residual: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug)]
pub(super) struct Dense {
    config: Config,
    weight: Tensor,
    bias: Option<Tensor>,
    activation: fn(&Tensor) -> Result<Tensor, tch::TchError>,
}

impl Dense {
    /// Reads config.json and model.safetensors of its folder, for vectors of `width`.
    pub(super) fn load(folder: &Path, width: i64, device: Device) -> Result<Self, ModelError> {
        let path = folder.join("config.json");
        let config: Config = need(&path)?;
        let refuse = |message: String| ModelError::BadFile { path: path.clone(), message };
        if config.use_residual {
            return Err(refuse("use_residual is not supported".to_owned()));
        }
        if config.in_features != width {
            let message = format!("takes {} numbers, but gets {width}", config.in_features);
            return Err(refuse(message));
        }
        let class = config.activation_function.rsplit('.').next().unwrap_or_default();
        let activation = match class {
            "Tanh" => Tensor::f_tanh,
            "Identity" => |x: &Tensor| Ok(x.shallow_clone()),
            "ReLU" => Tensor::f_relu,
            "GELU" => |x: &Tensor| x.f_gelu("none"),
            "SiLU" => Tensor::f_silu,
            "Sigmoid" => Tensor::f_sigmoid,
            _ => {
                let known = "Tanh, Identity, ReLU, GELU, SiLU and Sigmoid";
                let found = &config.activation_function;
                return Err(refuse(format!("activation {found}: sst has {known}")));
            }
        };
        let weights = Weights::open(folder)?;
        let tensor = |name: &str, shape: &[i64]| -> Result<Tensor, ModelError> {
            let tensor = weights.tensor(name)?;
            if tensor.size() != shape {
                let found = tensor.size();
                return Err(refuse(format!("{name} is {found:?} and should be {shape:?}")));
            }
            let tensor =
                tensor.f_to_kind(Kind::Float).and_then(|tensor| tensor.f_to_device(device));
            Ok(tensor.map_err(sst_core::Error::from)?)
        };
        let weight = tensor("linear.weight", &[config.out_features, config.in_features])?;
        let bias =
            config.bias.then(|| tensor("linear.bias", &[config.out_features])).transpose()?;
        Ok(Self { config, weight, bias, activation })
    }

    pub(super) fn width(&self) -> i64 {
        self.config.out_features
    }

    pub(super) fn apply(&self, x_bd: &Tensor) -> sst_core::Result<Tensor> {
        Ok((self.activation)(&linear(x_bd, &self.weight, self.bias.as_ref())?)?)
    }

    pub(super) fn save(&self, folder: &Path) -> Result<(), ModelError> {
        let io = |path: &Path, source| ModelError::Io { path: path.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(|error| io(folder, error))?;
        let path = folder.join("config.json");
        let text = format!("{:#}\n", serde_json::json!(self.config));
        atomic::write(&path, text.as_bytes()).map_err(|error| io(&path, error))?;
        let mut tensors =
            BTreeMap::from([("linear.weight".to_owned(), self.weight.shallow_clone())]);
        if let Some(bias) = &self.bias {
            tensors.insert("linear.bias".to_owned(), bias.shallow_clone());
        }
        Ok(write_tensors(&folder.join("model.safetensors"), &tensors, &[])?)
    }
}
