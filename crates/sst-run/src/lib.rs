//! A run of sst as a library: from a recipe to a trained model.
//!
//! ```no_run
//! use sst_run::{Recipe, Run};
//!
//! # fn main() -> Result<(), sst_run::RunError> {
//! let recipe = Recipe::read("recipe.toml")?.set("train.steps=200step")?.default_cache("cache");
//! let mut run = Run::new(recipe)?;
//! let outcome = run.train()?;
//! # Ok(())
//! # }
//! ```
//!
//! A [`Recipe`] is what was written; a [`CheckedRecipe`] has every default filled in and makes tokenizer, prepared data,
//! rows, model and objectives; a [`Run`] trains, and an [`Observer`] is told what happens around it.
//!
//! This crate prints nothing, reads no environment, listens to no signal and ends no process.

mod batching;
mod cached_tokenizer;
pub mod device;
pub mod error;
mod folder;
pub mod model;
pub mod observer;
pub mod precision;
mod prepared;
pub mod processor;
pub mod recipe;
mod run;
mod run_lock;
mod tasks;

pub use error::RunError;
pub use folder::{CONFIG, check_held_out};
pub use observer::{Notice, Observer, Silent};
pub use prepared::CheckedRecipe;
pub use recipe::{Recipe, RecipeError};
pub use run::Run;
pub use run_lock::RunLock;
