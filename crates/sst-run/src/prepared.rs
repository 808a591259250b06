//! Builds what a run needs from its configuration: tokenizer, prepared data, rows, objectives and model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use sst_core::checkpoint::{Allow, CheckpointError};
use sst_core::{InputSpec, Modality, Model, Objective};
use sst_data::pictures::ImageProcessor;
use sst_data::pictures::processor::ProcessorError;
use sst_data::tokenize::Tokenizer;
use sst_data::{Ledger, Processor, Unused};
use sst_models::{BuildOptions, Carried, LoadHead, LoadOptions, ModelError, Role};
use sst_objectives::ObjectiveError;
use tch::Device;

use crate::error::{Result, RunError};
use crate::model;
use crate::observer::Observer;
use crate::recipe::{
    ImageSection, ModelChoice, Problem, RunConfig, TEXT_CONFIG, Task, Written, change_text_config,
    key_problem, unused,
};

/// A checked recipe: its complete configuration, and methods that build what a run needs.
pub struct CheckedRecipe {
    /// Every setting, with defaults filled in.
    pub config: RunConfig,
    /// The recipe as it was written, so that errors can name the line.
    pub(crate) written: Written,
    /// The folder of prepared data if `data.cache` is not set.
    pub(crate) default_cache: Option<PathBuf>,
    pub(crate) observer: Arc<dyn Observer>,
}

/// What an objective needs to know about the model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ObjectiveContext {
    /// The width of the hidden states of the encoder that reads the rows.
    pub(crate) hidden_size: i64,
    /// The images that the model reads.
    pub(crate) images: Option<InputSpec>,
    pub(crate) device: Device,
}

impl CheckedRecipe {
    /// Turns a problem with a key into an error that names the place in the recipe.
    pub(crate) fn refuse(&self, problem: Problem) -> RunError {
        self.written.locate(problem).into()
    }

    /// The folder of prepared data and trained tokenizers: `data.cache`, or else the default one.
    ///
    /// # Errors
    /// If there is none.
    pub fn cache(&self) -> Result<PathBuf> {
        let cache = self.config.tasks.list.first().map(|task| task.data.cache.as_str());
        match cache.unwrap_or_default() {
            "" => self.default_cache.clone().ok_or(RunError::NoCache),
            folder => Ok(PathBuf::from(folder)),
        }
    }

    /// The keys that were written but have no effect in this recipe, each with its place and the reason.
    pub fn unused(&self) -> Unused {
        unused(&self.config, &self.written)
    }

    /// Returns what prepares the inputs of the model: the tokenizer, loaded from `tokenizer.path` or trained on the data of all
    /// tasks and cached, if an objective reads text; and the image processor, if one reads pictures.
    pub fn processor(&self) -> Result<Processor> {
        let tokenizer = self.config.tokenizer.as_ref().map(|choice| self.tokenizer(choice));
        Ok(self.processor_with(tokenizer.transpose()?))
    }

    /// The processor with this tokenizer.
    pub(crate) fn processor_with(&self, tokenizer: Option<Tokenizer>) -> Processor {
        let images = self.config.image.as_ref().map(ImageSection::processor);
        Processor::of_text(tokenizer).with_images(images)
    }

    /// Fills in the keys of the model that follow from the tokenizer: the vocabulary size and the ids of special
    /// tokens.
    pub fn complete(&mut self, processor: &Processor) -> Result<()> {
        let ModelChoice::New { config, .. } = &mut self.config.model else { return Ok(()) };
        let Some(tokenizer) = processor.find_tokenizer() else { return Ok(()) };
        let known = tokenizer.vocab_size();
        let model_type = config.get("model_type").cloned().unwrap_or_default();
        let entry = sst_models::list().iter().find(|entry| model_type == entry.model_type);
        let defaults = entry.map(|entry| (entry.default_config)()).unwrap_or_default();
        let defaults = match defaults.get(TEXT_CONFIG) {
            Some(text) => text.clone(),
            None => defaults,
        };
        let special = tokenizer.special();
        // BERT tokenizers have no bos and eos tokens; [CLS] and [SEP] take their place.
        let (bos, eos) = (special.bos.or(special.cls), special.eos.or(special.sep));
        let vocab = change_text_config(config, |config| {
            let vocab = config.entry("vocab_size").or_insert(json!(known)).as_u64();
            for (key, id) in
                [("pad_token_id", special.pad), ("bos_token_id", bos), ("eos_token_id", eos)]
            {
                if defaults.get(key).is_some() {
                    config.entry(key).or_insert(json!(id));
                }
            }
            vocab
        });
        if let Some(vocab) = vocab.filter(|vocab| *vocab < known as u64) {
            let message = format!(
                "is {vocab}, but the tokenizer has {known} tokens: raise it, or omit it to use \
                 the tokenizer's"
            );
            return Err(self.refuse(Problem::new("model.vocab_size", message)));
        }
        Ok(())
    }

