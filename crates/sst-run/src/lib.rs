//! Runs a recipe from Rust: reads data, trains, evaluates and saves a model.
//!
//! ```no_run
//! use sst_run::{Event, Outcome, Recipe, Run, Tracker};
//!
//! /// Collects the loss of every step.
//! struct Losses(Vec<f64>);
//!
//! impl Tracker for Losses {
//!     fn on_event(&mut self, event: &Event) -> Result<(), sst_core::Error> {
//!         if let Event::Step { metrics, .. } = event {
//!             self.0.push(metrics["loss"]);
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<(), sst_run::RunError> {
//! let recipe = Recipe::read("recipe.toml")?.set("train.steps=200step")?.default_cache("cache");
//! let mut run = Run::new(recipe)?;
//! run.resume(true).tracker(Losses(Vec::new()));
//! if let Outcome::Finished { checkpoint, .. } = run.train()? {
//!     // A folder that transformers loads.
//!     assert!(checkpoint.join("model/config.json").is_file());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A [`Recipe`] holds the keys as they were written. A [`CheckedRecipe`] has every default filled in and builds the
//! tokenizer, prepared data, rows, model and objectives. A [`Run`] trains. An [`Observer`] receives notices before,
//! during and after the training.
//!
//! This crate prints nothing, reads no environment, listens to no signal and ends no process.

mod batching;
mod builder;
mod cached_tokenizer;
pub mod device;
pub mod error;
mod evaluation;
mod folder;
mod head;
pub mod libtorch;
pub mod model;
pub mod observer;
mod online_eval;
mod pictures;
pub mod precision;
mod prepared;
pub mod processor;
pub mod recipe;
mod rehearsal;
mod run;
mod run_folder;
mod run_lock;
mod task_rows;
mod tasks;
mod tokenizer;
pub mod verify;
mod wanted_device;

pub use builder::Recipe;
pub use error::{RecipeError, RunError};
pub use evaluation::{Evaluate, Evaluation, Measurement};
pub use folder::check_held_out;
pub use observer::{Notice, Observer, Silent};
pub use prepared::CheckedRecipe;
pub use run::Run;
pub use run_folder::CONFIG;
pub use run_lock::RunLock;
pub use sst_core::{Event, Tracker};
pub use sst_train::Outcome;
pub use task_rows::PreparedData;
