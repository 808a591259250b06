//! Vectors of texts for the commands that compare them.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Map, Value, json};
use sst_cli::args::{DeviceArgs, EmbeddedTextArgs, PairArgs, PoolingArgs};
use sst_cli::host::source::source;
use sst_core::{Modality, Model};
use sst_data::tokenize::UnknownCount;
use sst_data::{Ledger, Unused, UnusedKind};
use sst_eval::{EmbeddedTexts, Entry, EvalError, Input, Report, TextRole, TextVectors};
use sst_models::{Embedder, SentenceModel, Side};
use tch::{Device, Tensor};

use super::embed::options;
use super::measure::{Measured, Setting, evaluate};
use super::pictures::refuse_for_texts;
use super::unlabelled_pictures;
use crate::{model, settings};

/// Which prompts of a folder are put before two lists of texts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Prompts {
    /// The prompt for queries, and the prompt for the documents that they find.
    Search,
    /// The default prompt for both.
    Default,
}

/// A sentence model, and the prompts that are put before texts.
pub(super) struct TextEncoder<'l> {
    sentence: SentenceModel,
    folder: PathBuf,
    device: Device,
    /// Before the first texts and before the second texts.
    prompts: [String; 2],
    /// The names of the prompts in reports.
    told: &'static [&'static str],
    batch_tokens: usize,
    ledger: &'l Ledger,
}

impl<'l> TextEncoder<'l> {
    /// The encoder of a command on pairs.
    ///
    /// # Errors
    /// If the model cannot be read.
    pub(super) fn of_pairs(args: &PairArgs, prompts: Prompts, ledger: &'l Ledger) -> Result<Self> {
        let given = [&args.query_prompt, &args.document_prompt].map(Clone::clone);
        let this = Self::open(&args.model, &args.device, &args.pooling, prompts, given, ledger)?;
        let told = &["query_prompt", "document_prompt"];
        Ok(Self { told, batch_tokens: args.batch_tokens, ..this })
    }

    fn open(
        path: &Path,
        device: &DeviceArgs,
        pooling: &PoolingArgs,
        prompts: Prompts,
        given: [Option<String>; 2],
        ledger: &'l Ledger,
    ) -> Result<Self> {
        let found = model::find(path)?;
        let device = settings::open_device(device)?;
        let options = options(pooling, &found)?;
        let sentence = SentenceModel::load(&found.folder, device, options, ledger)?;
        let other =
            sentence.similarity().filter(|name| *name != "cosine" && !sentence.normalizes());
        if let Some(similarity) = other {
            let mut unused = Unused::new();
            let item = format!(
                "config_sentence_transformers.json: similarity_fn_name ({similarity}): cosines are compared"
            );
            unused.add(UnusedKind::ConfigKey, item);
            ledger.add_unused(&unused);
        }
        let of_folder = match prompts {
            Prompts::Search => {
                [sentence.prompt_of(Side::Query), sentence.prompt_of(Side::Document)]
            }
            Prompts::Default => [sentence.prompt(), sentence.prompt()],
        };
        let [first, second] = of_folder.map(str::to_owned);
        let [given_first, given_second] = given;
        let prompts = [given_first.unwrap_or(first), given_second.unwrap_or(second)];
        let folder = found.folder;
        Ok(Self { sentence, folder, device, prompts, told: &[], batch_tokens: 0, ledger })
    }

    /// The prompts as they are told: in JSON, or a line each.
    pub(super) fn told(&self) -> Map<String, Value> {
        let names = self.told.iter().zip(&self.prompts);
        names.map(|(name, prompt)| ((*name).to_owned(), json!(prompt))).collect()
    }

    /// The vectors `[n, d]` of `texts` by the folder's own encoder.
    ///
    /// # Errors
    /// If a text cannot be encoded, or libtorch fails.
    pub(super) fn embed(&self, texts: &[String], role: TextRole) -> Result<Tensor> {
        self.embed_with(self.sentence.model(), texts, role)
    }

