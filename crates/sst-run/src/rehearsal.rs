//! Dry runs: the checks that a run makes before it reads data.

use std::path::Path;

use sst_data::rows::room;
use sst_data::tokenize::{Tokenizer, TrainConfig, stand_in};
use sst_data::{Ledger, Processor};
use tch::Device;

use crate::error::Result;
use crate::pictures::Randomness;
use crate::prepared::{CheckedRecipe, ObjectiveContext};
use crate::recipe::{ModelChoice, Problem, TokenizerChoice};
use crate::{device, model};

impl CheckedRecipe {
    /// Makes the checks that need a tokenizer, without training a tokenizer or loading weights: the folders of the
    /// tokenizer and the model, the room that special tokens leave in a row, and the tokens that objectives need. If
    /// the tokenizer is yet to be trained, a stand-in with the same special tokens is used.
    ///
    /// # Errors
    /// If a run would be refused; the error names the place in the recipe.
    pub(crate) fn rehearse(&mut self) -> Result<()> {
        let (processor, vocab_size) = match &self.config.tokenizer {
            None | Some(TokenizerChoice::Path(_)) => {
                let processor = self.processor()?;
                let vocab_size = vocab_size(&processor);
                self.complete(&processor)?;
                (processor, vocab_size)
            }
            // The corpus may give fewer tokens than the recipe asks for, so the size of the vocabulary is unknown.
            Some(TokenizerChoice::Train(config)) => (self.stand_in(config)?, 0),
        };
        self.rehearse_tasks(&processor)?;
        self.check_model_folder(vocab_size)
    }

    /// A processor whose tokenizer has the special tokens of one that is yet to be trained.
    fn stand_in(&self, config: &TrainConfig) -> Result<Processor> {
        let tokenizer = stand_in(config).map_err(|error| self.refuse_tokenizer(error))?;
        Ok(self.processor_with(Some(tokenizer)))
    }

    /// Checks the folder of `model.path`, if there is one, as far as that needs no number of a weight. `vocab_size` is
    /// the number of tokens of the tokenizer.
    ///
    /// # Errors
    /// If the run would be refused, with the place in the recipe.
    pub(crate) fn check_model_folder(&self, vocab_size: usize) -> Result<()> {
        let ModelChoice::Folder { path, .. } = &self.config.model else { return Ok(()) };
        model::verify_around(Path::new(path))?;
        let options = self.load_options(Device::Cpu)?;
        let sizes =
            sst_models::check_folder(&sst_models::encoder_folder(Path::new(path))?, &options);
        let sizes = sizes.map_err(|error| self.refuse_folder(error))?;
        let or_unlimited = |size: Option<u64>| size.map_or(usize::MAX, |size| size as usize);
        self.check_sizes(or_unlimited(sizes.vocab_size), or_unlimited(sizes.max_length), vocab_size)
    }

    /// Makes the checks for a recipe that trains its tokenizer, before it is trained, with a stand-in. All other
    /// checks need the tokenizer itself.
    ///
    /// # Errors
    /// If a run would be refused; the error names the place in the recipe.
    pub(crate) fn rehearse_training(&self) -> Result<()> {
        let Some(TokenizerChoice::Train(config)) = &self.config.tokenizer else { return Ok(()) };
        self.rehearse_tasks(&self.stand_in(config)?)?;
        self.check_model_folder(0)
    }

    fn rehearse_tasks(&self, processor: &Processor) -> Result<()> {
        self.new_architecture()?;
        self.objective_keys()?;
        for task in &self.config.tasks.list {
            // No check depends on the hidden size, so a size of 1 saves memory.
            let labels = self.given_labels(task)?;
            let labels = (!labels.is_empty()).then_some(&*labels);
            let images =
                self.config.image.as_ref().and_then(|image| image.spec(&self.config.model));
            let of_model = ObjectiveContext { hidden_size: 1, images, device: Device::Cpu };
            self.objective_of(task, processor, of_model, labels)?;
            let rows = task.rows()?;
            if rows.have_pictures() {
                self.picture_transforms(task, Randomness::OfRecipe)?;
            }
            let Some(tokenizer) = processor.find_tokenizer().filter(|_| rows.have_tokens()) else {
                continue;
            };
            room(&self.special_token_template(task, tokenizer)?, task.data.max_length)
                .map_err(|error| self.refuse_rows(task, error))?;
            self.transforms(task, tokenizer, &Ledger::new())?;
        }
        Ok(())
    }

    /// The device of the run.
    ///
    /// # Errors
    /// If this machine has no such device; the error names `run.device` in the recipe.
    pub(crate) fn device(&self) -> Result<Device> {
        let run = &self.config.run;
        device::open(&run.device, run.threads)
            .map_err(|error| self.refuse(Problem::new("run.device", error.to_string())))
    }
}

/// The number of tokens of the tokenizer; 0 if there is none.
pub(crate) fn vocab_size(processor: &Processor) -> usize {
    processor.find_tokenizer().map_or(0, Tokenizer::vocab_size)
}
