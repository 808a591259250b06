//! Which rows a step is of.

use sst_data::Key;
use sst_data::loader::StepData;

/// Where the rows of a step came from.
pub(crate) fn keys(data: &StepData) -> Vec<Key> {
    data.micro.iter().flat_map(|batch| batch.keys.iter().cloned()).collect()
}
