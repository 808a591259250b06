//! The inputs of image models and text towers: sizes, visible patches, layouts of texts.

use serde_json::{Value, json};
use sst_core::{
    Encoder, Error, Forward, Modality, Model, Pixels, RaggedRows, Tokens, encode_projected,
};
use sst_models::{BuildOptions, InitOptions, build};
use tch::{Device, Kind, Tensor};

use super::{CASES, Inputs, folder, found};
use crate::case::{Case, close};

pub(super) fn options(seed: u64) -> BuildOptions {
    let (device, init) = (Device::Cpu, InitOptions::default());
    BuildOptions { device, seed: Some(seed), architecture: None, init }
}

fn image(model: &dyn Model) -> &dyn Encoder {
    model.encoder(Modality::Image).unwrap()
}

#[test]
fn a_masked_autoencoder_sees_all_patches_unless_some_are_named() {
    for name in ["mae", "mae-norm"] {
        let (case, loaded) = (Case::open(&folder(name)), found(&folder(name)));
        let inputs = Inputs::read(&case, "");
        let encoder = image(&*loaded.model);
        let whole = Pixels::new(&inputs.pixel_values);
        let output = encoder.encode(whole.into(), Forward::EVAL).unwrap();
        close("whole", &output.hidden_bld, &case.get("whole"), 1e-5);
        // The same patches in their order.
        let all = Tensor::arange(9, (Kind::Int64, Device::Cpu)).expand([3, 9], false);
        let named = Pixels { visible: Some(&all), ..whole };
        let output = encoder.encode(named.into(), Forward::EVAL).unwrap();
        close("named", &output.hidden_bld, &case.get("whole"), 1e-6);
    }
}

#[test]
fn a_new_masked_autoencoder_has_fixed_sinusoids() {
    let case = Case::open(&folder("mae"));
    let mut config = found(&folder("mae")).model.config();
    let keys = config.as_object_mut().unwrap();
    keys.remove("architectures");
    let mut model = build(&config, &options(3)).unwrap();
    let names = ["vit.embeddings.position_embeddings", "decoder.decoder_pos_embed"];
    for (name, golden) in names.into_iter().zip(["positions.encoder", "positions.decoder"]) {
        let got = model.params().get(name).unwrap().squeeze_dim(0);
        assert!((got - case.get(golden)).abs().max().double_value(&[]) < 1e-6, "{name}");
    }
    // Nothing turns their training on, and everything else is trained.
    model.params_mut().set_trainable(true, |_| true).unwrap();
    let trained = model.params().trainable().count();
    assert_eq!(trained + 2, model.params().iter().count());
    for name in names {
        assert!(
            model.params().is_fixed(name) && !model.params().get(name).unwrap().requires_grad()
        );
    }
}

#[test]
fn images_of_another_size_or_type_are_refused() {
    for (name, ..) in CASES {
        let loaded = found(&folder(name));
        let inputs = Inputs::read(&Case::open(&folder(name)), "");
        let encoder = image(&*loaded.model);
        let refused = |images: &Tensor| {
            encoder.encode(Pixels::new(images).into(), Forward::EVAL).unwrap_err().to_string()
        };
        let [b, c, h, w] = inputs.pixel_values.size()[..] else { panic!() };
        let other = refused(&Tensor::zeros([b, c, h + 2, w], (Kind::Float, Device::Cpu)));
        assert!(other.contains(&format!("{}", h + 2)), "{other}");
        assert!(other.contains(&format!("[batch, {c}, {h}, {w}]")), "{other}");
        let other = refused(&Tensor::zeros([b, c + 1, h, w], (Kind::Float, Device::Cpu)));
        assert!(other.contains("channels"), "{other}");
        let other = refused(&Tensor::zeros([b, c, h, w], (Kind::Uint8, Device::Cpu)));
        assert!(other.contains("Uint8"), "{other}");
        let refused = |visible: &Tensor| {
            let pixels = Pixels { visible: Some(visible), ..Pixels::new(&inputs.pixel_values) };
            encoder.encode(pixels.into(), Forward::EVAL).unwrap_err().to_string()
        };
        for visible in [[0_i64, -1, 0], [0, 0, 400]] {
            let other = refused(&Tensor::from_slice(&visible).reshape([3, 1]));
            assert!(other.contains("patches 0 to"), "{other}");
        }
        let other = refused(&Tensor::from_slice(&[0_i64, 1]).reshape([2, 1]));
        assert!(other.contains("[3, k]"), "{other}");
        let tokens = Tensor::zeros([1, 2], (Kind::Int64, Device::Cpu));
        let error = encoder.encode(Tokens::new(&tokens).into(), Forward::EVAL).unwrap_err();
        assert!(matches!(error, Error::WrongModality { .. }), "{error}");
    }
}

