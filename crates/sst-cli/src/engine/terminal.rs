//! Prints the notices of a run to stderr.

use sst_cli::render;
use sst_run::{Notice, Observer};

/// An observer that prints each notice as one line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal;

impl Observer for Terminal {
    fn notice(&self, notice: &Notice) {
        match notice {
            Notice::Preparing { documents, tokens } => render::note(&format!(
                "preparing data: {} documents, {} tokens",
                render::count(*documents),
                render::count(*tokens)
            )),
            other => render::note(&other.to_string()),
        }
    }
}
