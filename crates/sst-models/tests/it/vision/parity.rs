//! Image models and dual encoders against transformers: outputs, loss, every gradient, ten steps.

use std::path::Path;

use sst_core::{Encoder, EncoderOutput, Forward, Input, Modality, Tokens, Want, encode_projected};
use tch::Tensor;

use super::{
    CASES, Inputs, class_logits, folder, found, logits_per_text, loss, reconstruction_loss, unit,
};
use crate::case::{Case, close};
use crate::steps;

/// Mathematically zero, as the softmax is invariant to a shift of its scores; only rounding is left.
fn is_zero(name: &str) -> bool {
    ["key.bias", "k_proj.bias"].iter().any(|end| name.ends_with(end))
}

/// The same during ten steps, where a third of this gradient, that of the keys, is rounding.
fn is_zero_in_steps(name: &str) -> bool {
    is_zero(name) || name.ends_with("in_proj_bias")
}

/// Compares what an encoder returns with the tensors of the case with this prefix. Rows of the output that are padding are
/// left out.
fn check_states(
    case: &Case,
    prefix: &str,
    encoder: &dyn Encoder,
    input: Input<'_>,
    mask: Option<&Tensor>,
) {
    let want = Want { attentions: true, hidden_states: true };
    let shown = |x: &Tensor| match mask {
        Some(mask) => x * mask.unsqueeze(-1),
        None => x.shallow_clone(),
    };
    let check = |name: &str, got: &Tensor| {
        close(
            &format!("{prefix}{name}"),
            &shown(got),
            &shown(&case.get(&format!("{prefix}{name}"))),
            1e-5,
        );
    };
    let output = encoder.encode(input, Forward { train: false, want }).unwrap();
    let EncoderOutput { hidden_bld, attentions, hidden_states, .. } = output;
    check("last_hidden_state", &hidden_bld);
    let states = hidden_states.unwrap();
    assert_eq!(states.len(), case.names(&format!("{prefix}hidden_states.")).len());
    for (i, state) in states.iter().enumerate() {
        check(&format!("hidden_states.{i}"), state);
    }
    let maps = attentions.unwrap();
    assert_eq!(maps.len(), case.names(&format!("{prefix}attentions.")).len());
    for (i, map) in maps.iter().enumerate() {
        let (mut got, mut wanted) =
            (map.shallow_clone(), case.get(&format!("{prefix}attentions.{i}")));
        if let Some(mask) = mask {
            // The maps of ragged rows end with the longest row.
            let l = got.size()[2];
            let mask = mask.narrow(1, 0, l);
            let both = mask.unsqueeze(1).unsqueeze(1) * mask.unsqueeze(1).unsqueeze(-1);
            wanted = wanted.narrow(2, 0, l).narrow(3, 0, l) * &both;
            got *= both;
        }
        close(&format!("{prefix}attentions.{i}"), &got, &wanted, 1e-5);
    }
    // The kernels give what the eager formula gives.
    check("last_hidden_state", &encoder.encode(input, Forward::EVAL).unwrap().hidden_bld);
    check("last_hidden_state", &encoder.encode(input, Forward::TRAIN).unwrap().hidden_bld);
}

fn check_forward(name: &str, path: &Path) {
    let (case, loaded) = (Case::open(path), found(path));
    let model = &*loaded.model;
    let inputs = Inputs::read(&case, "");
    let encoder = model.encoder(Modality::Image).unwrap();
    match model.model_type() {
        "vit" => {
            check_states(&case, "", encoder, inputs.pixels().into(), None);
            close(
                "logits",
                &class_logits(model, &inputs, Forward::EVAL),
                &case.get("logits"),
                1e-5,
            );
        }
        "vit_mae" => {
            check_states(&case, "", encoder, inputs.pixels().into(), None);
            let (_, logits) = reconstruction_loss(model, &inputs, Forward::EVAL);
            close("logits", &logits, &case.get("logits"), 1e-5);
        }
        model_type => {
            check_states(&case, "image.", encoder, inputs.pixels().into(), None);
            let mask = inputs.mask.as_ref().filter(|_| model_type != "siglip");
            let text = model.encoder(Modality::Text).unwrap();
            check_states(&case, "text.", text, inputs.tokens().into(), mask);
            let images = encode_projected(model, inputs.pixels().into(), Forward::EVAL).unwrap();
            close("image_embeds", &unit(&images), &case.get("image_embeds"), 1e-5);
            let (ids_t, rows) = inputs.ragged();
            for tokens in [inputs.tokens(), Tokens::ragged(&ids_t, &rows)] {
                let texts = encode_projected(model, tokens.into(), Forward::EVAL).unwrap();
                close("text_embeds", &unit(&texts), &case.get("text_embeds"), 1e-5);
                let logits = logits_per_text(model, &texts, &images);
                close(&format!("{name} logits"), &logits, &case.get("logits_per_text"), 1e-5);
            }
        }
    }
}

#[test]
fn outputs_equal_transformers() {
    for (name, ..) in CASES {
        check_forward(name, &folder(name));
    }
}

#[test]
fn losses_and_gradients_equal_transformers() {
    for (name, ..) in CASES {
        let (case, loaded) = (Case::open(&folder(name)), found(&folder(name)));
        let loss = loss(&*loaded.model, &Inputs::read(&case, ""), Forward::TRAIN);
        close(&format!("{name} loss"), &loss, &case.get("loss"), 1e-5);
        loss.f_backward().unwrap();
        steps::check_gradients_but(&case, &*loaded.model, &is_zero);
    }
}

#[test]
fn ten_steps_equal_transformers() {
    for name in ["vit", "mae", "mae-norm", "clip", "siglip", "dual"] {
        let (case, loaded) = (Case::open(&folder(name)), found(&folder(name)));
        steps::check_but(&case, &*loaded.model, &is_zero_in_steps, &|model, prefix| {
            loss(model, &Inputs::read(&case, prefix), Forward::TRAIN)
        });
    }
}

/// A case that `tests/parity/vision.py` has just made, in the folder that the environment variable names.
#[test]
fn vision_parity_external() {
    let Some(path) = crate::folders::environment("SST_VISION_CASE") else { return };
    check_forward("external", &path);
    let (case, loaded) = (Case::open(&path), found(&path));
    let loss = loss(&*loaded.model, &Inputs::read(&case, ""), Forward::TRAIN);
    close("loss", &loss, &case.get("loss"), 1e-5);
    loss.f_backward().unwrap();
    steps::check_gradients_but(&case, &*loaded.model, &is_zero);
}
