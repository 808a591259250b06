//! The loss of masked language modelling on one batch of texts, for a small BERT with random weights:
//! `cargo run -p sst-objectives --example batch_loss -- TEXT TEXT...`

use std::error::Error;

use serde_json::json;
use sst_core::{Batch, Forward, StepContext};
use sst_data::tokenize::{TrainConfig, train};
use sst_data::{Example, Field, Key, Normalizer};
use sst_models::{BuildOptions, InitOptions};
use sst_objectives::{Context, build};
use tch::Device;

/// The loss of a batch.
pub(crate) struct BatchLoss {
    /// The mean over the masked tokens.
    pub(crate) mean: f64,
    /// How many tokens are masked.
    pub(crate) masked: u64,
    /// The number of tokens that the model chooses from.
    pub(crate) vocab_size: usize,
}

/// Masks a share of the tokens of `texts` and predicts them.
pub(crate) fn run(texts: &[String], mask_rate: f64) -> Result<BatchLoss, Box<dyn Error>> {
    let config = TrainConfig { vocab_size: 100, min_frequency: 1, ..TrainConfig::default() };
    let tokenizer = train(&config, texts.iter().cloned())?;
    let (device, seed, vocab_size) = (Device::Cpu, 1, tokenizer.vocab_size());
    let config = json!({
        "model_type": "bert", "vocab_size": vocab_size, "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 64,
    });
    let (architecture, init) = (None, InitOptions::default());
    let options = BuildOptions { device, seed: Some(seed), architecture, init };
    let model = sst_models::build(&config, &options)?;
    let (hidden_size, tokenizer) = (32, Some(&tokenizer));
    let context =
        Context { padding_free: true, ..Context::new(tokenizer, hidden_size, device, seed) };
    let objective = build("mlm", &json!({ "mask_rate": mask_rate }), &context)?;

    // On the host: rows of token ids become a batch with masks and labels.
    let mut rows = Vec::new();
    for (index, text) in (0..).zip(texts) {
        let ids = context.tokenizer()?.encode_with_special(text)?;
        let key = Key::new("texts", index + 1);
        rows.push(Example::new(key, index, "input_ids", Field::Tokens(ids)));
    }
    let batch = Batch::from_host(&objective.collate().collate(&rows, seed)?, device)?;

    // On the device: the sum of the losses of the masked tokens, from which gradients can be computed.
    let step = StepContext { step: 0, micro: 0, forward: Forward::EVAL };
    let sum = objective.loss(&*model, &batch, &step)?.loss.double_value(&[]);
    let Normalizer::Count(masked @ 1..) = batch.normalizer else {
        return Err("no token was masked: give more texts".into());
    };
    Ok(BatchLoss { mean: sum / masked as f64, masked, vocab_size })
}

#[allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program has arguments and prints"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let texts: Vec<String> = std::env::args().skip(1).collect();
    let loss = run(&texts, 0.15)?;
    let guessing = (loss.vocab_size as f64).ln();
    println!("loss {:.3} of {} masked tokens; guessing: {guessing:.3}", loss.mean, loss.masked);
    Ok(())
}