    /// Builds the objective of a task for `model`. `labels` are those of the task's data; empty for data without labels.
    pub fn objective(
        &self,
        task: &Task,
        processor: &Processor,
        model: &dyn Model,
        labels: &[String],
    ) -> Result<Box<dyn Objective>> {
        let modality = match task.rows()?.have_pictures() {
            true => Modality::Image,
            false => Modality::Text,
        };
        let hidden_size = model.hidden_size(modality)?;
        let images = model.encoder(Modality::Image).ok().map(|encoder| encoder.spec());
        let of_model = ObjectiveContext { hidden_size, images, device: model.params().device() };
        self.objective_of(task, processor, of_model, Some(labels))
    }

    /// Builds the objective of a task for a model with these properties. `labels` is `None` for a check without data.
    pub(crate) fn objective_of(
        &self,
        task: &Task,
        processor: &Processor,
        of_model: ObjectiveContext,
        labels: Option<&[String]>,
    ) -> Result<Box<dyn Objective>> {
        let outputs = labels.map(|labels| self.outputs([(task, labels)])).transpose()?.flatten();
        let context = sst_objectives::Context {
            padding_free: self.config.train.batching.padding_free,
            labels: labels.unwrap_or_default(),
            outputs: outputs.as_deref().unwrap_or_default(),
            images: of_model.images,
            ..sst_objectives::Context::new(
                processor.find_tokenizer(),
                of_model.hidden_size,
                of_model.device,
                self.config.run.seed,
            )
        };
        let (name, config) = (task.objective_name(), task.objective_config());
        sst_objectives::build(name, &config, &context).map_err(|error| {
            self.refuse(match &error {
                ObjectiveError::Core(_) => return error.into(),
                ObjectiveError::Config { path, message } => {
                    key_problem(&task.key("objective"), path, message)
                }
                ObjectiveError::Needs { path, .. } => task.objective_problem(path, &error),
                ObjectiveError::NoToken { .. }
                | ObjectiveError::NoTokenizer
                | ObjectiveError::NoOrdinaryToken => {
                    Problem::sentence("tokenizer", task.message(&error))
                }
                ObjectiveError::Labels { message } => {
                    Problem::sentence(&task.key("data.labels"), message.clone())
                }
                ObjectiveError::Unknown { .. } => {
                    Problem::sentence(&task.key("objective.name"), error.to_string())
                }
            })
        })
    }

    /// Builds or loads the model on `device`, with the head that the objectives train, which gets an output for each of
    /// `classes`, if there are any. A loaded model comes with the other files of its folder. Unused files and settings,
    /// and weights that are newly initialized, are recorded in `ledger`.
    pub fn model(
        &self,
        processor: &Processor,
        classes: Option<&[String]>,
        device: Device,
        ledger: &Ledger,
    ) -> Result<(Box<dyn Model>, Option<Carried>)> {
        let class_keys = self.class_keys(classes)?;
        match &self.config.model {
            ModelChoice::New { config, init, head } => {
                let mut config = config.clone();
                config.extend(class_keys.into_iter().filter(|(_, value)| !value.is_null()));
                let layers = head.layers.filter(|_| self.trains_classifier()).unwrap_or_default();
                config.extend(layers.keys());
                config.extend(self.objective_keys()?);
                let options = BuildOptions {
                    device,
                    seed: Some(self.config.run.seed),
                    architecture: self.new_architecture()?.map(str::to_owned),
                    init: *init,
                };
                let model = sst_models::build(&Value::Object(config), &options)
                    .map_err(|error| self.refuse_model(error))?;
                Ok((model, None))
            }
            ModelChoice::Folder { path, .. } => {
                model::verify_around(Path::new(path))?;
                let encoder = sst_models::encoder_folder(Path::new(path))?;
                let mut options = self.load_options(device)?;
                options.config.extend(class_keys);
                options.config.extend(self.objective_keys()?);
                let loaded = sst_models::open(&encoder, &options);
                let loaded = loaded.map_err(|error| self.refuse_folder(error))?;
                if encoder != Path::new(path) {
                    ledger.add_unused(&sst_models::around_encoder(Path::new(path), &encoder)?);
                }
                loaded.add_to(ledger);
                self.compare_image_processor(&encoder, ledger)?;
                let (model, carried) = (loaded.model, loaded.carried);
                if let Some(tokenizer) = processor.find_tokenizer() {
                    let (vocab_size, limit) = (model.vocab_size()?, model.max_length()?);
                    self.check_sizes(vocab_size, limit, tokenizer.vocab_size())?;
                    model::check_padding(&encoder, &*model, tokenizer)?;
                }
                Ok((model, Some(carried)))
            }
        }
    }

