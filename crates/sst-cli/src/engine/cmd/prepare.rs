//! `sst data prepare`.

use anyhow::Result;
use serde_json::json;
use sst_cli::args::PrepareArgs;
use sst_cli::exit::Exit;
use sst_cli::render;
use sst_data::Ledger;
use sst_data::rows::{Dataset, Subset};

use crate::prepared::Recipe;

/// Trains the tokenizer if need be, and puts the tokens of the data into the cache.
///
/// # Errors
/// If the recipe is wrong, or the data cannot be read or the cache not be written.
pub(crate) fn run(args: &PrepareArgs) -> Result<Exit> {
    let recipe = Recipe::resolve(&args.recipe, &args.set)?;
    let ledger = Ledger::new();
    let tokenizer = recipe.tokenizer()?;
    let store = recipe.store(&tokenizer, &ledger)?;
    let fraction = recipe.config.data.validation;
    let train = recipe.rows(&store, Subset::Train { fraction }, &tokenizer, &ledger)?;
    let held_out = recipe.rows(&store, Subset::Validation { fraction }, &tokenizer, &ledger)?;
    let folder = recipe.cache()?.join("stores").join(store.fingerprint());
    if args.json {
        render::json(&json!({
            "version": 1,
            "store": folder,
            "documents": store.num_documents(),
            "tokens": store.num_tokens(),
            "vocab_size": tokenizer.vocab_size(),
            "training_rows": train.len(),
            "validation_rows": held_out.len(),
            "ledger": ledger.entries(),
        }))?;
        return Ok(Exit::Done);
    }
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    render::line(&render::table(&[
        row("store", folder.display().to_string()),
        row("documents", render::count(store.num_documents())),
        row("tokens", render::count(store.num_tokens())),
        row("vocabulary", render::count(tokenizer.vocab_size() as u64)),
        row("training rows", render::count(train.len())),
        row("validation rows", render::count(held_out.len())),
    ]))?;
    render::ledger(&ledger.entries());
    Ok(Exit::Done)
}
