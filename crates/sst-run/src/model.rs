//! Finds and loads the model at a path: a model folder, a checkpoint or a run.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sst_core::{InputSpec, Modality, Model};
use sst_data::pictures::ImageProcessor;
use sst_data::pictures::processor::ProcessorError;
use sst_data::read::require_readable;
use sst_data::tokenize::Tokenizer;
use sst_data::{Ledger, Processor};
use sst_models::{LoadHead, LoadOptions};
use sst_train::{Checkpoint, Saver, TrainError};
use tch::Device;

use crate::error::{Result, RunError};
use crate::run_folder::{CONFIG, read_config};

/// A model folder, and the run that it belongs to.
pub struct ModelLocation {
    /// The Hugging Face model folder, or the folder of an adapter.
    pub folder: PathBuf,
    /// The run folder, which holds config.toml, if the model lies in a checkpoint of a run.
    pub run: Option<PathBuf>,
    /// The checkpoint in use, if a newer one of the run is damaged.
    pub older: Option<PathBuf>,
    /// The checkpoint in use, if it is the best one of the run and not the newest.
    pub best: Option<PathBuf>,
}

/// Finds the model at `path`, which is a model folder, a checkpoint folder or a run folder. Of a run, the newest good
/// checkpoint is used, or the best one if its recipe says so (`train.keep.restore_best`). A model inside a checkpoint is first verified against the checkpoint's manifest.
///
/// # Errors
/// If there is no model, with the files that were looked for; or if the checkpoint is damaged.
pub fn find(path: &Path) -> Result<ModelLocation> {
    must_exist(path)?;
    let is_checkpoint =
        path.join("MANIFEST.json").is_file() || path.join("model/config.json").is_file();
    // In a sentence-transformers folder, config.json may lie in a subfolder.
    let is_model = ["config.json", "modules.json", "adapter_config.json"]
        .iter()
        .any(|name| path.join(name).is_file());
    let (mut older, mut best) = (None, None);
    let folder = if is_model {
        verify_around(path)?;
        path.to_owned()
    } else if is_checkpoint {
        verify(path)?;
        path.join("model")
    } else {
        let folder;
        (folder, older) = newest_good(path)?;
        best = best_of(path)?;
        best.as_ref().map_or(folder, Checkpoint::model)
    };
    // The path is RUN/checkpoints/step-N/model once `latest` and other links are resolved.
    let real = folder.canonicalize().unwrap_or_else(|_| folder.clone());
    let run = real.ancestors().nth(3).filter(|run| run.join("config.toml").is_file());
    let best = best.map(|checkpoint| checkpoint.path().to_owned());
    let older = older.filter(|_| best.is_none());
    Ok(ModelLocation { run: run.map(Path::to_owned), folder, older, best })
}

/// Returns the model folder of the newest good checkpoint of the run in `path`; and that checkpoint, if a newer one
/// exists and is damaged.
fn newest_good(path: &Path) -> Result<(PathBuf, Option<PathBuf>)> {
    let saver = Saver::new(path);
    let newest = saver.steps()?.last().copied();
    if let Some(checkpoint) = saver.latest_good()? {
        let is_older = newest != Some(checkpoint.step());
        let older = is_older.then(|| checkpoint.path().to_owned());
        return Ok((checkpoint.model(), older));
    }
    // A copy of a run may have `latest` as a real folder and no other checkpoint.
    let latest = saver.folder().join("latest");
    if latest.join("MANIFEST.json").is_file() {
        verify(&latest)?;
        return Ok((latest.join("model"), None));
    }
    let message = format!(
        "{} is no model folder (config.json, modules.json or adapter_config.json), checkpoint folder (model/) or run folder (checkpoints/)",
        path.display()
    );
    Err(RunError::Model(message))
}

/// The best checkpoint of the run in `path`, if the run asks for it in place of the newest one, which is another.
fn best_of(path: &Path) -> Result<Option<Checkpoint>> {
    if !path.join(CONFIG).is_file() {
        return Ok(None);
    }
    let config = read_config(path)?;
    let is_wanted = config.pointer("/train/keep/restore_best").and_then(Value::as_bool);
    let saver = Saver::new(path);
    let Some(newest) = saver.latest_good()?.filter(|_| is_wanted == Some(true)) else {
        return Ok(None);
    };
    let Some(best) = newest.state()?.best.into_iter().next() else { return Ok(None) };
    if best.step == newest.step() {
        return Ok(None);
    }
    let checkpoint = saver.checkpoint(best.step);
    verify(checkpoint.path())?;
    Ok(Some(checkpoint))
}

