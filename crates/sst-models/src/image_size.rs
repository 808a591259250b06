//! The size of the images that a model reads.

use serde_json::Value;

use crate::registry;

/// Height and width of the images that the model with this config.json reads; `None` if it reads none.
pub fn image_size(config: &Value) -> Option<[u32; 2]> {
    let model_type = config.get("model_type").and_then(Value::as_str)?;
    let defaults = registry::entry(model_type).ok().map(|entry| (entry.default_config)());
    let of = |config: &Value| {
        let size = ["/image_size", "/vision_config/image_size"].iter();
        size.filter_map(|place| config.pointer(place)).find_map(sides)
    };
    of(config).or_else(|| defaults.as_ref().and_then(of))
}

/// A number for a square, or height and width.
fn sides(size: &Value) -> Option<[u32; 2]> {
    let number = |value: &Value| u32::try_from(value.as_u64()?).ok();
    match size.as_array().map(Vec::as_slice) {
        Some([height, width]) => Some([number(height)?, number(width)?]),
        Some(_) => None,
        None => number(size).map(|side| [side, side]),
    }
}
