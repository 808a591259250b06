//! `sst merge`.

use anyhow::Result;
use serde_json::json;
use sst_cli::args::MergeArgs;
use sst_cli::exit::{Exit, Usage};
use sst_cli::render;
use sst_data::{Ledger, Processor, atomic};
use sst_models::{HostModel, LoadOptions, ModelCard, Role};
use tch::Device;

use super::export::warn_of_head;
use crate::model;

/// Merges an adapter into the weights of its base model, compares the two, and writes the whole model.
///
/// # Errors
/// If the folder holds no adapter, the models differ or overflow, or the folder to write exists or cannot be written.
pub(crate) fn run(args: &MergeArgs) -> Result<Exit> {
    if args.out.exists() {
        let message = format!("{} exists: name a folder that does not", args.out.display());
        return Err(Usage(message).into());
    }
    let folder = model::find(&args.model)?.encoder()?;
    if !sst_models::is_adapter(&folder) {
        let message = format!(
            "{} holds no adapter (adapter_config.json), so there is nothing to merge: it is a whole model already",
            folder.display()
        );
        return Err(Usage(message).into());
    }
    let ledger = Ledger::new();
    let processor = Processor::load(&sst_models::tokenizer_folder(&folder)?)?;
    let tokenizer = processor.find_tokenizer();
    if let Some(tokenizer) = tokenizer {
        ledger.add_unused(&tokenizer.unused_beside_truncation());
    }
    let options = LoadOptions { role: Role::Write, ..LoadOptions::new(Device::Cpu) };
    let loaded = sst_models::open(&folder, &options)?;
    loaded.add_to(&ledger);
    let mut model = loaded.model;
    let check = sst_models::merge(&mut *model)?;
    render::note(&format!(
        "the greatest change of a logit is {:.1e}, for {} random tokens; the largest logit is {:.1e}",
        check.change, check.tokens, check.largest
    ));
    warn_of_head(&*model)?;
    let base = sst_models::adapter_base(&folder)?;
    let body = format!(
        "An adapter (LoRA), merged into the weights of `{}` by sst {}.",
        base.display(),
        env!("CARGO_PKG_VERSION")
    );
    let card = ModelCard { body, ..ModelCard::default() };
    let model = HostModel::copy(&*model)?.carry(loaded.carried);
    atomic::folder(&args.out, |folder| -> Result<()> {
        Ok(model.save(folder, tokenizer, &card)?)
    })?;
    if args.json {
        render::json(&json!({
            "version": 1, "out": args.out, "greatest_change": check.change, "largest_logit": check.largest,
            "tokens": check.tokens, "ledger": ledger.entries(),
        }))?;
    } else {
        render::note(&format!("wrote {}", args.out.display()));
    }
    render::ledger(&ledger.entries());
    Ok(Exit::Done)
}
