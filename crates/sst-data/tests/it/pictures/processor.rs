//! Image processors, read from and written to the files of transformers.

use serde_json::json;
use sst_data::PixelValues;
use sst_data::pictures::processor::ProcessorKind;
use sst_data::pictures::{ImageProcessor, Picture};

/// A picture of `side` x `side` pixels, whose value at each place is that of its position.
fn picture(side: u32) -> Picture {
    let pixels = (0..3 * side * side).map(|at| (at % 251) as u8).collect();
    Picture::new(side, side, pixels).unwrap()
}

#[test]
fn a_picture_of_the_models_size_is_only_normalised() {
    for kind in [ProcessorKind::Vit, ProcessorKind::Clip, ProcessorKind::Siglip] {
        let processor = ImageProcessor::new(kind, 8);
        let picture = picture(8);
        let pixels = processor.process(picture.clone()).unwrap();
        assert_eq!((pixels.height, pixels.width), (8, 8));
        let PixelValues::F32(values) = pixels.values else { panic!("normalised values are f32") };
        let (mean, std) = (&processor.normalize.mean, &processor.normalize.std);
        for channel in 0..3 {
            for at in 0..64 {
                let value = f64::from(picture.pixels()[3 * at + channel]);
                let expected = (value / 255.0 - mean[channel]) / std[channel];
                let found = f64::from(values[64 * channel + at]);
                assert!((found - expected).abs() < 1e-5, "{kind:?} {channel} {at}");
            }
        }
    }
}

#[test]
fn a_saved_processor_is_read_back() {
    for kind in [ProcessorKind::Vit, ProcessorKind::Clip, ProcessorKind::Siglip] {
        let folder = tempfile::tempdir().unwrap();
        let processor = ImageProcessor::new(kind, 24);
        processor.save(folder.path()).unwrap();
        let (read, unused) = ImageProcessor::load(folder.path()).unwrap();
        assert_eq!(read, processor);
        assert!(unused.is_empty(), "{unused:?}");
    }
}

#[test]
fn an_older_clip_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "crop_size": 224, "do_center_crop": true, "do_normalize": true, "do_resize": true,
        "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": 224,
    });
    let path = folder.path().join("preprocessor_config.json");
    sst_data::atomic::write(&path, config.to_string().as_bytes()).unwrap();
    let (read, _) = ImageProcessor::load(folder.path()).unwrap();
    assert_eq!(read.width_height(), Some((224, 224)));
    // The short side becomes 224, and the middle is cut out.
    let tall = Picture::new(10, 20, vec![7; 600]).unwrap();
    let fitted = read.fit(tall);
    assert_eq!((fitted.width(), fitted.height()), (224, 224));

    let wrong = json!({"image_processor_type": "CLIPImageProcessor", "image_std": [0.0, 1.0, 1.0]});
    sst_data::atomic::write(&path, wrong.to_string().as_bytes()).unwrap();
    let error = ImageProcessor::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("preprocessor_config.json") && error.contains("std"), "{error}");
}

/// transformers 5 writes `processor_config.json` and leaves an older `preprocessor_config.json` where it is.
#[test]
fn of_two_files_the_newer_kind_is_read() {
    let folder = tempfile::tempdir().unwrap();
    ImageProcessor::new(ProcessorKind::Clip, 24).save(folder.path()).unwrap();
    let path = folder.path().join("processor_config.json");
    let part = json!({"image_processor_type": "CLIPImageProcessor", "crop_size": 16, "size": {"shortest_edge": 16}});
    let composed = json!({"processor_class": "CLIPProcessor", "image_processor": part});
    sst_data::atomic::write(&path, composed.to_string().as_bytes()).unwrap();
    let (read, _) = ImageProcessor::load(folder.path()).unwrap();
    assert_eq!(read.width_height(), Some((16, 16)));
    // One without such a part says nothing of pictures.
    sst_data::atomic::write(&path, br#"{"processor_class": "CLIPProcessor"}"#).unwrap();
    let (read, _) = ImageProcessor::load(folder.path()).unwrap();
    assert_eq!(read.width_height(), Some((24, 24)));
}

/// transformers 4 and 5 read a size of one number in different ways, for SigLIP and by the key `default_to_square`.
#[test]
fn a_size_whose_meaning_depends_on_the_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("preprocessor_config.json");
    let load = |config: serde_json::Value| {
        sst_data::atomic::write(&path, config.to_string().as_bytes()).unwrap();
        ImageProcessor::load(folder.path())
    };
    let class = |name: &str| format!("{name}ImageProcessor");
    for (config, part) in [
        (json!({"image_processor_type": class("Siglip"), "size": 16}), "size is 16"),
        (
            json!({"image_processor_type": class("ViT"), "size": 16, "default_to_square": false}),
            "shortest_edge",
        ),
        (
            json!({"image_processor_type": class("CLIP"), "size": 16, "default_to_square": true}),
            "height",
        ),
        (
            json!({"image_processor_type": class("CLIP"), "use_square_size": true}),
            "use_square_size",
        ),
        (json!({"image_processor_type": class("ViT"), "rescale_factor": 0}), "rescale_factor is 0"),
    ] {
        let error = load(config).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
    // Where all versions agree, it is read.
    let clip = json!({"image_processor_type": class("CLIP"), "size": 16, "default_to_square": false, "crop_size": 16});
    assert_eq!(load(clip).unwrap().0.width_height(), Some((16, 16)));
    let size = json!({"height": 16, "width": 24});
    let siglip =
        json!({"image_processor_type": class("Siglip"), "size": size, "default_to_square": false});
    let (siglip, unused) = load(siglip).unwrap();
    assert_eq!(siglip.width_height(), Some((24, 16)));
    assert!(unused.is_empty(), "{unused:?}");
    assert_eq!(siglip.geometry(), "resizes to 16 x 24");
}
