//! The list of transforms of pictures, and chains of them.

use serde_json::{Value, json};
use sst_data::pictures::Picture;
use sst_data::pictures::transform::{
    Normalize, NormalizeConfig, PictureTransforms, RandomResizedCrop, RandomResizedCropConfig, list,
};
use sst_data::{PixelValues, SeqRng};

fn picture() -> Picture {
    let mut rng = SeqRng::new(0, "test", 0, 0);
    Picture::new(40, 30, (0..3 * 40 * 30).map(|_| rng.below(256) as u8).collect()).unwrap()
}

fn named(name: &str, config: &Value) -> Value {
    let mut config = config.clone();
    config["name"] = json!(name);
    config
}

fn chain(configs: &[Value]) -> PictureTransforms {
    PictureTransforms::from_configs(5, configs).unwrap()
}

#[test]
fn every_transform_has_a_default_and_refuses_unknown_keys() {
    assert!(list().len() >= 9);
    for entry in list() {
        assert!(!entry.summary.is_empty());
        let config = named(entry.name, &(entry.default_config)());
        let by_default = chain(std::slice::from_ref(&config)).apply(picture(), 3, 4, 0).unwrap();
        let empty = chain(&[json!({"name": entry.name})]).apply(picture(), 3, 4, 0).unwrap();
        assert_eq!(by_default, empty, "{}", entry.name);
        let mut unknown = config;
        unknown["colour"] = json!("red");
        let error = PictureTransforms::from_configs(0, &[unknown]).unwrap_err().to_string();
        assert!(error.contains("colour") && error.contains(entry.name), "{error}");
    }
}

#[test]
fn random_numbers_depend_on_seed_view_position_epoch_and_index() {
    for entry in list().iter().filter(|entry| entry.is_random) {
        let config = named(entry.name, &(entry.default_config)());
        let transforms = chain(std::slice::from_ref(&config));
        let draws = |transforms: &PictureTransforms, view: usize| -> Vec<Picture> {
            (0..40).map(|index| transforms.change(picture(), 1, index, view).unwrap()).collect()
        };
        let first = draws(&transforms, 0);
        assert_eq!(first, draws(&transforms, 0), "{}", entry.name);
        assert_ne!(first, draws(&transforms, 1), "{}", entry.name);
        let other_seed = chain(std::slice::from_ref(&config)).with_seed(6);
        assert_ne!(first, draws(&other_seed, 0), "{}", entry.name);
        let later =
            chain(&[json!({"name": "resize", "size": {"height": 30, "width": 40}}), config]);
        assert_ne!(first, draws(&later, 0), "{}", entry.name);
        let without = later.without_random().change(picture(), 1, 0, 0).unwrap();
        assert_eq!(without, picture(), "{}", entry.name);
    }
}

#[test]
fn wrong_values_are_refused() {
    for (config, message) in [
        (json!({"name": "random_resized_crop", "size": 0}), "size"),
        (json!({"name": "random_resized_crop", "scale": [0.5, 0.2]}), "scale"),
        (json!({"name": "random_resized_crop", "scale": [0.5, 1.2]}), "scale"),
        (json!({"name": "random_resized_crop", "ratio": [0.0, 1.0]}), "ratio"),
        (json!({"name": "random_resized_crop", "resample": "cubic"}), "resample"),
        (json!({"name": "horizontal_flip", "p": 1.5}), "p is 1.5"),
        (json!({"name": "color_jitter", "hue": 0.6}), "hue is 0.6"),
        (json!({"name": "color_jitter", "brightness": -0.1}), "brightness"),
        (json!({"name": "gaussian_blur", "kernel_size": 4}), "odd"),
        (json!({"name": "gaussian_blur", "sigma": [0.0, 1.0]}), "sigma"),
        (json!({"name": "normalize", "std": [0.0, 1.0, 1.0]}), "above 0"),
        (json!({"name": "resize", "size": {"shortest_edge": 9000}}), "8192"),
        (json!({"name": "solarize", "threshold": 256}), "threshold"),
        (json!({"size": 3}), "name"),
    ] {
        let error = PictureTransforms::from_configs(0, std::slice::from_ref(&config)).unwrap_err();
        assert!(error.to_string().contains(message), "{config}: {error}");
    }
    let after = [json!({"name": "normalize"}), json!({"name": "horizontal_flip"})];
    let error = PictureTransforms::from_configs(0, &after).unwrap_err().to_string();
    assert!(error.contains("horizontal_flip") && error.contains("last"), "{error}");
}

#[test]
fn crops_have_the_areas_and_ratios_that_were_asked_for() {
    let config =
        RandomResizedCropConfig { scale: [0.2, 0.6], ..RandomResizedCropConfig::default() };
    let crop = RandomResizedCrop::new(config).unwrap();
    let (mut least, mut most, mut sum) = (1.0_f64, 0.0_f64, 0.0);
    for index in 0..2000 {
        let drawn = crop.draw(300, 200, &mut SeqRng::new(1, "crop", 0, index));
        assert!(drawn.left + drawn.width <= 300 && drawn.top + drawn.height <= 200, "{drawn:?}");
        let share = f64::from(drawn.width * drawn.height) / 60_000.0;
        let ratio = f64::from(drawn.width) / f64::from(drawn.height);
        assert!((0.73..1.36).contains(&ratio), "{drawn:?}");
        (least, most, sum) = (least.min(share), most.max(share), sum + share);
    }
    assert!((0.19..0.22).contains(&least) && (0.58..0.61).contains(&most), "{least} {most}");
    assert!((sum / 2000.0 - 0.4).abs() < 0.02, "{sum}");
    // No rectangle of an allowed ratio has enough area: the largest one in the middle is taken.
    let narrow =
        RandomResizedCropConfig { scale: [0.9, 1.0], ..RandomResizedCropConfig::default() };
    let drawn =
        RandomResizedCrop::new(narrow).unwrap().draw(400, 30, &mut SeqRng::new(1, "crop", 0, 0));
    assert_eq!((drawn.left, drawn.top, drawn.width, drawn.height), (180, 0, 40, 30));
}

#[test]
fn pixels_are_returned_channel_by_channel_and_undone() {
    let picture = Picture::new(2, 1, vec![10, 20, 30, 40, 50, 60]).unwrap();
    let bytes = PictureTransforms::none().apply(picture.clone(), 0, 0, 0).unwrap();
    assert_eq!(bytes.values, PixelValues::U8(vec![10, 40, 20, 50, 30, 60]));
    let normalize = Normalize::new(NormalizeConfig::default()).unwrap();
    let PixelValues::F32(values) = normalize.apply(&picture).values else { panic!("f32") };
    let expected = (50.0 / 255.0 - 0.456) / 0.224;
    assert!((f64::from(values[3]) - expected).abs() < 1e-6);
    assert_eq!(normalize.undo(2, 1, &values), Some(picture));
    assert_eq!(normalize.undo(2, 2, &values), None);
}