#[test]
fn configurations_that_cannot_be_are_refused_by_key() {
    let clip = |text: Value, vision: Value| json!({"model_type": "clip", "text_config": text, "vision_config": vision});
    for (config, part) in [
        (json!({"model_type": "vit_mae", "image_size": 225}), "image_size: is 225 x 225"),
        (json!({"model_type": "vit", "image_size": [224, 15]}), "image_size: is 224 x 15"),
        (json!({"model_type": "vit", "patch_size": [16, 8]}), "patch_size"),
        (json!({"model_type": "vit", "hidden_size": 50}), "does not divide into 12 heads"),
        (json!({"model_type": "vit", "hidden": 50}), "unknown field `hidden`"),
        (json!({"model_type": "vit_mae", "image_size": [224, 192]}), "square"),
        (json!({"model_type": "vit_mae", "mask_ratio": 1.0}), "mask_ratio"),
        (
            json!({"model_type": "vit_mae", "decoder_hidden_size": 30,
            "decoder_num_attention_heads": 5}),
            "decoder_hidden_size: is 30",
        ),
        (clip(json!({"vocab_size": 100}), json!({})), "text_config.eos_token_id: is 49407"),
        (clip(json!({"eos_token_id": null}), json!({})), "text_config.eos_token_id"),
        (clip(json!({"width": 3}), json!({})), "text_config.width: unknown field"),
        (clip(json!({}), json!({"image_size": 31})), "vision_config.image_size"),
        (clip(json!({"model_type": "bert"}), json!({})), "text_config.model_type"),
        (clip(json!({"hidden_act": "swiglu"}), json!({})), "text_config.hidden_act"),
        (
            json!({"model_type": "siglip", "text_config": {"projection_size": 12}}),
            "cannot be compared",
        ),
        (
            json!({"model_type": "siglip", "vision_config": {"vision_use_head": false}}),
            "vision_use_head",
        ),
        (
            json!({"model_type": "siglip", "text_config": {"pad_token_id": null}}),
            "text_config.pad_token_id",
        ),
        (
            json!({"model_type": "vision-text-dual-encoder", "vision_config": {"model_type": "bert"}}),
            "vision_config.model_type: there is no image tower of type `bert`",
        ),
        (
            json!({"model_type": "vision-text-dual-encoder", "vision_config": {"model_type": "vit_mae"}}),
            "vision_config.model_type",
        ),
        (
            json!({"model_type": "vision-text-dual-encoder", "text_config": {"type_vocab": 1}}),
            "text_config.type_vocab: unknown field",
        ),
    ] {
        // Zeros, as these models are large.
        let options = BuildOptions { seed: None, ..options(1) };
        let error = build(&config, &options).err().unwrap().to_string();
        assert!(error.contains(part), "{config}: {error}");
    }
}

