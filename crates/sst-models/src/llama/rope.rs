//! The keys of rotary positions in a Llama config.json, in all their spellings.

use serde_json::{Map, Value, json};
use sst_core::nn::{RopeParameters, RopeScaling, Rotary};

use super::config::LlamaConfig;
use crate::error::{ModelError, bad};

impl LlamaConfig {
    /// The rotary positions that the keys define.
    ///
    /// # Errors
    /// If a key is missing, unknown or out of range.
    pub fn rotary(&self) -> Result<Rotary, ModelError> {
        let parameters = self.rope_parameters()?;
        let is_partial = self.partial_rotary().is_some_and(|share| share != 1.0);
        match parameters.scaling {
            // transformers reads the fraction for `proportional` only, and ignores it for `default`.
            RopeScaling::Proportional { .. } | RopeScaling::Default => {}
            _ if is_partial => {
                let message =
                    "is not 1, and a Llama rotates whole heads; transformers cannot run it either";
                return Err(bad("rope_parameters.partial_rotary_factor", message));
            }
            _ => {}
        }
        Rotary::new(parameters, self.head_width(), self.max_position_embeddings).map_err(|error| {
            match error {
                sst_core::Error::Config { key, reason } => bad(&key, &reason),
                other => other.into(),
            }
        })
    }

    /// The rotary keys without effect, as `rope_parameters.KEY` or, at the top level, as `KEY`: keys that the kind of
    /// scaling does not read, and keys that another key overrides.
    pub fn unused_rope_keys(&self) -> Vec<String> {
        let Ok(parameters) = self.rope_parameters() else { return Vec::new() };
        let (given, name) = self.given();
        let used = parameters.scaling.keys();
        let mut unused = Vec::new();
        for (key, value) in given {
            let is_known = ["rope_theta", "rope_type", "type"].contains(&key.as_str());
            // A value that means the default need not be reported.
            let is_whole_head = key == "partial_rotary_factor" && value.as_f64() == Some(1.0);
            if !is_known && !is_whole_head && !used.contains(&key.as_str()) {
                unused.push(format!("{name}.{key}"));
            }
        }
        let kind = |rope: &Map<String, Value>, key: &str| rope.get(key).cloned();
        let (old, new) = (kind(given, "type"), kind(given, "rope_type"));
        if old.is_some() && new.is_some() && old != new {
            unused.push(format!("{name}.type"));
        }
        // Older exporters write both objects with the same content.
        let differs = |other: &Map<String, Value>| !other.is_empty() && other != given;
        if name == "rope_scaling" && self.rope_parameters.as_ref().is_some_and(differs) {
            unused.push("rope_parameters".to_owned());
        }
        if self.rope_theta.is_some_and(|theta| theta != parameters.rope_theta) {
            unused.push("rope_theta".to_owned());
        }
        let reads = |key| used.contains(&key);
        if self.original_max_position_embeddings.is_some()
            && !reads("original_max_position_embeddings")
        {
            unused.push("original_max_position_embeddings".to_owned());
        }
        if self.partial_rotary_factor.is_some_and(|share| share != 1.0)
            && !reads("partial_rotary_factor")
        {
            unused.push("partial_rotary_factor".to_owned());
        }
        unused
    }

    fn rope_parameters(&self) -> Result<RopeParameters, ModelError> {
        serde_json::from_value::<RopeParameters>(json!(self.rope()))
            .map_err(|error| bad("rope_parameters", &error.to_string()))
    }

    /// The object with the rotary keys, and its name. As in transformers, the older key overrides the newer one
    /// unless it is empty.
    fn given(&self) -> (&Map<String, Value>, &'static str) {
        static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        match (&self.rope_scaling, &self.rope_parameters) {
            (Some(old), _) if !old.is_empty() => (old, "rope_scaling"),
            (_, Some(new)) => (new, "rope_parameters"),
            _ => (&EMPTY, "rope_parameters"),
        }
    }

    fn partial_rotary(&self) -> Option<f64> {
        let inside = self.given().0.get("partial_rotary_factor").and_then(Value::as_f64);
        inside.or(self.partial_rotary_factor)
    }

