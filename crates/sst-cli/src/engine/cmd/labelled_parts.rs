//! The parts of labelled data: what is learned from, and what is measured on.

use std::sync::Arc;

use sst_cli::args::LabelledRowArgs;
use sst_data::rows::{Dataset, Subset};

/// The share of the texts that is held out where no test files are given.
const HELD_OUT: f64 = 0.2;
/// The training part, the test part, and the labels of both.
pub(super) type Parts = (Arc<dyn Dataset>, Arc<dyn Dataset>, Vec<String>);

/// The part of --data that is learned from, and the part of the test files, or else of --data, that is measured on.
pub(super) fn parts(args: &LabelledRowArgs) -> [Subset; 2] {
    let fraction = HELD_OUT;
    match args.test.is_empty() {
        true => [Subset::Train { fraction }, Subset::Validation { fraction }],
        false => [Subset::All, Subset::All],
    }
}
