//! LoRA (Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models"): the weights of a base model are frozen,
//! and a linear layer computes `W x + s B A x` with trained matrices `A` `[r, in]` and `B` `[out, r]`. Names and formats
//! are those of PEFT.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The prefix of the names of parameters in the file of an adapter.
pub const ADAPTER_PREFIX: &str = "base_model.model.";
/// The ends of the names of the two matrices of a layer.
const ENDS: [&str; 2] = [".lora_A.weight", ".lora_B.weight"];

/// The linear layers that LoRA adapts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoraTargets {
    /// All of them, except for those in modules that are trained as a whole and the projection of a language-model
    /// head.
    AllLinear,
    /// Those whose module name is one of these, or ends with a dot and one of these.
    Named(Vec<String>),
}

impl LoraTargets {
    /// Whether these name the linear layer `module`, such as `bert.encoder.layer.0.attention.self.query`.
    pub fn name(&self, module: &str) -> bool {
        match self {
            Self::AllLinear => true,
            Self::Named(names) => names.iter().any(|name| names_layer(name, module)),
        }
    }
}

/// Whether `target` names the layer `module`: it is the whole name, or the last parts of it.
pub fn names_layer(target: &str, module: &str) -> bool {
    let before = module.strip_suffix(target);
    before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// The settings of LoRA.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraConfig {
    /// r, the width between the two matrices.
    pub rank: i64,
    /// The numerator of the scale s.
    pub alpha: f64,
    /// The dropout probability of the input of `A`.
    pub dropout: f64,
    /// Whether the scale is `alpha / sqrt(r)` and not `alpha / r` (Kalajdzievski 2023, "A Rank Stabilization Scaling
    /// Factor for Fine-Tuning with LoRA").
    pub use_rslora: bool,
    /// The layers.
    pub targets: LoraTargets,
}

impl LoraConfig {
    /// The scale s.
    pub fn scale(&self) -> f64 {
        let rank = self.rank as f64;
        self.alpha / if self.use_rslora { rank.sqrt() } else { rank }
    }
}

/// The base model of an adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseModel {
    /// Its folder, an absolute path.
    pub path: PathBuf,
    /// The SHA-256 of its config.json and of the files of its weights, by their names in the folder.
    pub files: BTreeMap<String, String>,
}

/// What is trained and saved in place of a whole model: the matrices of LoRA, and some modules as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    /// The settings of LoRA.
    pub lora: LoraConfig,
    /// The modules that are trained as a whole, such as the head of a task: names, or last parts of names.
    pub modules_to_save: Vec<String>,
    /// The model that the other weights are from.
    pub base: BaseModel,
    /// Whether its matrices have the initial values of a new adapter, and are not loaded.
    pub is_new: bool,
}

impl Adapter {
    /// Whether LoRA adapts the linear layer `module`.
    pub fn adapts(&self, module: &str) -> bool {
        self.lora.targets.name(module) && !self.is_whole(&format!("{module}."))
    }

    /// Whether the adapter holds the parameter `name`, which is then trained and saved. All others are frozen.
    pub fn holds(&self, name: &str) -> bool {
        is_lora(name) || self.is_whole(name)
    }

    /// Whether the parameter is in a module that is trained as a whole.
    fn is_whole(&self, name: &str) -> bool {
        let within = |module: &String| {
            let mut rest = name;
            while let Some(at) = rest.find(module.as_str()) {
                let after = &rest[at + module.len()..];
                let begins = at == 0 || rest[..at].ends_with('.');
                if begins && after.starts_with('.') {
                    return true;
                }
                rest = after;
            }
            false
        };
        self.modules_to_save.iter().filter(|module| !module.is_empty()).any(within)
    }
}

/// Whether the parameter is a matrix of LoRA.
pub fn is_lora(name: &str) -> bool {
    ENDS.iter().any(|end| name.ends_with(end))
}

/// The linear layer that a matrix of LoRA belongs to; `None` for another parameter.
pub fn adapted_layer(name: &str) -> Option<&str> {
    ENDS.iter().find_map(|end| name.strip_suffix(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(targets: LoraTargets) -> Adapter {
        let lora = LoraConfig { rank: 4, alpha: 6.0, dropout: 0.0, use_rslora: false, targets };
        let base = BaseModel { path: PathBuf::new(), files: BTreeMap::new() };
        let modules_to_save = vec!["classifier".to_owned(), "pooler".to_owned()];
        Adapter { lora, modules_to_save, base, is_new: true }
    }

    #[test]
    fn targets_are_names_or_last_parts_of_names() {
        let named = ["query", "output.dense"].map(str::to_owned).to_vec();
        for (targets, module, expected) in [
            (LoraTargets::Named(named.clone()), "encoder.layer.0.attention.self.query", true),
            (LoraTargets::Named(named.clone()), "query", true),
            (LoraTargets::Named(named.clone()), "encoder.subquery", false),
            (LoraTargets::Named(named.clone()), "encoder.layer.0.attention.output.dense", true),
            (LoraTargets::Named(named.clone()), "encoder.layer.0.intermediate.dense", false),
            (LoraTargets::Named(vec!["dense".to_owned()]), "bert.pooler.dense", false),
            (LoraTargets::AllLinear, "encoder.layer.0.output.dense", true),
            (LoraTargets::AllLinear, "classifier", false),
            (LoraTargets::AllLinear, "bert.pooler.dense", false),
        ] {
            assert_eq!(adapter(targets).adapts(module), expected, "{module}");
        }
    }

    #[test]
    fn an_adapter_holds_its_matrices_and_whole_modules() {
        let adapter = adapter(LoraTargets::AllLinear);
        for (name, expected) in [
            ("bert.encoder.layer.0.attention.self.query.lora_A.weight", true),
            ("bert.encoder.layer.0.attention.self.query.weight", false),
            ("classifier.weight", true),
            ("classifier.dense.bias", true),
            ("bert.pooler.dense.weight", true),
            ("bert.unclassifier.weight", false),
            ("bert.classifiers.weight", false),
        ] {
            assert_eq!(adapter.holds(name), expected, "{name}");
        }
    }

    #[test]
    fn the_scale_is_alpha_over_the_rank_or_its_root() {
        let mut lora = adapter(LoraTargets::AllLinear).lora;
        assert_eq!(lora.scale(), 1.5);
        lora.use_rslora = true;
        assert_eq!(lora.scale(), 3.0);
    }
}
