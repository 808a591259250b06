//! A small tokenizer, rows and model to try objectives on.

use serde_json::{Value, json};
use sst_core::Model;
use sst_data::tokenize::{Algorithm, Tokenizer, TrainConfig, train};
use sst_data::{Example, Field, Key};
use sst_models::{BuildOptions, InitOptions};
use tch::Device;

/// Text with words of several pieces.
pub(crate) fn sentence(i: u64) -> String {
    let words =
        ["unbelievable", "light", "darkness", "waters", "firmament", "and", "the", "created"];
    let pick = |k: u64| words[((i * 7 + k * k * 3 + i * k) % words.len() as u64) as usize];
    (0..12).map(pick).collect::<Vec<_>>().join(" ")
}

/// WordPiece with so few entries that long words take several.
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
            Example::new(key, i, "input_ids", Field::Tokens(ids))
        })
        .collect()
}

/// A small encoder without dropout.
pub(crate) fn model(vocab_size: usize) -> Box<dyn Model> {
    build(&json!({
        "model_type": "bert", "vocab_size": vocab_size, "hidden_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 128,
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
    }))
}

/// A small decoder without dropout, of two layers, so that positions matter.
pub(crate) fn decoder(vocab_size: usize) -> Box<dyn Model> {
    build(&json!({
        "model_type": "gpt2", "vocab_size": vocab_size, "n_embd": 32, "n_layer": 2, "n_head": 2,
        "n_positions": 128, "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0,
    }))
}

/// One that the objective can train.
pub(crate) fn model_for(objective: &str, vocab_size: usize) -> Box<dyn Model> {
    match objective {
        "clm" => decoder(vocab_size),
        _ => model(vocab_size),
    }
}

fn build(config: &Value) -> Box<dyn Model> {
    let options = BuildOptions {
        device: Device::Cpu,
        seed: Some(3),
        architecture: None,
        init: InitOptions::default(),
    };
    sst_models::build(config, &options).unwrap()
}