/// If the model folder `path` lies in a checkpoint, verifies the checkpoint against its manifest.
///
/// # Errors
/// If the checkpoint is damaged.
pub fn verify_around(path: &Path) -> Result<()> {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match real.parent() {
        Some(checkpoint)
            if real.ends_with("model") && checkpoint.join("MANIFEST.json").is_file() =>
        {
            verify(checkpoint)
        }
        _ => Ok(()),
    }
}

/// Checks that `path` exists.
///
/// # Errors
/// If it does not exist.
pub(crate) fn must_exist(path: &Path) -> Result<()> {
    match path.exists() {
        true => Ok(()),
        false => Err(RunError::Missing(path.to_owned())),
    }
}

/// Verifies a checkpoint against its manifest.
fn verify(folder: &Path) -> Result<()> {
    let damaged = |error: TrainError| {
        let message = format!(
            "the checkpoint {} is damaged, so its model is not used ({error}): name another checkpoint, or the run \
             folder, which stands for its newest good one",
            folder.display()
        );
        RunError::Damaged(message)
    };
    match Checkpoint::at(folder).map_err(damaged)? {
        Some(checkpoint) => Ok(checkpoint.verify().map_err(damaged)?),
        None => {
            let message = format!(
                "{} has no MANIFEST.json, so it is no complete checkpoint: name its model/ folder to use the model without verification",
                folder.display()
            );
            Err(RunError::Model(message))
        }
    }
}

impl ModelLocation {
    /// The pooling that the model was trained with, if it belongs to a run with a contrastive objective.
    ///
    /// # Errors
    /// If the run's config.toml cannot be read, or its tasks trained with different poolings.
    pub fn pooling(&self) -> Result<Option<String>> {
        let Some(run) = &self.run else { return Ok(None) };
        let config = read_config(run)?;
        let tasks = config.get("tasks").and_then(Value::as_object);
        let sections = tasks.into_iter().flat_map(|tasks| tasks.values()).chain([&config]);
        let mut poolings: Vec<&str> = sections
            .filter_map(|section| section.pointer("/objective/pooling").and_then(Value::as_str))
            .collect();
        poolings.sort_unstable();
        poolings.dedup();
        match poolings[..] {
            [] => Ok(None),
            [pooling] => Ok(Some(pooling.to_owned())),
            _ => {
                let message = format!(
                    "the tasks of {} trained the model with different poolings ({}): choose one of them",
                    run.display(),
                    poolings.join(", ")
                );
                Err(RunError::Model(message))
            }
        }
    }

    /// Checks that the model is not causal. In a causal model a token attends only to the tokens before it, so its
    /// predictions for a mask token are not comparable. `instead` is the command to use for causal models.
    ///
    /// # Errors
    /// If the model is causal.
    pub fn must_be_masked(&self, model: &dyn Model, instead: &str) -> Result<()> {
        if model.decoder().is_err() {
            return Ok(());
        }
        let message = format!(
            "{}: a `{}` model is causal (a token attends only to those before it), and this command is for masked \
             language models: use `{instead}`",
            self.folder.display(),
            model.model_type()
        );
        Err(RunError::Model(message))
    }

    /// Checks that the model is causal. `instead` is the command to use for other models.
    ///
    /// # Errors
    /// If the model is not causal.
    pub fn must_be_causal(&self, model: &dyn Model, instead: &str) -> Result<()> {
        match model.decoder() {
            Ok(_) => Ok(()),
            Err(_) => Err(self.not_causal(model.model_type(), instead)),
        }
    }

    /// Whether models of its type read inputs of this modality. A config.json that cannot be read, or whose type is not known,
    /// is reported where the model is loaded.
    pub fn reads(&self, modality: Modality) -> bool {
        let config = self.config().unwrap_or_default();
        let model_type = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
        let entry = sst_models::list().iter().find(|entry| entry.model_type == model_type);
        entry.is_some_and(|entry| entry.modalities.contains(&modality))
    }

    /// The config.json of the encoder, if it can be read.
    fn config(&self) -> Option<Value> {
        let file = self.encoder().ok()?.join("config.json");
        require_readable(&file).ok()?;
        serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()
    }

