//! Which record, and which window of it, a row is.

use crate::rows::Subset;

/// A row: the index of its record in the store, and the number of its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) record: u64,
    pub(super) window: usize,
}

/// The records of a subset, and the windows of each.
#[derive(Debug)]
pub(super) struct RowLayout {
    /// The records; `None` for all records.
    records: Option<Vec<u64>>,
    /// The number of rows before each record, and that of all rows; `None` if each record is one row.
    starts: Option<Vec<u64>>,
    len: u64,
}

impl RowLayout {
    /// One row for each record of a subset.
    pub(super) fn of_records(subset: Subset, num_records: u64) -> Self {
        let is_whole = matches!(subset, Subset::All | Subset::Train { fraction: 0.0 });
        let records: Option<Vec<u64>> = (!is_whole)
            .then(|| (0..num_records).filter(|number| subset.contains(*number)).collect());
        let len = records.as_ref().map_or(num_records, |records| records.len() as u64);
        Self { records, starts: None, len }
    }

    /// As many rows for each record as it has windows. A record without windows is left out.
    pub(super) fn of_windows<E>(
        counts: impl Iterator<Item = Result<(u64, usize), E>>,
    ) -> Result<Self, E> {
        let (mut records, mut starts, mut len) = (Vec::new(), vec![0], 0);
        for count in counts {
            let (record, count) = count?;
            if count > 0 {
                len += count as u64;
                records.push(record);
                starts.push(len);
            }
        }
        Ok(Self { records: Some(records), starts: Some(starts), len })
    }

    /// The number of rows.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The records that have rows, in order.
    pub(super) fn records(&self) -> impl Iterator<Item = u64> {
        let count = self.records.as_ref().map_or(self.len, |records| records.len() as u64);
        (0..count).map(|place| self.record(place))
    }

    /// The record at `place` among those that have rows.
    fn record(&self, place: u64) -> u64 {
        self.records.as_ref().map_or(place, |records| records[place as usize])
    }

    /// Row `index`; `None` if there is no such row.
    pub(super) fn row(&self, index: u64) -> Option<Row> {
        if index >= self.len {
            return None;
        }
        Some(match &self.starts {
            None => Row { record: self.record(index), window: 0 },
            Some(starts) => {
                let place = starts.partition_point(|start| *start <= index) - 1;
                let window = (index - starts[place]) as usize;
                Row { record: self.record(place as u64), window }
            }
        })
    }
}
