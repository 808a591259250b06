//! The size of the images that a model reads.

use serde::Deserialize;
use serde_json::Value;

use crate::image::ImageSize;
use crate::registry;

/// Height and width of the images that the model with this config.json reads; `None` if it reads none.
pub fn image_size(config: &Value) -> Option<[u32; 2]> {
    let model_type = config.get("model_type").and_then(Value::as_str)?;
    let defaults = registry::entry(model_type).ok().map(|entry| (entry.default_config)());
    let of = |config: &Value| {
        let mut size = ["/image_size", "/vision_config/image_size"].iter();
        let size = size.find_map(|place| config.pointer(place))?;
        let sides = ImageSize::deserialize(size).ok()?.sides();
        Some([u32::try_from(sides[0]).ok()?, u32::try_from(sides[1]).ok()?])
    };
    of(config).or_else(|| defaults.as_ref().and_then(of))
}
