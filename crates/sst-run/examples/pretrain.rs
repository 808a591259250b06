//! Pretrains a tiny masked language model on a corpus of the repository, with a tracker of one's own.

use std::path::Path;

use sst_run::{Event, Outcome, Recipe, Run, Tracker};

struct Losses;

impl Tracker for Losses {
    #[allow(clippy::print_stdout, reason = "an example may print")]
    fn on_event(&mut self, event: &Event) -> Result<(), sst_core::Error> {
        if let Event::Step { step, metrics, .. } = event {
            println!("step {step}: loss {:.3}", metrics["loss"]);
        }
        Ok(())
    }
}

/// Trains in `folder`.
pub fn pretrain(folder: &Path) -> Result<Outcome, Box<dyn std::error::Error>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let recipe = Recipe::read(format!("{root}/recipes/tiny.toml"))?
        .set(&format!("data.paths=[\"{root}/corpora/kjv.txt.gz\"]"))?
        .set(&format!("run.dir=\"{}\"", folder.join("runs").display()))?
        .default_cache(folder.join("cache"));
    let mut run = Run::new(recipe)?;
    Ok(run.tracker(Losses).train()?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let outcome = pretrain(tempfile::tempdir()?.path())?;
    assert!(matches!(outcome, Outcome::Finished { step: 20, .. }));
    Ok(())
}
