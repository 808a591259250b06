//! Trains a small BERT with an objective of one's own, random token substitution (Di Liello et al. 2022, "Effective
//! Pretraining Objectives for Transformer-based Autoencoders"): some tokens are replaced at random, and the model tells
//! for each token whether it was. `cargo run -p sst-train --example own_objective -- FILE.txt FOLDER`

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::json;
use sst_core::{Batch, HeadKind, LossParts, Metrics, Model, Objective};
use sst_core::{Ranks, Solo, StepContext, Tokens};
use sst_data::batching::{FixedBatches, Position};
use sst_data::clean::CleanConfig;
use sst_data::loader::{Loader, LoaderConfig};
use sst_data::read::Source;
use sst_data::rows::{Dataset, RowMode, Subset, TokenRows};
use sst_data::store::Preparation;
use sst_data::tokenize::{Tokenizer, TrainConfig, train};
use sst_data::{ArrayData, Collate, CollateError, Example, HostBatch, Ledger, Normalizer, SeqRng};
use sst_models::{BuildOptions, HostModel, InitOptions, ModelCard, ModelError};
use sst_train::track::Jsonl;
use sst_train::{Fit, FitConfig, OptimizerConfig, Outcome, Saver, Tasks, TrainError, WriteModel};
use tch::{Device, Reduction, Tensor};

/// The host half: replaces tokens, and labels each token 1 if it was replaced and 0 if not.
struct Substitute {
    vocab_size: u64,
}

impl Collate for Substitute {
    fn collate(&self, examples: &[Example], seed: u64) -> Result<HostBatch, CollateError> {
        let (mut ids, mut labels, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        for example in examples {
            // Other tokens are replaced in each epoch, and the same ones in a run that is resumed.
            let mut rng = SeqRng::new(seed, "substitute", example.epoch, example.index);
            let row = example.tokens("input_ids").unwrap_or_default();
            for &id in row {
                let new = if rng.chance(0.15) { rng.below(self.vocab_size) as u32 } else { id };
                ids.push(i64::from(new));
                labels.push(i64::from(new != id));
            }
            lengths.push(row.len());
        }
        let (tokens, count) = (ids.len(), ids.len() as u64);
        let keys = examples.iter().map(|example| example.key.clone()).collect();
        Ok(HostBatch::new(Normalizer::Count(count), keys)
            .with("input_ids", &[tokens], ArrayData::I64(ids))?
            .with("labels", &[tokens], ArrayData::I64(labels))?
            .with_row_lengths(lengths)
            .with_tokens(count, count))
    }
}

/// The device half: the cross-entropy of every token, summed.
struct Substitution(Arc<Substitute>);

impl Objective for Substitution {
    fn name(&self) -> &'static str {
        "substitution"
    }

    fn collate(&self) -> Arc<dyn Collate> {
        self.0.clone()
    }

    fn loss(
        &self,
        model: &dyn Model,
        batch: &Batch,
        context: &StepContext,
    ) -> sst_core::Result<LossParts> {
        let head = model.head(HeadKind::TokenClassification)?;
        let tokens = Tokens::from_batch(batch)?;
        let output = model.text_encoder()?.encode(tokens.into(), context.forward)?;
        let hidden = output.select(head.input(), tokens.input_ids)?;
        let logits_to = head.logits(&hidden, context.forward)?;
        let (labels_t, weight) = (batch.get("labels")?, None::<Tensor>);
        let loss = logits_to.f_cross_entropy_loss(labels_t, weight, Reduction::Sum, -100, 0.0)?;
        Ok(LossParts { loss, sums: Vec::new() })
    }
}

/// Rows of at most 64 tokens of a text file, and the tokenizer that is trained on it.
fn rows(
    corpus: &str,
    cache: &Path,
    ledger: &Ledger,
) -> Result<(TokenRows, Tokenizer), Box<dyn Error>> {
    let source = Source::new([corpus]);
    let texts: Vec<Example> = source.read(ledger)?.collect::<Result<_, _>>()?;
    let texts = texts.iter().filter_map(|example| example.text("text")).map(str::to_owned);
    let tokenizer = train(&TrainConfig { vocab_size: 500, ..TrainConfig::default() }, texts)?;
    let (source, clean, sentence_ends) = (&source, &CleanConfig::default(), false);
    let preparation =
        Preparation { source, clean, tokenizer: &tokenizer, sentence_ends, ledger, cache };
    let store = preparation.prepare(&mut |_, _| ())?;
    let template = tokenizer.special_token_template().clone();
    Ok((TokenRows::new(store, Subset::All, RowMode::Chunk, 64, template, ledger)?, tokenizer))
}

/// Trains for 100 steps. `folder` gets `metrics.jsonl` and `checkpoints`, and prepared data.
pub(crate) fn run(corpus: &str, folder: &Path) -> Result<Outcome, Box<dyn Error>> {
    let ledger = Ledger::new();
    let (rows, tokenizer) = rows(corpus, &folder.join("cache"), &ledger)?;
    let vocab_size = tokenizer.vocab_size();
    let config = json!({
        "model_type": "bert", "vocab_size": vocab_size, "hidden_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 128, "max_position_embeddings": 64,
        "id2label": { "0": "original", "1": "replaced" },
    });
    let architecture = Some("BertForTokenClassification".to_owned());
    let (device, seed, init) = (Device::Cpu, Some(1), InitOptions::default());
    let options = BuildOptions { device, seed, architecture, init };
    let mut model = sst_models::build(&config, &options)?;

    let mut objective = Substitution(Arc::new(Substitute { vocab_size: vocab_size as u64 }));
    let batching = Arc::new(FixedBatches::new(1, rows.len(), 32, 32)?);
    let (rows, collate) = (Arc::new(rows), objective.collate());
    let open_loader = |from: Position, _: &dyn Ranks| {
        let (rows, collate, batching) = (rows.clone(), collate.clone(), batching.clone());
        Ok(Loader::new(rows, collate, batching, LoaderConfig::default(), from)?)
    };
    // A checkpoint has the model as a folder that transformers loads.
    let other = |error: ModelError| TrainError::Other(Box::new(error));
    let export = |model: &dyn Model, _: &Metrics| -> Result<WriteModel, TrainError> {
        let (model, tokenizer) = (HostModel::copy(model).map_err(other)?, tokenizer.clone());
        Ok(Box::new(move |folder| {
            model.save(folder, Some(&tokenizer), &ModelCard::default()).map_err(other)
        }))
    };
    let optimizer = OptimizerConfig { lr: 2e-3, ..OptimizerConfig::default() };
    let outcome = sst_train::fit(Fit {
        config: FitConfig { total_steps: 100, log_every: 10, optimizer, ..FitConfig::default() },
        ranks: &Solo,
        model: &mut *model,
        tasks: Tasks::one(&mut objective, &open_loader),
        evaluators: &mut [],
        trackers: &mut [Box::new(Jsonl::open(&folder.join("metrics.jsonl"), 0)?)],
        saver: &Saver::new(folder),
        export: &export,
        ledger: &ledger,
        stop: &AtomicBool::new(false),
        resume: None,
        fault: None,
    })?;
    Ok(outcome)
}

#[allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program has arguments and prints"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut next = || args.next().ok_or("name a text file and a folder for the run");
    let (corpus, folder) = (next()?, next()?);
    if let Outcome::Finished { metrics, checkpoint, .. } = run(&corpus, Path::new(&folder))? {
        println!(
            "loss {:.3}, model in {}",
            metrics["train/loss"],
            checkpoint.join("model").display()
        );
    }
    Ok(())
}
