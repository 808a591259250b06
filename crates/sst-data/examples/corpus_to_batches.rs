//! Turns a corpus into the batches of a first epoch: `cargo run --example corpus_to_batches -- FILE.txt`.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use sst_data::batching::{FixedBatches, Position};
use sst_data::clean::CleanConfig;
use sst_data::loader::{Loader, LoaderConfig};
use sst_data::read::Source;
use sst_data::rows::{Dataset, RowMode, Subset, TokenRows};
use sst_data::store::Preparation;
use sst_data::tokenize::{TrainConfig, train};
use sst_data::{ArrayData, Collate, CollateError, Example, HostBatch, Ledger, Normalizer};

/// Concatenates the token ids of all rows, without padding.
struct Ids;

impl Collate for Ids {
    fn collate(&self, examples: &[Example], _seed: u64) -> Result<HostBatch, CollateError> {
        let rows = examples.iter().filter_map(|example| example.tokens("input_ids"));
        let ids: Vec<i64> = rows.flatten().map(|id| i64::from(*id)).collect();
        let keys = examples.iter().map(|example| example.key.clone()).collect();
        let batch = HostBatch::new(Normalizer::Count(ids.len() as u64), keys);
        Ok(batch.with("input_ids", &[ids.len()], ArrayData::I64(ids))?)
    }
}

/// Returns the number of steps of one epoch over `corpus`, and the number of tokens in them. Prepared data is kept in
/// `cache`.
pub(crate) fn run(corpus: &str, cache: &Path) -> Result<(usize, usize), Box<dyn Error>> {
    let (ledger, source) = (Ledger::new(), Source::new([corpus]));
    // Trains a tokenizer on the corpus. `Tokenizer::load` reads a folder of Hugging Face.
    let texts: Vec<Example> = source.read(&ledger)?.collect::<Result<_, _>>()?;
    let texts = texts.iter().filter_map(|example| example.text("text")).map(str::to_owned);
    let tokenizer = train(&TrainConfig { vocab_size: 1000, ..TrainConfig::default() }, texts)?;
    // The documents are cleaned and tokenized once; later runs use the cache.
    let (clean, sentence_ends) = (CleanConfig::default(), false);
    let (source, clean, tokenizer) = (&source, &clean, &tokenizer);
    let preparation =
        Preparation { source, clean, tokenizer, sentence_ends, ledger: &ledger, cache };
    let store = preparation.prepare(&mut |_, _| ())?;
    // Makes rows of at most 64 tokens. A step has eight rows, in an order that depends on the seed.
    let template = tokenizer.special_token_template().clone();
    let rows = TokenRows::new(store, Subset::All, RowMode::Chunk, 64, template, &ledger)?;
    let batching = FixedBatches::new(7, rows.len(), 8, 8)?;
    let steps = rows.len().div_ceil(8) as usize;
    let (rows, batching, from) = (Arc::new(rows), Arc::new(batching), Position::default());
    let loader = Loader::new(rows, Arc::new(Ids), batching, LoaderConfig::default(), from)?;
    let mut tokens = 0;
    for step in loader.take(steps) {
        for batch in step?.micro {
            tokens += batch.get("input_ids").map_or(0, |array| array.data().len());
        }
    }
    Ok((steps, tokens))
}

#[allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program reads its arguments and prints what comes out"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let corpus = std::env::args().nth(1).ok_or("name a text file")?;
    let cache = std::env::temp_dir().join("sst-example");
    let (steps, tokens) = run(&corpus, &cache)?;
    println!("{steps} steps, {tokens} tokens");
    Ok(())
}
