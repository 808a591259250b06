//! Reads `preprocessor_config.json`.

use serde_json::{Map, Value};

use super::super::resize::Resample;
use super::super::transform::{NormalizeConfig, ResizeTo, Sides};
use super::{ImageProcessor, ProcessorKind};
use crate::unused::{Harmless, Unused};

/// The keys that are read.
const USED: [&str; 16] = [
    "image_processor_type",
    "feature_extractor_type",
    "do_resize",
    "size",
    "resample",
    "do_center_crop",
    "crop_size",
    "do_rescale",
    "rescale_factor",
    "do_normalize",
    "image_mean",
    "image_std",
    "do_convert_rgb",
    "do_pad",
    "default_to_square",
    "use_square_size",
];

const HARMLESS: &[Harmless] = &[
    ("processor_class", "names the class that the processor is a part of"),
    ("_valid_processor_keys", "lists the arguments of a function"),
    ("data_format", "says in which order the numbers are returned to Python"),
    ("input_data_format", "describes arrays of Python"),
    ("return_tensors", "says what is returned to Python"),
    ("device", "says where it is computed"),
    ("disable_grouping", "says in which order it is computed"),
];

/// The largest side.
const MAX_SIDE: u64 = 8192;

/// The processor that the object describes, and the keys that are not used. The error is a sentence that begins with the
/// key at fault.
pub(super) fn parse(object: &Map<String, Value>) -> Result<(ImageProcessor, Unused), String> {
    let kind = kind(object)?;
    let (mean, std) = kind.mean_std();
    let flag = |key: &str, default: bool| match object.get(key) {
        None | Some(Value::Null) => Ok(default),
        Some(Value::Bool(value)) => Ok(*value),
        Some(value) => Err(format!("{key} is {value} and must be true or false")),
    };
    if flag("do_pad", false)? {
        return Err(
            "do_pad is true, which is not supported: only pictures of one size are".to_owned()
        );
    }
    let resample = match object.get("resample") {
        None | Some(Value::Null) => kind.resample(),
        Some(value) => value.as_u64().and_then(Resample::of_number).ok_or_else(|| {
            format!("resample is {value} and must be from 0 to 5, the numbers of Pillow's filters")
        })?,
    };
    if flag("use_square_size", false)? {
        let message = "use_square_size is true, which is not supported: remove it, and write size as height and width";
        return Err(message.to_owned());
    }
    let to_square = flag("default_to_square", !kind.keeps_proportion())?;
    let resize = flag("do_resize", true)?.then(|| size(object, kind, to_square)).transpose()?;
    let crop = flag("do_center_crop", kind.crops())?.then(|| crop_size(object)).transpose()?;
    let rescale_factor = match object.get("rescale_factor") {
        None | Some(Value::Null) => 1.0 / 255.0,
        Some(value) => value
            .as_f64()
            .filter(|factor| *factor > 0.0)
            .ok_or_else(|| format!("rescale_factor is {value} and must be a number above 0"))?,
    };
    let rescale_factor = if flag("do_rescale", true)? { rescale_factor } else { 1.0 };
    let (mean, std) = match flag("do_normalize", true)? {
        true => (channels(object, "image_mean", mean)?, channels(object, "image_std", std)?),
        false => ([0.0; 3], [1.0; 3]),
    };
    // Pictures are always decoded as RGB; a processor that expects another form cannot be told from one that does not care.
    flag("do_convert_rgb", true)?;
    let normalize = NormalizeConfig { rescale_factor, mean, std };
    let mut unused = Unused::new();
    unused.add_keys(super::FILE, &Value::Object(object.clone()), USED, HARMLESS);
    Ok((ImageProcessor { kind, resize, resample, crop, normalize }, unused))
}

