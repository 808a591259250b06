//! A small tokenizer, rows and models for the tests of objectives.

use std::sync::LazyLock;

use serde_json::{Value, json};
use sst_core::{Batch, Forward, HeadKind, InputSpec, Model, Tokens};
use sst_data::tokenize::{Algorithm, Tokenizer, TrainConfig, train};
use sst_data::{Example, Field, Key, PixelValues, Pixels, SeqRng, Span};
use sst_models::{BuildOptions, InitOptions, list};
use sst_objectives::{Context, Entry};
use tch::{Device, Tensor};

/// The hidden size of all models here.
pub(crate) const WIDTH: i64 = 32;

/// The pictures of the rows.
pub(crate) const IMAGES: InputSpec = InputSpec::Image { size: [12, 12], channels: 3, patch: 4 };

/// The labels of the rows.
static LABELS: LazyLock<Vec<String>> = LazyLock::new(|| vec!["PER".to_owned()]);

/// The inputs that objectives are built from.
pub(crate) fn context(tokenizer: &Tokenizer, padding_free: bool) -> Context<'_> {
    let context = Context::new(Some(tokenizer), WIDTH, Device::Cpu, 5);
    Context { padding_free, labels: &LABELS, images: Some(IMAGES), ..context }
}

/// A text with words of several tokens.
pub(crate) fn sentence(i: u64) -> String {
    let words =
        ["unbelievable", "light", "darkness", "waters", "firmament", "and", "the", "created"];
    let pick = |k: u64| words[((i * 7 + k * k * 3 + i * k) % words.len() as u64) as usize];
    (0..12).map(pick).collect::<Vec<_>>().join(" ")
}

/// A WordPiece tokenizer with a vocabulary so small that long words need several tokens.
pub(crate) fn tokenizer() -> Tokenizer {
    let config = TrainConfig {
        algorithm: Algorithm::WordPiece,
        vocab_size: 48,
        min_frequency: 1,
        ..TrainConfig::default()
    };
    train(&config, (0..64).map(sentence)).unwrap()
}

pub(crate) fn rows(tokenizer: &Tokenizer, count: u64) -> Vec<Example> {
    (0..count)
        .map(|i| {
            let ids = tokenizer.encode_with_special(&sentence(i)).unwrap();
            let key = Key::new("toy.txt", i + 1);
            let mut example = Example::new(key, i, "input_ids", Field::Tokens(ids));
            // The partner, for objectives on pairs.
            let ids = tokenizer.encode_with_special(&sentence(i + 1000)).unwrap();
            example.fields.insert("input_ids.1".into(), Field::Tokens(ids));
            // Two views of a picture. The text is its caption.
            for (view, name) in ["pixel_values", "pixel_values.1"].into_iter().enumerate() {
                example.fields.insert(name.into(), Field::Pixels(picture(i, view as u64)));
            }
            // The class, for objectives on labelled records. Three of four rows have the class 0.
            example.fields.insert("label".into(), Field::Int(i64::from(i % 4 == 3)));
            add_window(&mut example);
            example
        })
        .collect()
}

/// Noise around a colour that the picture has in all views.
pub(crate) fn picture(i: u64, view: u64) -> Pixels {
    let mut colour = SeqRng::new(7, "test.colour", 0, i);
    let colour = [(); 3].map(|()| colour.normal() as f32);
    let mut noise = SeqRng::new(7, "test.noise", view, i);
    let values = (0..3 * 12 * 12).map(|at| colour[at / 144] + 0.3 * noise.normal() as f32);
    Pixels { height: 12, width: 12, values: PixelValues::F32(values.collect()) }
}

/// Adds what objectives on windows read: all tokens as one window in which each token is a word, an entity and an answer.
pub(crate) fn add_window(row: &mut Example) {
    let tokens = row.tokens("input_ids").unwrap().len();
    let offsets = (0..tokens).map(|at| Span { start: at, end: at + 1, label: None });
    let start = 2.min(tokens - 1);
    let span = |label| Field::Spans(vec![Span { start, end: tokens.min(start + 2), label }]);
    for (name, field) in [
        ("record", Field::Int(row.index as i64)),
        ("window", Field::Ints(vec![0, 1, 0])),
        ("window_positions", Field::Ints(vec![0, 0, tokens as i64])),
        ("token_offsets", Field::Spans(offsets.collect())),
        ("word_starts", Field::Ints(vec![1; tokens])),
        ("entities", span(Some(0))),
        ("entities.cut_words", Field::Ints(vec![0])),
        ("answers", span(None)),
        ("answers.index", Field::Ints(vec![0])),
    ] {
        row.fields.insert(name.into(), field);
    }
}

