//! The losses of pictures and captions: compared with open_clip's, with formulas where captions are equal, and in chunks
//! with the whole batch. The loss of `mae`, `clip` and `siglip` on whole models is compared with transformers.

use std::path::PathBuf;

use serde_json::json;
use sst_core::checkpoint::Weights;
use sst_core::nn::Pooling;
use sst_core::{Batch, Forward, Modality, Model, PatchGrid, Pixels, StepContext, encode_pooled};
use sst_data::{ArrayData, Field, HostBatch, Key, Normalizer};
use sst_models::LoadOptions;
use sst_objectives::image_text::clip::clip_loss;
use sst_objectives::image_text::siglip::siglip_loss;
use sst_objectives::{build, entry};
use tch::{Device, Kind, Tensor};

use crate::toy;

const CONTEXT: StepContext = StepContext { step: 0, micro: 0, forward: Forward::EVAL };

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens").join(name)
}

fn case(folder: &str) -> Weights {
    Weights::open(&golden(folder).join("case.safetensors")).unwrap()
}

/// `|got - want| / |want|` by 2-norms.
fn distance(got: &Tensor, want: &Tensor) -> f64 {
    assert_eq!(got.size(), want.size());
    let norm = |x: &Tensor| x.to_kind(Kind::Double).norm().double_value(&[]);
    norm(&(got.detach() - want)) / norm(want).max(1e-30)
}

fn identity(b: i64) -> Tensor {
    Tensor::eye(b, (Kind::Bool, Device::Cpu))
}

#[test]
fn losses_and_gradients_equal_open_clip() {
    let case = case("image_text_loss");
    for b in [2, 5, 17] {
        for name in ["clip", "siglip"] {
            let leaf =
                |of: &str| case.tensor(&format!("{b}.{of}")).unwrap().set_requires_grad(true);
            let [images, texts, log_scale, bias] =
                ["images", "texts", "log_scale", "bias"].map(leaf);
            let cosines = images.matmul(&texts.tr()) * log_scale.exp();
            let loss = match name {
                "clip" => clip_loss(&cosines, &identity(b)).unwrap(),
                _ => siglip_loss(&(cosines + &bias), &identity(b)).unwrap(),
            };
            loss.backward();
            let check = |of: &str, got: &Tensor| {
                let want = case.tensor(&format!("{b}.{name}.{of}")).unwrap();
                let distance = distance(got, &want);
                assert!(distance < 1e-6, "{name} {b} {of}: {distance:e}");
            };
            check("loss", &loss);
            check("images", &images.grad());
            check("texts", &texts.grad());
            check("log_scale", &log_scale.grad());
            if name == "siglip" {
                check("bias", &bias.grad());
            }
        }
    }
}

/// Pictures 0 and 2 have the same caption. So each of the captions 0 and 2 is half of the target of both, and the reverse.
#[test]
fn equal_captions_belong_to_each_others_pictures() {
    let logits = [[1.0, -0.5, 0.3], [0.2, 0.7, -1.0], [0.0, 2.0, 0.4]];
    let same = [[true, false, true], [false, true, false], [true, false, true]];
    let logits_bb = Tensor::from_slice2(&logits).to_kind(Kind::Float);
    let positive_bb = Tensor::from_slice2(&same);
    let cross_entropy = |row: [f64; 3], same: [bool; 3]| -> f64 {
        let sum: f64 = row.iter().map(|logit| logit.exp()).sum();
        let count = same.iter().filter(|same| **same).count() as f64;
        let parts = row.iter().zip(same).filter(|(_, same)| *same);
        parts.map(|(logit, _)| (sum.ln() - logit) / count).sum()
    };
    let column = |at: usize| [logits[0][at], logits[1][at], logits[2][at]];
    let rows: f64 = (0..3).map(|at| cross_entropy(logits[at], same[at])).sum();
    let columns: f64 = (0..3).map(|at| cross_entropy(column(at), same[at])).sum();
    let loss = clip_loss(&logits_bb, &positive_bb).unwrap().double_value(&[]);
    assert!((loss - (rows + columns) / 6.0).abs() < 1e-6, "{loss}");
    let sigmoid = |logit: f64, same: bool| {
        let signed = if same { logit } else { -logit };
        (1.0 + (-signed).exp()).ln()
    };
    let cells = (0..9).map(|at| sigmoid(logits[at / 3][at % 3], same[at / 3][at % 3]));
    let loss = siglip_loss(&logits_bb, &positive_bb).unwrap().double_value(&[]);
    assert!((loss - cells.sum::<f64>() / 3.0).abs() < 1e-6, "{loss}");
}

