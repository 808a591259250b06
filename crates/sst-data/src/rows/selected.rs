//! Some rows of a data set, and the choice of as many rows of each label.

use std::sync::Arc;

use super::{Dataset, DatasetError};
use crate::example::{Example, Key};
use crate::rng::SeqRng;

/// Some rows of another data set. They keep the `index` that they have there, so that random draws stay the same.
pub struct SelectedRows {
    rows: Arc<dyn Dataset>,
    places: Vec<u64>,
}

impl SelectedRows {
    /// The rows at `places` of `rows`, in this order.
    ///
    /// # Errors
    /// If there is no such row.
    pub fn new(rows: Arc<dyn Dataset>, places: Vec<u64>) -> Result<Self, DatasetError> {
        let len = rows.len();
        match places.iter().find(|place| **place >= len) {
            Some(index) => Err(DatasetError::OutOfRange { index: *index, len }),
            None => Ok(Self { rows, places }),
        }
    }

    fn place(&self, index: u64) -> Option<u64> {
        self.places.get(index as usize).copied()
    }
}

impl Dataset for SelectedRows {
    fn len(&self) -> u64 {
        self.places.len() as u64
    }

    fn row_length(&self, index: u64) -> usize {
        self.place(index).map_or(0, |place| self.rows.row_length(place))
    }

    fn get(&self, index: u64, epoch: u64) -> Result<Example, DatasetError> {
        let len = self.len();
        let place = self.place(index).ok_or(DatasetError::OutOfRange { index, len })?;
        self.rows.get(place, epoch)
    }

    fn pieces(
        &self,
        index: u64,
        epoch: u64,
        max_length: usize,
    ) -> Result<Vec<Example>, DatasetError> {
        let len = self.len();
        let place = self.place(index).ok_or(DatasetError::OutOfRange { index, len })?;
        self.rows.pieces(place, epoch, max_length)
    }

    fn score(&self, index: u64) -> Option<f32> {
        self.rows.score(self.place(index)?)
    }

    fn key(&self, index: u64) -> Key {
        self.place(index).map_or_else(|| Key::new("?", 0), |place| self.rows.key(place))
    }
}

/// The places of `count` rows with as many of each label as possible, drawn with `seed`, in ascending order. `labels` has
/// the label of each row. Labels take turns, in an order that is drawn, too, until `count` rows are chosen; a label that has
/// no row left is passed over. `None` if there are fewer rows.
pub fn balanced(labels: &[i64], count: usize, seed: u64) -> Option<Vec<u64>> {
    if count > labels.len() {
        return None;
    }
    let mut names = labels.to_vec();
    names.sort_unstable();
    names.dedup();
    let mut rng = SeqRng::new(seed, "rows.balanced", 0, 0);
    rng.shuffle(&mut names);
    let mut of_labels: Vec<Vec<u64>> = names
        .iter()
        .map(|name| {
            let rows = (0..).zip(labels).filter(|(_, label)| *label == name);
            let mut rows: Vec<u64> = rows.map(|(row, _)| row).collect();
            rng.shuffle(&mut rows);
            rows
        })
        .collect();
    let mut chosen = Vec::with_capacity(count);
    while chosen.len() < count {
        for rows in &mut of_labels {
            if chosen.len() < count {
                chosen.extend(rows.pop());
            }
        }
    }
    chosen.sort_unstable();
    Some(chosen)
}

#[cfg(test)]
mod tests {
    use super::balanced;

    #[test]
    fn each_label_gets_its_share_and_rare_ones_all_that_they_have() {
        let labels: Vec<i64> = (0..60).map(|row| if row < 3 { 7 } else { row % 2 }).collect();
        let chosen = balanced(&labels, 23, 1).unwrap();
        let count = |label| chosen.iter().filter(|row| labels[**row as usize] == label).count();
        assert_eq!((count(0), count(1), count(7)), (10, 10, 3));
        assert!(chosen.is_sorted() && chosen.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(balanced(&labels, 23, 1).unwrap(), chosen);
        assert_ne!(balanced(&labels, 23, 2).unwrap(), chosen);
        assert_eq!(balanced(&labels, 60, 0).unwrap(), (0..60).collect::<Vec<_>>());
        assert!(balanced(&labels, 61, 0).is_none());
    }
}