/// A small encoder without dropout.
pub(crate) fn model(vocab_size: usize) -> Box<dyn Model> {
    encoder(vocab_size, 0.02, 0.0)
}

/// A small encoder with dropout. Its initial weights are so large that different texts get clearly different vectors.
pub(crate) fn sentence_encoder(vocab_size: usize, dropout: f64) -> Box<dyn Model> {
    encoder(vocab_size, 0.3, dropout)
}

fn encoder(vocab_size: usize, std: f64, p: f64) -> Box<dyn Model> {
    build(&encoder_config(vocab_size, std, p), None)
}

fn encoder_config(vocab_size: usize, std: f64, p: f64) -> Value {
    json!({
        "initializer_range": std,
        "model_type": "bert", "vocab_size": vocab_size, "hidden_size": WIDTH, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 128,
        "hidden_dropout_prob": p, "attention_probs_dropout_prob": p,
    })
}

/// The hidden states of the first tokens of the rows of a ragged batch.
pub(crate) fn first_vectors(model: &dyn Model, batch: &Batch) -> Tensor {
    let input = Tokens::from_batch(batch).unwrap();
    let rows = batch.rows.as_ref().unwrap();
    let states = tch::no_grad(|| {
        model.text_encoder().unwrap().encode(input.into(), Forward::EVAL).unwrap().hidden_bld
    });
    rows.first(&states).unwrap()
}

/// A small decoder without dropout. It has two layers, so that its output depends on positions.
pub(crate) fn decoder(vocab_size: usize) -> Box<dyn Model> {
    build(
        &json!({
            "model_type": "gpt2", "vocab_size": vocab_size, "n_embd": WIDTH, "n_layer": 2, "n_head": 2,
            "n_positions": 128, "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0,
        }),
        None,
    )
}

/// A model that the objective can train.
pub(crate) fn model_for(objective: &Entry, vocab_size: usize) -> Box<dyn Model> {
    let layers = json!({
        "hidden_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64,
    });
    let with = |more: Value| -> Value {
        let mut config = layers.clone();
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config
    };
    let image = json!({"image_size": 12, "patch_size": 4, "initializer_range": 0.3});
    if let "mae" | "simclr" = objective.name {
        let mut config = with(image);
        config["model_type"] = json!(if objective.name == "mae" { "vit_mae" } else { "vit" });
        if objective.name == "mae" {
            for key in
                ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"]
            {
                config[format!("decoder_{key}")] = config[key].clone();
            }
        }
        return build(&config, None);
    }
    if let "clip" | "siglip" = objective.name {
        let mut text = with(json!({"vocab_size": vocab_size, "max_position_embeddings": 128}));
        if objective.name == "clip" {
            text["eos_token_id"] = json!(3);
        }
        let image = with(json!({"image_size": 12, "patch_size": 4}));
        let mut config =
            json!({"model_type": objective.name, "text_config": text, "vision_config": image});
        if objective.name == "clip" {
            config["projection_dim"] = json!(WIDTH);
        }
        return build(&config, None);
    }
    match (objective.head, objective.name) {
        (_, "clm") => decoder(vocab_size),
        (Some(HeadKind::LanguageModel), _) => model(vocab_size),
        (head, _) => {
            let mut config = encoder_config(vocab_size, 0.3, 0.0);
            if head == Some(HeadKind::TokenClassification) {
                config["id2label"] = json!({"0": "O", "1": "B-PER", "2": "I-PER"});
            }
            build(&config, head)
        }
    }
}

/// Builds a model with the head of this kind, or with the default head.
fn build(config: &Value, head: Option<HeadKind>) -> Box<dyn Model> {
    let entry = list().iter().find(|entry| config["model_type"] == entry.model_type).unwrap();
    let architecture = head.map(|kind| entry.architecture_with(kind).unwrap().to_owned());
    let options = BuildOptions {
        device: Device::Cpu,
        seed: Some(3),
        architecture,
        init: InitOptions::default(),
    };
    sst_models::build(config, &options).unwrap()
}