#[test]
fn equal_captions_are_marked_in_the_batch() {
    let tokenizer = toy::tokenizer();
    for name in ["clip", "siglip"] {
        let objective = build(name, &json!({}), &toy::context(&tokenizer, true)).unwrap();
        let mut examples = toy::rows(&tokenizer, 4);
        let of = |host: &HostBatch| host.get("same_caption").map(|array| array.data().clone());
        assert_eq!(of(&objective.collate().collate(&examples, 1).unwrap()), None);
        let ids = Field::Tokens(examples[1].tokens("input_ids").unwrap().to_vec());
        examples[3].fields.insert("input_ids".into(), ids);
        let host = objective.collate().collate(&examples, 1).unwrap();
        let (o, x) = (false, true);
        let same = [x, o, o, o, /**/ o, x, o, x, /**/ o, o, x, o, /**/ o, x, o, x];
        assert_eq!(of(&host), Some(ArrayData::Bool(same.to_vec())));
    }
}

/// The gradients of all parameters of `model` that have any.
fn gradients(model: &dyn Model) -> Vec<(String, Tensor)> {
    let params = model.params().iter().filter(|(_, param)| param.grad().defined());
    params.map(|(name, param)| (name.to_owned(), param.grad().copy())).collect()
}

#[test]
fn chunks_of_sixteen_give_the_loss_and_the_gradients_of_a_batch_of_256() {
    let tokenizer = toy::tokenizer();
    for name in ["clip", "siglip"] {
        // The rows repeat after some hundred, so some captions are equal.
        let mut examples = toy::rows(&tokenizer, 256);
        let ids = Field::Tokens(examples[3].tokens("input_ids").unwrap().to_vec());
        examples[250].fields.insert("input_ids".into(), ids);
        for padding_free in [true, false] {
            let run = |chunk_rows: u64, frozen: &str| {
                let model = &mut *toy::model_for(entry(name).unwrap(), tokenizer.vocab_size());
                if !frozen.is_empty() {
                    let count =
                        model.params_mut().set_trainable(false, |of| of.starts_with(frozen));
                    assert!(count.unwrap() > 4, "{name} {frozen}");
                }
                let context = toy::context(&tokenizer, padding_free);
                let objective =
                    build(name, &json!({ "chunk_rows": chunk_rows }), &context).unwrap();
                let host = objective.collate().collate(&examples, 1).unwrap();
                let batch = Batch::from_host(&host, Device::Cpu).unwrap();
                let loss = objective.loss(model, &batch, &CONTEXT).unwrap().loss;
                (&loss * 3.0).backward();
                (loss.double_value(&[]), gradients(model))
            };
            for frozen in ["", "vision_model.", "text_model."] {
                let ((loss, grads), (chunked, chunked_grads)) = (run(0, frozen), run(16, frozen));
                assert!((loss - chunked).abs() < 1e-5 * loss.abs(), "{name}: {loss} {chunked}");
                let names = |grads: &[(String, Tensor)]| -> Vec<String> {
                    grads.iter().map(|(name, _)| name.clone()).collect()
                };
                assert_eq!(names(&grads), names(&chunked_grads), "{name} {frozen}");
                assert!(names(&grads).contains(&"logit_scale".to_owned()), "{name}");
                let largest = grads.iter().map(|(_, grad)| grad.norm().double_value(&[]));
                let largest = largest.fold(0.0, f64::max);
                for ((of, grad), (_, chunked)) in grads.iter().zip(&chunked_grads) {
                    let difference = (grad - chunked).norm().double_value(&[]);
                    // The exact gradient of some biases is 0, so all that they have is rounding.
                    let scale = grad.norm().double_value(&[]).max(1e-3 * largest);
                    assert!(difference < 1e-5 * scale, "{name} {of}: {difference} of {scale}");
                }
            }
        }
    }
}