fn kind(object: &Map<String, Value>) -> Result<ProcessorKind, String> {
    let key = ["image_processor_type", "feature_extractor_type"]
        .into_iter()
        .find(|key| object.contains_key(*key))
        .ok_or("image_processor_type is missing: name the class, such as ViTImageProcessor")?;
    let class = &object[key];
    let unknown = || {
        format!(
            "{key} is {class}, which is not supported: the classes that are read are ViTImageProcessor, \
             CLIPImageProcessor, SiglipImageProcessor and BitImageProcessor"
        )
    };
    class.as_str().and_then(ProcessorKind::of_class).ok_or_else(unknown)
}

/// A number of pixels.
fn side(key: &str, value: &Value) -> Result<u32, String> {
    let side = value.as_u64().filter(|side| (1..=MAX_SIDE).contains(side));
    let side = side.and_then(|side| u32::try_from(side).ok());
    side.ok_or_else(|| format!("{key} is {value} and must be from 1 to {MAX_SIDE}"))
}

/// The size. `to_square` is what the file says about a size of one number, or else what the class does with it.
fn size(
    object: &Map<String, Value>,
    kind: ProcessorKind,
    to_square: bool,
) -> Result<ResizeTo, String> {
    const KEY: &str = "size";
    let refuse = |value: &Value| {
        Err(format!("size is {value} and must have height and width, or shortest_edge alone"))
    };
    match object.get(KEY) {
        None | Some(Value::Null) => Ok(kind.size(224)),
        Some(Value::Object(size)) => {
            let has_only = |keys: &[&str]| size.keys().all(|key| keys.contains(&key.as_str()));
            match (size.get("height"), size.get("width"), size.get("shortest_edge")) {
                (Some(height), Some(width), None) if has_only(&["height", "width"]) => {
                    let (height, width) = (side(KEY, height)?, side(KEY, width)?);
                    Ok(ResizeTo::Sides(Sides::Each { height, width }))
                }
                (None, None, Some(edge)) if has_only(&["shortest_edge"]) => {
                    Ok(ResizeTo::ShortestEdge { shortest_edge: side(KEY, edge)? })
                }
                _ => refuse(&Value::Object(size.clone())),
            }
        }
        // Versions of transformers differ in what this is.
        Some(value @ Value::Number(_))
            if to_square == kind.keeps_proportion() || kind == ProcessorKind::Siglip =>
        {
            Err(format!(
                "size is {value}, which is a square in some versions of transformers and the short side in others: write \
                 {{\"height\": {value}, \"width\": {value}}} or {{\"shortest_edge\": {value}}}"
            ))
        }
        // As files of older versions have it.
        Some(value @ Value::Number(_)) => Ok(kind.size(side(KEY, value)?)),
        Some(value) => refuse(value),
    }
}

fn crop_size(object: &Map<String, Value>) -> Result<Sides, String> {
    const KEY: &str = "crop_size";
    let each = |height: u32, width: u32| Sides::Each { height, width };
    match object.get(KEY) {
        None | Some(Value::Null) => Ok(each(224, 224)),
        Some(value @ Value::Number(_)) => {
            let side = side(KEY, value)?;
            Ok(each(side, side))
        }
        Some(value) => match (value.get("height"), value.get("width")) {
            (Some(height), Some(width)) => Ok(each(side(KEY, height)?, side(KEY, width)?)),
            _ => Err(format!("crop_size is {value} and must have height and width")),
        },
    }
}

/// Three numbers, or one for all channels.
fn channels(object: &Map<String, Value>, key: &str, default: [f64; 3]) -> Result<[f64; 3], String> {
    let value = match object.get(key) {
        None | Some(Value::Null) => return Ok(default),
        Some(value) => value,
    };
    let refuse = || format!("{key} is {value} and must be three numbers");
    let in_range = |number: f64| {
        let is_valid = number.is_finite() && (key != "image_std" || number > 0.0);
        is_valid.then_some(number).ok_or_else(refuse)
    };
    if let Some(number) = value.as_f64() {
        return Ok([in_range(number)?; 3]);
    }
    let Some([red, green, blue]) = value.as_array().map(Vec::as_slice) else {
        return Err(refuse());
    };
    let number = |value: &Value| value.as_f64().ok_or_else(refuse).and_then(in_range);
    Ok([number(red)?, number(green)?, number(blue)?])
}