    fn embed_with(&self, encoder: &dyn Model, texts: &[String], role: TextRole) -> Result<Tensor> {
        let Self { sentence, ledger, .. } = self;
        let prompt = match role {
            TextRole::First => &self.prompts[0],
            TextRole::Second => &self.prompts[1],
        };
        let embedder = Embedder::new(sentence, self.device, None, self.batch_tokens)
            .with_prompt(prompt)?
            .with_encoder(encoder);
        let found = embedder.embed(&texts.iter().map(String::as_str).collect::<Vec<_>>())?;
        let cut = found.cut.iter();
        ledger.add(
            "embed.truncated_texts",
            cut.clone().filter(|cut| **cut > 0).count() as u64,
            None,
        );
        ledger.add("embed.truncated_tokens", cut.sum::<usize>() as u64, None);
        let empty = found.empty.iter().filter(|is_empty| **is_empty).count();
        ledger.add("embed.empty_texts", empty as u64, None);
        let mut unknown = UnknownCount::new();
        for (text, count) in texts.iter().zip(&found.unknown) {
            unknown.add(sentence.tokenizer(), text, *count as u64, None, ledger)?;
        }
        unknown.report(ledger, found.tokens);
        Ok(Tensor::f_from_slice(&found.vectors)?.f_reshape([-1, sentence.width()])?)
    }

    /// Measures the folder's encoder with `entry`, on the data that `input` makes. Returns the report and the
    /// prompts as they are told.
    ///
    /// # Errors
    /// If a text cannot be encoded, or the evaluator fails.
    pub(super) fn measure(
        &self,
        entry: &Entry,
        settings: Vec<Setting<'_>>,
        input: impl for<'v> FnOnce(Box<dyn TextVectors + 'v>) -> Input<'v>,
    ) -> Result<(Report, Map<String, Value>)> {
        let failed = RefCell::new(None);
        let input = input(Box::new(Vectors { encoder: self, failed: &failed }));
        let model = self.sentence.model();
        let measured = evaluate(entry, settings, input, model, None, &self.folder);
        if let Some(error) = failed.into_inner() {
            return Err(error);
        }
        Ok((measured?, self.told()))
    }
}

/// Makes the vectors that an evaluator asks for.
struct Vectors<'v> {
    encoder: &'v TextEncoder<'v>,
    /// Why vectors could not be made. The error keeps its type here, on which the exit code depends.
    failed: &'v RefCell<Option<anyhow::Error>>,
}

impl TextVectors for Vectors<'_> {
    fn vectors(
        &mut self,
        model: &dyn Model,
        texts: &[String],
        role: TextRole,
    ) -> Result<Tensor, EvalError> {
        self.encoder.embed_with(model, texts, role).map_err(|error| {
            let message = error.to_string();
            *self.failed.borrow_mut() = Some(error);
            EvalError::Source(message)
        })
    }
}

/// Measures a model with an evaluator of the vectors of single texts or pictures.
///
/// # Errors
/// If model or data cannot be read, or there is nothing to measure.
pub(super) fn embedded_texts(
    entry: &Entry,
    args: &EmbeddedTextArgs,
    settings: Vec<Setting<'_>>,
) -> Result<Measured> {
    let found = model::find(&args.model)?;
    if found.reads(Modality::Image) {
        return unlabelled_pictures::embedded(entry, args, &found, settings);
    }
    refuse_for_texts(&found, &args.pictures, &[])?;
    let ledger = Ledger::new();
    let mut texts = Vec::new();
    for example in source(&args.data, &args.documents)?.read(&ledger)? {
        texts.push(example?.text("text").unwrap_or_default().to_owned());
    }
    let given = [args.prompt.clone(), None];
    let encoder = TextEncoder::open(
        &args.model,
        &args.device,
        &args.pooling,
        Prompts::Default,
        given,
        &ledger,
    )?;
    let encoder = TextEncoder { told: &["prompt"], batch_tokens: args.batch_tokens, ..encoder };
    let (report, told) = encoder.measure(entry, settings, |vectors| {
        Input::EmbeddedTexts(EmbeddedTexts { vectors, texts })
    })?;
    Ok(Measured { report, ledger, told, as_json: args.json })
}
