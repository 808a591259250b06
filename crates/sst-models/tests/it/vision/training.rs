//! What training needs of image models: stacks of layers, activation checkpointing, LoRA.

use sst_core::{BaseModel, Forward, LoraConfig, LoraTargets, Modality};
use sst_models::{LoadOptions, open};
use tch::{Device, Tensor};

use super::{CASES, Inputs, folder, found, loss};
use crate::case::Case;

#[test]
fn stacks_name_the_layers_of_every_tower() {
    let expected: [&[(&str, usize)]; 11] = [
        &[("vit.encoder.layer.", 2)],
        &[("vit.encoder.layer.", 2)],
        &[("vit.encoder.layer.", 2), ("decoder.decoder_layers.", 2)],
        &[("vit.encoder.layer.", 1), ("decoder.decoder_layers.", 2)],
        &[("text_model.encoder.layers.", 2), ("vision_model.encoder.layers.", 2)],
        &[("text_model.encoder.layers.", 1), ("vision_model.encoder.layers.", 1)],
        &[("text_model.encoder.layers.", 1), ("vision_model.encoder.layers.", 2)],
        &[("vit.encoder.layer.", 1)],
        &[("text_model.encoder.layers.", 1), ("vision_model.encoder.layers.", 1)],
        &[("text_model.encoder.layer.", 1), ("vision_model.encoder.layer.", 1)],
        &[("text_model.encoder.layer.", 1), ("vision_model.encoder.layers.", 1)],
    ];
    for ((name, ..), expected) in CASES.into_iter().zip(expected) {
        let model = found(&folder(name)).model;
        let stacks = model.stacks();
        let named: Vec<(&str, usize)> =
            stacks.iter().map(|s| (s.prefix.as_str(), s.depth)).collect();
        assert_eq!(named, expected, "{name}");
        for stack in &stacks {
            for layer in 0..stack.depth {
                let has =
                    model.params().iter().any(|(name, _)| stack.layer_of(name) == Some(layer));
                assert!(has, "{name}: {stack:?} has nothing in layer {layer}");
            }
        }
    }
}

/// The loss, and the gradient of every parameter.
fn gradients(name: &str, select: &dyn Fn(usize) -> bool) -> (usize, Vec<Tensor>) {
    let mut model = found(&folder(name)).model;
    let picked = model.checkpoint_layers(select).unwrap();
    let loss = loss(&*model, &Inputs::read(&Case::open(&folder(name)), ""), Forward::TRAIN);
    loss.f_backward().unwrap();
    let mut all = vec![loss.detach()];
    all.extend(model.params().trainable().map(|(_, parameter)| parameter.grad()));
    (picked, all)
}

#[test]
fn activation_checkpointing_gives_equal_gradients() {
    let _turn = crate::generator();
    for (name, ..) in CASES {
        let depth: usize =
            found(&folder(name)).model.stacks().iter().map(|stack| stack.depth).sum();
        let (none, plain) = gradients(name, &|_| false);
        let (all, every) = gradients(name, &|_| true);
        assert_eq!((none, all), (0, depth), "{name}");
        for (i, (plain, every)) in plain.iter().zip(&every).enumerate() {
            assert!(plain.equal(every), "{name}: {i}");
        }
    }
}

#[test]
fn lora_adapts_the_layers_of_image_models() {
    for (name, target, layers) in [
        ("vit", LoraTargets::Named(vec!["query".into(), "output.dense".into()]), 6),
        ("mae", LoraTargets::Named(vec!["query".into()]), 4),
        ("clip", LoraTargets::Named(vec!["q_proj".into()]), 4),
        // The projections are linear layers too.
        ("dual", LoraTargets::AllLinear, 16),
    ] {
        let mut options = LoadOptions::new(Device::Cpu);
        let lora =
            LoraConfig { rank: 2, alpha: 2.0, dropout: 0.0, use_rslora: false, targets: target };
        options.lora = Some(lora);
        let model = open(&folder(name), &options).unwrap().model;
        assert_eq!(model.params().adapted_layers().count(), layers, "{name}");
        let BaseModel { path, .. } = &model.params().adapter().unwrap().base;
        assert!(path.ends_with(name), "{path:?}");
        let case = Case::open(&folder(name));
        let loss = loss(&*model, &Inputs::read(&case, ""), Forward::TRAIN);
        crate::case::close(name, &loss, &case.get("loss"), 1e-5);
        loss.f_backward().unwrap();
        let b = |name: &str| name.ends_with("lora_B.weight");
        for (parameter, tensor) in model.params().trainable().filter(|(name, _)| b(name)) {
            let largest = tensor.grad().abs().max().double_value(&[]);
            assert!(largest > 0.0 || parameter.contains("key"), "{name} {parameter}");
        }
        assert!(model.encoder(Modality::Image).is_ok());
    }
}