/// The batch of a golden case of transformers.
fn golden_batch(case: &Weights, normalizer: Normalizer) -> Batch {
    let pixels = case.tensor("pixel_values").unwrap();
    let shape = |tensor: &Tensor| -> Vec<usize> {
        tensor.size().into_iter().map(|side| side as usize).collect()
    };
    let floats = Vec::<f32>::try_from(pixels.flatten(0, -1)).unwrap();
    let keys = (0..shape(&pixels)[0]).map(|row| Key::new("golden", row as u64)).collect();
    let mut host = HostBatch::new(normalizer, keys);
    host = host.with("pixel_values", &shape(&pixels), ArrayData::F32(floats)).unwrap();
    for (name, array) in [("visible", "visible_patches"), ("input_ids", "input_ids")] {
        if case.names().any(|other| other == name) {
            let numbers = case.tensor(name).unwrap();
            let flat = Vec::<i64>::try_from(numbers.flatten(0, -1)).unwrap();
            host = host.with(array, &shape(&numbers), ArrayData::I64(flat)).unwrap();
        }
    }
    if case.names().any(|other| other == "attention_mask") {
        let mask = case.tensor("attention_mask").unwrap();
        let flat = Vec::<i64>::try_from(mask.flatten(0, -1)).unwrap();
        let flat = flat.into_iter().map(|on| on == 1).collect();
        host = host.with("attention_mask", &shape(&mask), ArrayData::Bool(flat)).unwrap();
    }
    Batch::from_host(&host, Device::Cpu).unwrap()
}

#[test]
fn losses_of_whole_models_equal_transformers() {
    let tokenizer = toy::tokenizer();
    for (folder, name) in [
        ("mae", "mae"),
        ("mae-norm", "mae"),
        ("clip", "clip"),
        ("siglip", "siglip"),
        ("dual", "clip"),
    ] {
        let place = format!("vision/{folder}");
        let case = case(&place);
        let loaded = sst_models::open(&golden(&place), &LoadOptions::new(Device::Cpu)).unwrap();
        let context = sst_objectives::Context {
            images: loaded
                .model
                .encoder(sst_core::Modality::Image)
                .ok()
                .map(|encoder| encoder.spec()),
            ..toy::context(&tokenizer, false)
        };
        let objective = build(name, &json!({}), &context).unwrap();
        let batch = golden_batch(&case, Normalizer::WholeBatch);
        let mut loss = objective.loss(&*loaded.model, &batch, &CONTEXT).unwrap().loss;
        if name == "mae" {
            let (b, k) = case.tensor("visible").unwrap().size2().unwrap();
            let patches = PatchGrid::new(context.images.unwrap()).unwrap().num_patches();
            loss /= (b * (patches - k)) as f64;
        }
        let want = case.tensor("loss").unwrap();
        let distance = distance(&loss, &want);
        assert!(distance < 1e-5, "{folder}: {distance:e}");
        loss.backward();
        let mut compared = 0;
        for (name, grad) in gradients(&*loaded.model) {
            let key = format!("grad.{name}");
            if case.names().any(|other| other == key) {
                let want = case.tensor(&key).unwrap();
                if want.norm().double_value(&[]) > 1e-6 {
                    let distance = self::distance(&grad, &want);
                    assert!(distance < 1e-4, "{folder} {name}: {distance:e}");
                    compared += 1;
                }
            }
        }
        assert!(compared > 10, "{folder}: {compared} gradients");
    }
}

#[test]
fn the_mean_of_a_picture_leaves_out_its_class_token() {
    let pixels = Tensor::randn([2, 3, 12, 12], (Kind::Float, Device::Cpu));
    let input = Pixels::new(&pixels);
    let pooled = |model: &dyn Model, pooling| {
        let encoder = model.encoder(Modality::Image).unwrap();
        encode_pooled(encoder, input.into(), &[pooling], Forward::EVAL)
    };
    let model = toy::model_for(entry("simclr").unwrap(), 40);
    let encoder = model.encoder(Modality::Image).unwrap();
    let hidden_bld = encoder.encode(input.into(), Forward::EVAL).unwrap().hidden_bld;
    // 3 x 3 patches and the class token.
    assert_eq!(hidden_bld.size()[1], 10);
    let mean = hidden_bld.narrow(1, 1, 9).mean_dim(1, false, Kind::Float);
    assert!(distance(&pooled(&*model, Pooling::Mean).unwrap(), &mean) < 1e-6);
    assert!(distance(&pooled(&*model, Pooling::Cls).unwrap(), &hidden_bld.select(1, 0)) < 1e-6);
    let error = pooled(&*model, Pooling::LastToken).unwrap_err().to_string();
    assert!(error.contains("cls, mean and max"), "{error}");
    // SigLIP has no class token, so its first patch must not be taken for one.
    let model = toy::model_for(entry("siglip").unwrap(), 40);
    let error = pooled(&*model, Pooling::Cls).unwrap_err().to_string();
    assert!(error.contains("no class token"), "{error}");
}
