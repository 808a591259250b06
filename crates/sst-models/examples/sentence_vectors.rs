//! Compares texts by the vectors of a model folder from the Hugging Face hub:
//! `cargo run -p sst-models --example sentence_vectors -- FOLDER TEXT TEXT...`

use std::path::Path;

use sst_data::Ledger;
use sst_models::{Embedder, ModelError, SentenceModel, SentenceOptions};
use tch::Device;

/// The cosine of the vector of `query` with that of each of `texts`. `folder` is a folder of sentence-transformers, or of
/// transformers, whose hidden states are then averaged.
pub(crate) fn cosines(
    folder: &Path,
    query: &str,
    texts: &[&str],
    ledger: &Ledger,
) -> Result<Vec<f32>, ModelError> {
    let options = SentenceOptions { normalize: Some(true), ..SentenceOptions::default() };
    let model = SentenceModel::load(folder, Device::Cpu, options, ledger)?;
    // A forward pass takes texts with up to 4096 tokens in all, without padding.
    let embedder = Embedder::new(&model, Device::Cpu, None, 4096);
    let embedded = embedder.embed(&[&[query], texts].concat())?;
    let mut vectors = embedded.vectors.chunks_exact(model.width() as usize);
    let first = vectors.next().unwrap_or_default();
    // The vectors have length one.
    Ok(vectors.map(|vector| first.iter().zip(vector).map(|(x, y)| x * y).sum()).collect())
}

#[allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program has arguments and prints"
)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, query, texts @ ..] = args.as_slice() else {
        return Err("name a model folder and two texts or more".into());
    };
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let ledger = Ledger::new();
    for (text, cosine) in texts.iter().zip(cosines(Path::new(folder), query, &texts, &ledger)?) {
        println!("{cosine:.3}  {text}");
    }
    // The files, keys and tensors of the folder that were not used.
    for (name, entry) in ledger.entries() {
        println!("{name}: {}", entry.items.join(", "));
    }
    Ok(())
}