    /// Adds what is not used of the image processor of the folder `encoder` to `ledger`, and warns if pictures will be resized
    /// in another way than it says: stored pictures are brought to the size of the model.
    fn compare_image_processor(&self, encoder: &Path, ledger: &Ledger) -> Result<()> {
        let Some(image) = &self.config.image else { return Ok(()) };
        let (found, unused) = match ImageProcessor::load(encoder) {
            Ok(loaded) => loaded,
            Err(ProcessorError::NotFound(_)) => return Ok(()),
            Err(error) => return Err(self.refuse(Problem::new("model.path", error.to_string()))),
        };
        ledger.add_unused(&unused);
        let own = image.processor();
        if (found.resize, found.crop) != (own.resize, own.crop) {
            let (before, now) = (found.geometry(), own.geometry());
            tracing::warn!(
                "the image processor of {} {before}. For training, and for the trained model, it {now}",
                encoder.display()
            );
        }
        Ok(())
    }

    /// The options for loading the model of `model.path`.
    pub(crate) fn load_options(&self, device: Device) -> Result<LoadOptions> {
        let options = LoadOptions {
            head: self.trained_head()?.map_or(LoadHead::AsFound, LoadHead::New),
            role: Role::Write,
            seed: self.config.run.seed,
            ..LoadOptions::new(device)
        };
        Ok(match &self.config.model {
            ModelChoice::New { .. } => options,
            ModelChoice::Folder { allow_missing, allow_unexpected, config, head, lora, .. } => {
                LoadOptions {
                    config: config.clone(),
                    head_layers: head.layers.filter(|_| self.trains_classifier()),
                    reset_head: head.new,
                    lora: lora.clone(),
                    allow: Allow {
                        missing: allow_missing.clone(),
                        unexpected: allow_unexpected.clone(),
                    },
                    ..options
                }
            }
        })
    }

    /// Checks the sizes of the model of `model.path`: its vocabulary must have at least `tokens` entries, the size of
    /// the tokenizer, and its context length `limit` must be at least the row length of every task.
    pub(crate) fn check_sizes(&self, vocab_size: usize, limit: usize, tokens: usize) -> Result<()> {
        if vocab_size < tokens {
            let message = format!(
                "has a vocabulary of {vocab_size}, but the tokenizer has {tokens} tokens: use the tokenizer it was \
                 trained with"
            );
            return Err(self.refuse(Problem::new("model.path", message)));
        }
        let too_long = self.config.tasks.list.iter().find(|task| task.data.max_length > limit);
        if let Some(task) = too_long {
            let length = task.data.max_length;
            let message =
                format!("is {length}, but the model of model.path reads {limit}: lower it");
            return Err(self.refuse(Problem::new(&task.key("data.max_length"), message)));
        }
        Ok(())
    }

    /// Turns an error of loading `model.path` into one that names the place in the recipe.
    pub(crate) fn refuse_folder(&self, error: ModelError) -> RunError {
        match &error {
            ModelError::Config { path, message } if path.split('.').next() == Some("lora") => {
                self.refuse(key_problem("model", path, message))
            }
            ModelError::Config { path, message } => {
                self.refuse(key_problem("model.config", path, message))
            }
            ModelError::HeadSize { .. } => {
                let message = format!("{error} (`model.head.new = true` in the recipe)");
                self.refuse(Problem::new("model.path", message))
            }
            ModelError::IsAdapter { .. } => {
                self.refuse(Problem::new("model.path", error.to_string()))
            }
            ModelError::Core(sst_core::Error::Checkpoint(CheckpointError::NoWeights {
                ..
            })) => self.refuse(Problem::new("model.path", error.to_string())),
            _ => error.into(),
        }
    }

    fn refuse_model(&self, error: ModelError) -> RunError {
        match &error {
            ModelError::Config { path, message } => {
                let path = if path == "model_type" { "type" } else { path };
                self.refuse(key_problem("model", path, message))
            }
            ModelError::UnknownType { .. } => {
                self.refuse(Problem::sentence("model.type", error.to_string()))
            }
            _ => error.into(),
        }
    }
}