#[test]
fn siglip_pads_texts_of_every_layout_in_the_same_way() {
    let (case, loaded) = (Case::open(&folder("siglip")), found(&folder("siglip")));
    let (model, inputs) = (&*loaded.model, Inputs::read(&case, ""));
    let vectors =
        |tokens: Tokens<'_>| encode_projected(model, tokens.into(), Forward::EVAL).unwrap();
    let (ids_t, rows) = inputs.ragged();
    let expected = vectors(inputs.tokens());
    close("ragged", &vectors(Tokens::ragged(&ids_t, &rows)), &expected, 1e-6);
    // The caller's padding, and the side that it is on, do not matter.
    let (ids, mask) = (inputs.input_ids.as_ref().unwrap(), inputs.mask.as_ref().unwrap());
    let others = ids.where_self(mask, &Tensor::from(17_i64));
    close(
        "other padding",
        &vectors(Tokens { input_ids: &others, ..inputs.tokens() }),
        &expected,
        1e-6,
    );
    let short = rows.pad(&ids_t.unsqueeze(1)).unwrap().squeeze_dim(2);
    let left: Vec<Tensor> = rows
        .lengths()
        .enumerate()
        .map(|(row, length)| short.get(row as i64).roll(rows.longest() - length, 0))
        .collect();
    let left = Tensor::stack(&left, 0);
    let lefts: Vec<Tensor> = rows
        .lengths()
        .enumerate()
        .map(|(row, length)| rows.mask().unwrap().get(row as i64).roll(rows.longest() - length, 0))
        .collect();
    let left_mask = Tensor::stack(&lefts, 0);
    let padded = Tokens { attention_mask: Some(&left_mask), ..Tokens::new(&left) };
    close("left", &vectors(padded), &expected, 1e-6);
    // Positions are those of the caller's rows.
    let encoder = model.text_encoder().unwrap();
    let whole = encoder.encode(inputs.tokens().into(), Forward::EVAL).unwrap().hidden_bld;
    let wanted = Tensor::stack(&[whole.get(0).get(2), whole.get(1).get(0), whole.get(2).get(5)], 0);
    let at = |tokens: Tokens<'_>, places: [i64; 3]| {
        encoder.encode_at(tokens.into(), &Tensor::from_slice(&places), Forward::EVAL)
    };
    let ragged = Tokens::ragged(&ids_t, &rows);
    close("ragged places", &at(ragged, [2, 7, 16]).unwrap(), &wanted, 1e-6);
    close("padded places", &at(inputs.tokens(), [2, 9, 23]).unwrap(), &wanted, 1e-6);
    assert!(at(inputs.tokens(), [2, 9, 26]).is_err(), "a position of padding");
    // Rows that are too long.
    let long = Tensor::zeros([10], (Kind::Int64, Device::Cpu));
    let rows = RaggedRows::new(&[10], Device::Cpu);
    let error = encoder.encode(Tokens::ragged(&long, &rows).into(), Forward::EVAL).unwrap_err();
    assert!(matches!(error, Error::RowTooLong { length: 10, limit: 9 }), "{error}");
}

/// The last layer runs for one token of each row only, and gives what the whole encoder gives.
#[test]
fn what_a_head_reads_is_what_the_whole_encoder_gives() {
    for (name, model_type, _) in CASES {
        if model_type.starts_with("vit") {
            continue;
        }
        let inputs = Inputs::read(&Case::open(&folder(name)), "");
        let (ids_t, rows) = inputs.ragged();
        // The text of the second row ends early: tokens that belong to no text follow.
        let mut ids = Vec::<i64>::try_from(&ids_t).unwrap();
        ids[8] = 30;
        let ids_t = Tensor::from_slice(&ids);
        let gradients = |whole: bool| {
            let model = found(&folder(name)).model;
            let mut sum = Tensor::zeros([], (Kind::Float, Device::Cpu));
            let mut found = Vec::new();
            let named = Tensor::from_slice(&[1_i64, 0, 1]).reshape([3, 1]);
            let some = Pixels { visible: Some(&named), ..inputs.pixels() };
            let ragged = Tokens::ragged(&ids_t, &rows);
            let inputs: [sst_core::Input<'_>; 4] =
                [inputs.pixels().into(), some.into(), inputs.tokens().into(), ragged.into()];
            for input in inputs {
                let head = model.head(sst_core::HeadKind::Projection(input.modality())).unwrap();
                let encoder = model.encoder(input.modality()).unwrap();
                let hidden = match whole {
                    true => {
                        let output = encoder.encode(input, Forward::TRAIN).unwrap();
                        output.select(head.input(), input.ids()).unwrap()
                    }
                    false => encoder.encode_for(input, head.input(), Forward::TRAIN).unwrap(),
                };
                let vectors = head.logits(&hidden, Forward::TRAIN).unwrap();
                sum += vectors.sin().sum(Kind::Float);
                found.push(vectors);
            }
            sum.backward();
            let gradients =
                model.params().trainable().filter(|(name, _)| !name.starts_with("logit_"));
            found.extend(gradients.map(|(_, parameter)| parameter.grad()));
            found
        };
        for (i, (got, want)) in gradients(false).iter().zip(&gradients(true)).enumerate() {
            let largest = (got - want).abs().max().double_value(&[]);
            let scale = want.abs().max().double_value(&[]);
            assert!(
                largest <= 1e-5 * scale.max(1.0),
                "{name}: {i} differs by {largest:e} of {scale:e}"
            );
        }
    }
}
