//! The origins of the rows of a step.

use sst_data::Key;
use sst_data::loader::StepData;

/// The key of each row of a step, which names its file and line.
pub(crate) fn row_keys(data: &StepData) -> Vec<Key> {
    data.micro.iter().flat_map(|batch| batch.keys.iter().cloned()).collect()
}
