//! `sst fill-mask`.

use anyhow::Result;
use serde_json::json;
use sst_cli::args::FillMaskArgs;
use sst_cli::exit::Exit;
use sst_cli::render;
use sst_core::HeadKind;
use sst_data::Ledger;
use sst_data::tokenize::UnknownCount;
use sst_eval::fill_mask::{MaskPredictions, fill_mask};
use sst_models::LoadHead;

use crate::{model, settings};

/// Prints the most likely tokens for each mask token of each text.
///
/// # Errors
/// If the model cannot be loaded or is causal, or a text has no mask token or is too long.
pub(crate) fn run(args: &FillMaskArgs) -> Result<Exit> {
    let found = model::find(&args.model)?;
    let device = settings::open_device(&args.device)?;
    let ledger = Ledger::new();
    let (model, processor) =
        found.load(device, LoadHead::Needed(HeadKind::LanguageModel), &ledger)?;
    let tokenizer = processor.tokenizer()?;
    found.must_be_masked(&*model, "sst generate")?;
    UnknownCount::report_texts(tokenizer, &args.text, &ledger)?;
    for text in &args.text {
        let masks = fill_mask(&*model, tokenizer, text, args.top_k as usize)?;
        if args.json {
            let ledger = ledger.entries();
            render::json(&json!({ "version": 1, "text": text, "masks": masks, "ledger": ledger }))?;
        } else {
            render::line(&describe(text, &masks))?;
        }
    }
    render::ledger(&ledger.entries());
    Ok(Exit::Done)
}

fn describe(text: &str, masks: &[MaskPredictions]) -> String {
    let mut rows = vec![];
    for mask in masks {
        for candidate in &mask.predictions {
            rows.push(vec![
                format!("  {:5.1} %", 100.0 * candidate.probability),
                candidate.token.clone(),
                candidate.sequence.clone(),
            ]);
        }
    }
    format!("{}\n{}", render::cell(text), render::table(&rows))
}
