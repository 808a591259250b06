//! Pictures that Pillow decodes and resizes, and that torchvision changes.

use std::path::Path;

use serde_json::Value;
use sst_data::PixelValues;
use sst_data::pictures::resize::{Resample, resize};
use sst_data::pictures::transform::{
    NormalizeConfig, Rectangle, Sides, adjust_brightness, adjust_contrast, adjust_hue,
    adjust_saturation, blur, flip, invert_from, resized_crop, to_gray,
};
use sst_data::pictures::{ImageProcessor, Picture, PictureLimits, decode};

pub(super) fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/pictures/case.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub(super) fn bytes(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap().as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn side(case: &Value, name: &str) -> u32 {
    case[name].as_u64().unwrap() as u32
}

fn source(golden: &Value) -> Picture {
    let (width, height) = (side(golden, "width"), side(golden, "height"));
    Picture::new(width, height, bytes(&golden["source"])).unwrap()
}

/// The mean and the greatest difference of the values of two pictures of one size.
fn differences(found: &Picture, case: &Value) -> (f64, u8) {
    assert_eq!((found.width(), found.height()), (side(case, "width"), side(case, "height")));
    let expected = bytes(&case["pixels"]);
    assert_eq!(found.pixels().len(), expected.len());
    let differences = found.pixels().iter().zip(&expected).map(|(a, b)| a.abs_diff(*b));
    let sum: f64 = differences.clone().map(f64::from).sum();
    (sum / expected.len() as f64, differences.max().unwrap())
}

#[test]
fn files_are_decoded_as_pillow_does() {
    let golden = golden();
    let cases = golden["decoded"].as_array().unwrap();
    assert!(cases.len() >= 40);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let decoded = decode(&bytes(&case["file"]), &PictureLimits::default()).unwrap();
        let (mean, greatest) = differences(&decoded.picture, case);
        match case["exact"].as_bool().unwrap() {
            true => assert_eq!(greatest, 0, "{name}"),
            // Decoders of JPEG round differently.
            false => assert!(mean <= 2.0, "{name}: {mean} {greatest}"),
        }
        let has_more_frames = name.starts_with("animated") || name.ends_with("two pages");
        assert_eq!(decoded.has_more_frames, has_more_frames, "{name}");
        let is_transparent = name.contains("alpha") || name.ends_with("clear colour");
        assert_eq!(decoded.is_transparent, is_transparent, "{name}");
    }
}

#[test]
fn pictures_are_resized_as_by_pillow() {
    let golden = golden();
    for case in golden["resized"].as_array().unwrap() {
        let resample: Resample = serde_json::from_value(case["filter"].clone()).unwrap();
        let (width, height) = (side(case, "width"), side(case, "height"));
        let found = resize(source(&golden), width, height, resample);
        let (mean, greatest) = differences(&found, case);
        assert!(greatest <= 1 && mean < 0.1, "{}: {mean} {greatest}", case["filter"]);
    }
}

#[test]
fn pictures_are_changed_as_by_torchvision() {
    let golden = golden();
    let cases = golden["changed"].as_array().unwrap();
    assert!(cases.len() >= 15);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let number = |at: usize| case["parameters"][at].as_f64().unwrap();
        let mut picture = source(&golden);
        match name {
            "flip" => flip(&mut picture),
            "brightness" => adjust_brightness(&mut picture, number(0)),
            "contrast" => adjust_contrast(&mut picture, number(0)),
            "saturation" => adjust_saturation(&mut picture, number(0)),
            "hue" => adjust_hue(&mut picture, number(0)),
            "grey" => to_gray(&mut picture),
            "solarize" => invert_from(&mut picture, number(0) as u8),
            "blur" => picture = blur(&picture, number(0) as usize, number(1)),
            "crop" => {
                let [left, top, width, height] = [0, 1, 2, 3].map(|at| number(at) as u32);
                let size = Sides::Each { height: number(5) as u32, width: number(4) as u32 };
                let rectangle = Rectangle { left, top, width, height };
                picture = resized_crop(&picture, rectangle, size, Resample::Bicubic);
            }
            other => panic!("no transform {other}"),
        }
        let (mean, greatest) = differences(&picture, case);
        let is_exact = ["flip", "solarize"].contains(&name);
        assert!(
            greatest <= u8::from(!is_exact),
            "{name} {:?}: {mean} {greatest}",
            case["parameters"]
        );
    }
}

#[test]
fn processors_give_the_values_of_transformers() {
    let golden = golden();
    let cases = golden["processed"].as_array().unwrap();
    assert!(cases.len() >= 14);
    for case in cases {
        let folder = tempfile::tempdir().unwrap();
        let config = serde_json::to_vec(&case["config"]).unwrap();
        sst_data::atomic::write(&folder.path().join("preprocessor_config.json"), &config).unwrap();
        let (processor, unused) = ImageProcessor::load(folder.path()).unwrap();
        let name = format!("{} {}", case["config"], case["name"]);
        assert!(unused.is_empty(), "{name}: {unused:?}");
        let (width, height) = (side(case, "picture_width"), side(case, "picture_height"));
        let picture = Picture::new(width, height, bytes(&case["picture"])).unwrap();
        let pixels = processor.process(picture.clone()).unwrap();
        assert_eq!((pixels.width, pixels.height), (side(case, "width"), side(case, "height")));
        // The transforms of the processor do the same.
        let transforms = processor.transforms().unwrap();
        assert_eq!(transforms.apply(picture, 0, 0, 0).unwrap(), pixels, "{name}");
        let PixelValues::F32(found) = pixels.values else { panic!("processed values are f32") };
        let expected =
            case["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap());
        let NormalizeConfig { rescale_factor, std, .. } = &processor.normalize;
        // In steps of a byte.
        let steps = |difference: f64| difference * std[1] / rescale_factor;
        let differences: Vec<f64> =
            found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs()).collect();
        let greatest = differences.iter().fold(0.0, |most: f64, value| most.max(*value));
        let mean = differences.iter().sum::<f64>() / differences.len() as f64;
        match case["name"].as_str().unwrap() {
            "own size" => assert!(greatest < 2e-6, "{name}: {greatest}"),
            _ => assert!(steps(mean) < 0.1 && steps(greatest) < 1.2, "{name}: {mean} {greatest}"),
        }
    }
}
