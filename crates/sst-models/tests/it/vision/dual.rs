//! Dual encoders of two towers.

use std::path::PathBuf;

use serde_json::{Map, Value, json};
use sst_core::{Forward, HeadKind, Modality, Pixels, Tokens, encode_projected};
use sst_data::UnusedKind;
use sst_models::{
    DualOptions, LoadOptions, ModelCard, TowerSource, build, dual_encoder, open, save_folder,
};
use tch::{Device, Kind, Tensor};

use super::folder;
use super::folders::written;
use super::inputs::options;
use crate::case::{close, golden};

const OPTIONS: DualOptions =
    DualOptions { projection_dim: 6, logit_scale_init_value: 2.0, device: Device::Cpu, seed: 5 };

fn of_folder(path: PathBuf) -> TowerSource {
    TowerSource::Folder { path, config: Map::new() }
}

fn vit() -> Value {
    json!({"model_type": "vit", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 9, "image_size": 8, "patch_size": 4})
}

fn vision(model_type: &str) -> Value {
    let mut config = vit();
    config["model_type"] = json!(model_type);
    config
}

/// The vectors of two texts and of two images.
fn vectors(model: &dyn sst_core::Model, side: i64) -> [Tensor; 2] {
    let ids = Tensor::from_slice(&[3_i64, 9, 4, 3, 12, 4]).reshape([2, 3]);
    let images = Tensor::arange(2 * 3 * side * side, (Kind::Float, Device::Cpu)).sin();
    let images = images.reshape([2, 3, side, side]);
    let texts = encode_projected(model, Tokens::new(&ids).into(), Forward::EVAL).unwrap();
    [texts, encode_projected(model, Pixels::new(&images).into(), Forward::EVAL).unwrap()]
}