    /// The keys of `rope_parameters` in the spelling of transformers 5.
    fn rope(&self) -> Map<String, Value> {
        let mut rope = self.given().0.clone();
        let kind = rope.remove("type").unwrap_or_else(|| json!("default"));
        let kind = rope.entry("rope_type").or_insert(kind).clone();
        let theta = self.rope_theta.unwrap_or(10_000.0);
        rope.entry("rope_theta").or_insert_with(|| json!(theta));
        if let Some(share) = self.partial_rotary_factor {
            rope.entry("partial_rotary_factor").or_insert_with(|| json!(share));
        }
        if ["llama3", "yarn", "longrope"].contains(&kind.as_str().unwrap_or_default()) {
            const ORIGINAL: &str = "original_max_position_embeddings";
            match self.original_max_position_embeddings {
                Some(positions) => {
                    rope.insert(ORIGINAL.to_owned(), json!(positions));
                }
                None => {
                    let positions = json!(self.max_position_embeddings);
                    rope.entry(ORIGINAL).or_insert(positions);
                }
            }
            // Some files write an integer with a decimal point.
            if let Some(positions) = rope.get_mut(ORIGINAL)
                && let Some(real) = positions.as_f64().filter(|real| real.fract() == 0.0)
            {
                *positions = json!(real as i64);
            }
        }
        rope
    }

    /// The config with `rope_parameters` for transformers 5 and the older keys for earlier releases.
    pub(super) fn complete(&self) -> Self {
        let rope = self.rope();
        let is_plain = rope.get("rope_type") == Some(&json!("default"));
        Self {
            rope_theta: rope.get("rope_theta").and_then(Value::as_f64),
            rope_scaling: (!is_plain).then(|| rope.clone()),
            rope_parameters: Some(rope),
            num_key_value_heads: Some(self.kv_heads()),
            head_dim: Some(self.head_width()),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(keys: Value) -> LlamaConfig {
        serde_json::from_value(keys).unwrap()
    }

    #[test]
    fn older_and_newer_keys_say_the_same() {
        let scaling = json!({"type": "linear", "factor": 2.0});
        let old = config(json!({"rope_theta": 500.0, "rope_scaling": scaling}));
        let parameters = json!({"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0});
        let new = config(json!({"rope_parameters": parameters}));
        let beside = config(json!({"rope_scaling": {}, "rope_parameters": parameters}));
        assert_eq!(old.rope(), new.rope());
        assert_eq!(beside.rope(), new.rope());
        assert_eq!(old.complete().rope(), new.rope());
        let read: RopeParameters = serde_json::from_value(json!(new.rope())).unwrap();
        assert_eq!(read.scaling, RopeScaling::Linear { factor: 2.0 });
        assert_eq!(read.rope_theta, 500.0);
        assert_eq!(config(json!({})).complete().rope_scaling, None);
        for same in [&old, &new, &beside, &old.complete()] {
            assert_eq!(same.unused_rope_keys(), Vec::<String>::new());
        }
    }

    #[test]
    fn the_original_positions_at_the_top_go_first_and_are_saved_where_they_are_read() {
        for kind in ["yarn", "llama3", "longrope"] {
            let inside = json!({"rope_type": kind, "original_max_position_embeddings": 64.0});
            let top = config(json!({
                "original_max_position_embeddings": 16, "rope_parameters": inside,
            }));
            let saved = json!(top.complete());
            assert_eq!(saved["rope_parameters"]["original_max_position_embeddings"], 16, "{kind}");
            assert_eq!(saved["rope_scaling"]["original_max_position_embeddings"], 16, "{kind}");
            let alone = config(json!({"rope_parameters": inside}));
            assert_eq!(alone.rope()["original_max_position_embeddings"], 64, "{kind}");
            // A null there would make transformers fail.
            assert!(json!(alone.complete()).get("original_max_position_embeddings").is_none());
        }
        let plain = config(json!({"original_max_position_embeddings": 16}));
        assert!(!plain.rope().contains_key("original_max_position_embeddings"));
    }

    #[test]
    fn keys_without_effect_are_named() {
        for (keys, want) in [
            (
                json!({"rope_parameters": {"rope_type": "linear", "factor": 2.0, "beta_fast": 3}}),
                "rope_parameters.beta_fast",
            ),
            (json!({"rope_parameters": {"factor": 2.0}}), "rope_parameters.factor"),
            (
                json!({"rope_scaling": {"type": "yarn", "rope_type": "linear", "factor": 2.0}}),
                "rope_scaling.type",
            ),
            (
                json!({
                    "rope_scaling": {"type": "linear", "factor": 2.0},
                    "rope_parameters": {"rope_type": "default"},
                }),
                "rope_parameters",
            ),
            (json!({"rope_theta": 5e5, "rope_parameters": {"rope_theta": 77.0}}), "rope_theta"),
            (json!({"original_max_position_embeddings": 16}), "original_max_position_embeddings"),
            (json!({"partial_rotary_factor": 0.5}), "partial_rotary_factor"),
        ] {
            let read = config(keys.clone());
            read.rotary().unwrap();
            assert_eq!(read.unused_rope_keys(), [want], "{keys}");
        }
    }
}
