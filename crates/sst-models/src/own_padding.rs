//! The padding token of models that read captions of one length.

use serde_json::Value;

/// The id of the token that a model with this config.json pads captions with, because it was trained on captions of one length
/// (the text encoder of SigLIP); `None` for models that read no padding.
pub fn own_padding(config: &Value) -> Option<i64> {
    let text = config.get("text_config")?;
    let is_siglip = config["model_type"] == "siglip" || text["model_type"] == "siglip_text_model";
    text.get("pad_token_id").and_then(Value::as_i64).filter(|_| is_siglip)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::own_padding;

    #[test]
    fn only_the_text_encoder_of_siglip_pads() {
        let text = json!({"pad_token_id": 1});
        let config = |model_type: &str| json!({"model_type": model_type, "text_config": text});
        assert_eq!(own_padding(&config("siglip")), Some(1));
        assert_eq!(own_padding(&config("clip")), None);
        let text = json!({"model_type": "siglip_text_model", "pad_token_id": 0});
        let dual = json!({"model_type": "vision-text-dual-encoder", "text_config": text});
        assert_eq!(own_padding(&dual), Some(0));
        assert_eq!(own_padding(&json!({"model_type": "bert", "pad_token_id": 0})), None);
        // A config.json without the key has the value of transformers.
        let default = (crate::registry::entry("siglip").unwrap().default_config)();
        assert_eq!(own_padding(&default), Some(1));
    }
}