#[test]
fn any_image_tower_goes_with_any_text_tower() {
    let texts = [
        json!({"model_type": "bert", "vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 9, "max_position_embeddings": 7}),
        json!({"model_type": "gpt2", "vocab_size": 20, "n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 7}),
        json!({"model_type": "llama", "vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 9, "max_position_embeddings": 7}),
        json!({"model_type": "clip_text_model", "vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 9, "max_position_embeddings": 7, "eos_token_id": 4}),
        json!({"model_type": "siglip_text_model", "vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 9, "max_position_embeddings": 7}),
    ];
    let images =
        [vit(), vision("clip_vision_model"), vision("siglip_vision_model"), vision("vit_mae")];
    for text in &texts {
        for image in &images {
            let name = format!("{} {}", image["model_type"], text["model_type"]);
            let sources = [image, text].map(|config| TowerSource::New(config.clone()));
            let made = dual_encoder(&sources[0], &sources[1], &OPTIONS).unwrap();
            let model = &*made.model;
            let own = vectors(model, 8);
            assert_eq!(own.each_ref().map(Tensor::size), [[2, 6], [2, 6]], "{name}");
            // All of it is new.
            assert_eq!(made.report.missing.len(), model.params().iter().count(), "{name}");
            let written = tempfile::tempdir().unwrap();
            save_folder(written.path(), model, None, &ModelCard::default()).unwrap();
            let loaded = open(written.path(), &LoadOptions::new(Device::Cpu)).unwrap();
            assert!(loaded.unused.is_empty(), "{name}: {:?}", loaded.unused);
            for (own, again) in own.iter().zip(&vectors(&*loaded.model, 8)) {
                close(&name, again, own, 1e-7);
            }
            let scale = model.similarity().unwrap().log_scale.double_value(&[]);
            assert_eq!(scale, 2.0, "{name}");
        }
    }
}

#[test]
fn trained_towers_keep_their_weights_and_what_is_left_over_is_reported() {
    let (image, text) = (folder("mae"), golden("bert/odd"));
    let made = dual_encoder(&of_folder(image.clone()), &of_folder(text.clone()), &OPTIONS).unwrap();
    let model = &*made.model;
    assert_eq!(model.config()["vision_config"]["model_type"], "vit");
    for (source, modality) in [(&image, Modality::Image), (&text, Modality::Text)] {
        let single = open(source, &LoadOptions::new(Device::Cpu)).unwrap().model;
        let module = if modality == Modality::Image { "vision_model" } else { "text_model" };
        let mut count = 0;
        for (name, value) in single.params().iter() {
            let rest = name.strip_prefix("vit.").or_else(|| name.strip_prefix("bert."));
            let Some(rest) = rest else { continue };
            let got = model.params().get(&format!("{module}.{rest}")).unwrap();
            assert!(got.equal(value), "{name}");
            assert!(got.requires_grad(), "{name}");
            count += 1;
        }
        assert!(count > 20, "{count}");
    }
    save_folder(&written("made"), model, None, &ModelCard::default()).unwrap();
    let new: Vec<&str> = made.report.missing.iter().map(String::as_str).collect();
    assert!(
        new.iter().all(|name| ["pooler.", "_projection.", "logit_scale"]
            .iter()
            .any(|part| name.contains(part))),
        "{new:?}"
    );
    assert!(
        new.contains(&"vision_model.pooler.dense.weight") && new.contains(&"logit_scale"),
        "{new:?}"
    );
    let unused: Vec<&str> = made.unused.of(UnusedKind::Tensor).collect();
    let decoder = format!("{}: decoder.mask_token", image.display());
    let head = format!("{}: cls.predictions.bias", text.display());
    assert!(unused.contains(&decoder.as_str()) && unused.contains(&head.as_str()), "{unused:?}");
}

#[test]
fn towers_of_clip_and_classifiers_are_taken_from_their_folders() {
    let made =
        dual_encoder(&of_folder(folder("clip")), &of_folder(folder("siglip")), &OPTIONS).unwrap();
    let model = &*made.model;
    let clip = open(&folder("clip"), &LoadOptions::new(Device::Cpu)).unwrap().model;
    let siglip = open(&folder("siglip"), &LoadOptions::new(Device::Cpu)).unwrap().model;
    for (name, value) in model.params().iter() {
        let from = if name.starts_with("vision_model.") { &clip } else { &siglip };
        match name.contains("_model.") {
            true => assert!(from.params().get(name).unwrap().equal(value), "{name}"),
            false => assert!(made.report.missing.contains(&name.to_owned()), "{name}"),
        }
    }
    let unused: Vec<&str> = made.unused.of(UnusedKind::Tensor).collect();
    let projection = format!("{}: visual_projection.weight", folder("clip").display());
    assert!(unused.contains(&projection.as_str()), "{unused:?}");
    // A classifier of images has no pooler.
    let made =
        dual_encoder(&of_folder(folder("vit")), &of_folder(folder("clip")), &OPTIONS).unwrap();
    assert!(made.report.missing.iter().any(|name| name == "vision_model.pooler.dense.bias"));
    let classifier = format!("{}: classifier.weight", folder("vit").display());
    assert!(made.unused.of(UnusedKind::Tensor).any(|name| name == classifier));
    assert_eq!(made.model.head(HeadKind::Projection(Modality::Text)).unwrap().num_outputs(), 6);
}

#[test]
fn towers_that_cannot_be_are_refused() {
    let bert = json!({"model_type": "bert", "hidden_size": 8, "num_attention_heads": 2});
    let refuse = |image: TowerSource, text: TowerSource, part: &str| {
        let error = dual_encoder(&image, &text, &OPTIONS).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    };
    let (image, text) = (TowerSource::New(vit()), TowerSource::New(bert));
    refuse(text.clone(), text.clone(), "there is no image tower of type `bert`");
    refuse(image.clone(), image.clone(), "there is no text tower of type `vit`");
    let misspelt = json!({"model_type": "vit", "patch": 4});
    refuse(TowerSource::New(misspelt), text.clone(), "vision_config.patch: unknown field");
    let changed = Map::from_iter([("dropout".to_owned(), json!(0.5))]);
    let source = TowerSource::Folder { path: folder("vit"), config: changed };
    refuse(source, text.clone(), "vision_config.dropout: a tower of type `vit` has no such key");
    refuse(of_folder(folder("nothing")), text.clone(), "nothing");
    // Weights of another model.
    let other = tempfile::tempdir().unwrap();
    std::fs::copy(folder("vit").join("config.json"), other.path().join("config.json")).unwrap();
    let weights = golden("bert/odd").join("model.safetensors");
    std::fs::copy(weights, other.path().join("model.safetensors")).unwrap();
    refuse(of_folder(other.path().to_owned()), text, "missing: vision_model.embeddings.cls_token");
}

#[test]
fn a_dual_encoder_is_built_from_its_config_alone() {
    let config = json!({"model_type": "vision-text-dual-encoder", "projection_dim": 6,
        "vision_config": vit(), "text_config": {"model_type": "gpt2", "vocab_size": 20, "n_embd": 8, "n_layer": 1,
        "n_head": 2, "n_positions": 7}});
    let model = build(&config, &options(2)).unwrap();
    assert_eq!((model.vocab_size().unwrap(), model.max_length().unwrap()), (20, 7));
    assert_eq!(vectors(&*model, 8)[0].size(), [2, 6]);
    assert!(model.lm_head().is_err() && model.patch_decoder().is_err());
}
