//! A linear layer after the pooling.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sst_core::checkpoint::{Weights, write_tensors};
use sst_core::nn::linear;
use sst_data::{Unused, UnusedKind, atomic};
use tch::{Device, Kind, Tensor};

use super::keys::{self, unused_keys};
use crate::error::ModelError;
use crate::files::{not_found, read_json};

/// The config.json of a Dense module.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Config {
    in_features: i64,
    out_features: i64,
    #[serde(default = "yes")]
    bias: bool,
    /// The name of a Python class; Tanh if the key is missing.
    #[serde(default = "tanh")]
    activation_function: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    use_residual: bool,
}

fn yes() -> bool {
    true
}

/// The default of sentence-transformers.
fn tanh() -> String {
    "torch.nn.modules.activation.Tanh".to_owned()
}

/// An activation without parameters.
type Apply = fn(&Tensor) -> Result<Tensor, tch::TchError>;

/// PyTorch's activation classes with their default arguments.
const ACTIVATIONS: [(&str, Apply); 17] = [
    ("Tanh", Tensor::f_tanh),
    ("Identity", |x| Ok(x.shallow_clone())),
    ("ReLU", Tensor::f_relu),
    ("ReLU6", |x| x.f_clamp(0.0, 6.0)),
    ("LeakyReLU", Tensor::f_leaky_relu),
    ("ELU", Tensor::f_elu),
    ("SELU", Tensor::f_selu),
    ("CELU", Tensor::f_celu),
    ("GELU", |x| x.f_gelu("none")),
    ("SiLU", Tensor::f_silu),
    ("Mish", Tensor::f_mish),
    ("Hardswish", Tensor::f_hardswish),
    ("Hardtanh", |x| x.f_clamp(-1.0, 1.0)),
    ("Sigmoid", Tensor::f_sigmoid),
    ("LogSigmoid", Tensor::f_log_sigmoid),
    ("Softplus", Tensor::f_softplus),
    ("Softsign", |x| x.f_div(&x.f_abs()?.f_add_scalar(1.0)?)),
];

#[derive(Debug)]
pub(super) struct Dense {
    config: Config,
    weight: Tensor,
    bias: Option<Tensor>,
    activation: Apply,
}

impl Dense {
    /// Reads config.json and model.safetensors of the module's folder, for vectors of width `width`. `name` is the
    /// folder in messages. Keys and tensors that were not used are added to `unused`.
    pub(super) fn load(
        folder: &Path,
        name: &str,
        width: i64,
        device: Device,
        unused: &mut Unused,
    ) -> Result<Self, ModelError> {
        let path = folder.join("config.json");
        let value: Value = read_json(&path)?.ok_or_else(|| not_found(&path))?;
        let file = format!("{name}/config.json");
        unused_keys(unused, &file, &value, &keys::DENSE);
        let other_input = value.get("module_input_name").and_then(Value::as_str);
        let mut config: Config = serde_json::from_value(value.clone()).map_err(|error| {
            ModelError::BadFile { path: path.clone(), message: error.to_string() }
        })?;
        let refuse = |message: String| ModelError::BadFile { path: path.clone(), message };
        if config.use_residual {
            return Err(refuse("use_residual is not supported".to_owned()));
        }
        if other_input.is_some_and(|name| name != "sentence_embedding") {
            return Err(refuse(
                "module_input_name: sst has linear layers after the pooling only".to_owned(),
            ));
        }
        if config.out_features < 1 {
            return Err(refuse(format!("out_features is {}", config.out_features)));
        }
        if config.in_features != width {
            let message = format!("takes {} numbers, but gets {width}", config.in_features);
            return Err(refuse(message));
        }
        if !config.activation_function.starts_with("torch.") {
            // sentence-transformers runs PyTorch's own classes only, and uses its default instead of others.
            let class = &config.activation_function;
            unused.add(
                UnusedKind::ConfigKey,
                format!("{file}: activation_function ({class} is not PyTorch's; Tanh instead)"),
            );
            config.activation_function = tanh();
        }
        let class = config.activation_function.rsplit('.').next().unwrap_or_default();
        let Some((_, activation)) = ACTIVATIONS.iter().find(|(known, _)| *known == class) else {
            let known = ACTIVATIONS.map(|(name, _)| name).join(", ");
            let found = &config.activation_function;
            return Err(refuse(format!("activation {found}: sst has {known}")));
        };
        let activation = *activation;
        let weights = Weights::open(folder)?;
        let tensor = |name: &str, shape: &[i64]| -> Result<Tensor, ModelError> {
            let found = weights.shape(name)?;
            if found != shape {
                return Err(refuse(format!("{name} is {found:?} and should be {shape:?}")));
            }
            weights.check_numbers(name)?;
            let tensor = weights.tensor(name)?.f_to_kind(Kind::Float);
            let tensor = tensor.and_then(|tensor| tensor.f_to_device(device));
            Ok(tensor.map_err(sst_core::Error::from)?)
        };
        let known =
            if config.bias { &["linear.weight", "linear.bias"][..] } else { &["linear.weight"] };
        for other in weights.names().filter(|name| !known.contains(name)) {
            unused.add(UnusedKind::Tensor, format!("{name}: {other}"));
        }
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
