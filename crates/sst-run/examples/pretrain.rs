//! Pretrains a tiny masked language model and prints its loss: `cargo run --example pretrain -- RECIPE CORPUS FOLDER`.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a program prints")]

use std::path::Path;

use sst_run::{Event, Outcome, Recipe, Run, RunError, Tracker};

/// Prints the loss of each step that is logged.
struct Losses;

impl Tracker for Losses {
    fn on_event(&mut self, event: &Event) -> Result<(), sst_core::Error> {
        if let Event::Step { step, metrics, .. } = event {
            println!("step {step}: loss {:.3}", metrics["loss"]);
        }
        Ok(())
    }
}

/// Trains on `corpus`, and keeps prepared data and the run with its checkpoints in `folder`.
pub(crate) fn run(recipe: &str, corpus: &str, folder: &Path) -> Result<Outcome, RunError> {
    let recipe = Recipe::read(recipe)?
        .set(&format!("data.paths=[\"{corpus}\"]"))?
        .set(&format!("run.dir=\"{}\"", folder.join("runs").display()))?
        .default_cache(folder.join("cache"));
    Run::new(recipe)?.tracker(Losses).train()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let mut next = || args.next().ok_or("name a recipe, a corpus and a folder for the run");
    let (recipe, corpus, folder) = (next()?, next()?, next()?);
    if let Outcome::Finished { step, .. } = run(&recipe, &corpus, Path::new(&folder))? {
        println!("all {step} steps are done");
    }
    Ok(())
}