    /// Like [`ModelLocation::must_be_causal`], before the model is loaded: a model that is not causal may also lack the
    /// head that the command needs. A config.json that cannot be read is reported where the model is loaded.
    ///
    /// # Errors
    /// If models of its type are not causal.
    pub fn type_must_be_causal(&self, instead: &str) -> Result<()> {
        let config = self.config().unwrap_or_default();
        let model_type = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
        let entry = sst_models::list().iter().find(|entry| entry.model_type == model_type);
        match entry.is_none_or(|entry| entry.is_causal) {
            true => Ok(()),
            false => Err(self.not_causal(model_type, instead)),
        }
    }

    fn not_causal(&self, model_type: &str, instead: &str) -> RunError {
        RunError::Model(format!(
            "{}: a `{model_type}` model is not causal (its tokens attend to later ones), and this command is for causal \
             language models: use `{instead}`",
            self.folder.display()
        ))
    }

    /// The folder that holds the encoder's config.json. It may be a subfolder of a sentence-transformers folder.
    ///
    /// # Errors
    /// If modules.json cannot be read, or names a folder outside of this one.
    pub fn encoder(&self) -> Result<PathBuf> {
        Ok(sst_models::encoder_folder(&self.folder)?)
    }

    /// Loads the model and its processor. The tokenizer then refuses texts whose tokens are not in the vocabulary of
    /// the model. A model that reads pictures has an image processor: that of the folder, or else that of its type in
    /// transformers, with a warning. Files and settings that are not used go to `ledger`.
    ///
    /// # Errors
    /// If the model or the processor cannot be read, or the model lacks the required head.
    pub fn load(
        &self,
        device: Device,
        head: LoadHead,
        ledger: &Ledger,
    ) -> Result<(Box<dyn Model>, Processor)> {
        let folder = self.encoder()?;
        let processor = Processor::load(&sst_models::tokenizer_folder(&folder)?)?;
        if let Ok(tokenizer) = processor.tokenizer() {
            ledger.add_unused(tokenizer.unused());
        }
        let options = LoadOptions { head, ..LoadOptions::new(device) };
        let loaded = sst_models::open(&folder, &options)?;
        loaded.add_to(ledger);
        if let Ok(tokenizer) = processor.tokenizer() {
            check_padding(&folder, &*loaded.model, tokenizer)?;
        }
        let processor = match loaded.model.vocab_size() {
            Ok(known) => processor.map_tokenizer(|tokenizer| tokenizer.for_vocabulary(known)),
            // A model without a text encoder has no vocabulary.
            Err(_) => processor,
        };
        let images = image_processor(&folder, &*loaded.model, ledger)?;
        Ok((loaded.model, processor.with_images(images)))
    }
}

/// Checks that a model that pads captions itself does so with the token of the tokenizer.
///
/// # Errors
/// If it does not: its vectors would not be those that it was trained to compute.
pub(crate) fn check_padding(folder: &Path, model: &dyn Model, tokenizer: &Tokenizer) -> Result<()> {
    let own = sst_models::own_padding(&model.config());
    let Some((own, pad)) = own.zip(tokenizer.special().pad) else { return Ok(()) };
    if own == i64::from(pad) {
        return Ok(());
    }
    Err(RunError::Model(format!(
        "{}/config.json: text_config.pad_token_id is {own} (1 if it is not written), and the tokenizer pads with token {pad}. The \
         model reads captions that are padded, so the two must agree: set text_config.pad_token_id to {pad}",
        folder.display()
    )))
}

/// The image processor of a folder, or else that of the type of its model; `None` for a model that reads no pictures.
fn image_processor(
    folder: &Path,
    model: &dyn Model,
    ledger: &Ledger,
) -> Result<Option<ImageProcessor>> {
    let Ok(encoder) = model.encoder(Modality::Image) else { return Ok(None) };
    match ImageProcessor::load(folder) {
        Ok((processor, unused)) => {
            ledger.add_unused(&unused);
            Ok(Some(processor))
        }
        Err(ProcessorError::NotFound(_)) => {
            let InputSpec::Image { size: [height, width], .. } = encoder.spec() else {
                return Ok(None);
            };
            let side = u32::try_from(height.min(width)).unwrap_or(u32::MAX);
            let kind = sst_models::image_processor_kind(model.model_type());
            tracing::warn!(
                "{} has no preprocessor_config.json: pictures are prepared as by transformers' {}",
                folder.display(),
                kind.class()
            );
            Ok(Some(ImageProcessor::new(kind, side)))
        }
        Err(error) => Err(RunError::Model(error.to_string())),
    }
}
