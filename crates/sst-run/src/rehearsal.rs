//! A dry run: what a run refuses before it reads data, without a run.

use std::path::Path;

use sst_data::rows::room;
use sst_data::tokenize::{Tokenizer, stand_in};
use tch::Device;

use crate::device;
use crate::error::Result;
use crate::prepared::CheckedRecipe;
use crate::recipe::{ModelChoice, Problem, TokenizerChoice};

impl CheckedRecipe {
    /// Checks what a run checks once it has its tokenizer, as far as that takes neither training a tokenizer nor
    /// reading weights: the tokenizer's and the model's folder, the room of a row beside its special tokens, and the
    /// tokens that objectives need. A tokenizer that is yet to be trained is stood in for by one with the same special
    /// tokens.
    ///
    /// # Errors
    /// If the run would be refused, with the place in the recipe.
    pub(crate) fn rehearse(&mut self) -> Result<()> {
        let (tokenizer, vocab_size) = match &self.config.tokenizer {
            TokenizerChoice::Path(_) => {
                let tokenizer = self.tokenizer()?;
                let vocab_size = tokenizer.vocab_size();
                self.complete(&tokenizer)?;
                (tokenizer, vocab_size)
            }
            // A corpus may give fewer tokens than are asked for, so that nothing is known of their number.
            TokenizerChoice::Train(config) => {
                (stand_in(config).map_err(|error| self.refuse_tokenizer(error))?, 0)
            }
        };
        self.rehearse_tasks(&tokenizer)?;
        self.rehearse_folder(vocab_size)
    }

    /// Checks the folder of `model.path`, as far as that takes no weights, for a tokenizer of so many tokens.
    fn rehearse_folder(&self, vocab_size: usize) -> Result<()> {
        let ModelChoice::Folder { path, .. } = &self.config.model else { return Ok(()) };
        let options = self.load_options(Device::Cpu);
        let sizes =
            sst_models::check_folder(&sst_models::encoder_folder(Path::new(path))?, &options);
        let sizes = sizes.map_err(|error| self.refuse_folder(error))?;
        let of = |size: Option<u64>| size.map_or(usize::MAX, |size| size as usize);
        self.check_sizes(of(sizes.vocab_size), of(sizes.max_length), vocab_size)
    }

    /// Checks a recipe that trains its tokenizer before it does, by a stand-in: whatever else is refused needs the
    /// tokenizer itself.
    ///
    /// # Errors
    /// If the run would be refused, with the place in the recipe.
    pub(crate) fn rehearse_training(&self) -> Result<()> {
        let TokenizerChoice::Train(config) = &self.config.tokenizer else { return Ok(()) };
        self.rehearse_tasks(&stand_in(config).map_err(|error| self.refuse_tokenizer(error))?)?;
        self.rehearse_folder(0)
    }

    fn rehearse_tasks(&self, tokenizer: &Tokenizer) -> Result<()> {
        for task in &self.config.tasks.list {
            // The width of the model matters to nothing that is checked, and a small one takes no memory.
            self.objective_of(task, tokenizer, 1, Device::Cpu)?;
            room(&self.frame(task, tokenizer)?, task.data.max_length)
                .map_err(|error| self.refuse_rows(task, error))?;
        }
        Ok(())
    }

    /// The device of the run.
    ///
    /// # Errors
    /// If there is no such device here, with the place of `run.device` in the recipe.
    pub(crate) fn device(&self) -> Result<Device> {
        let run = &self.config.run;
        device::open(&run.device, run.threads)
            .map_err(|error| self.refuse(Problem::new("run.device", error.to_string())))
    }
}
