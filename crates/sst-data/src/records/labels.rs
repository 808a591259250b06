//! The table of labels of a column, which numbers the classes.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::RecordsError;

/// The most labels of a column. A field with more of them is a text or an identifier, not a class.
const MAX_LABELS: usize = 1_000_000;

/// The number of labels that a message lists.
const SHOWN: usize = 8;

/// The labels of a column. Label `i` has the number `i`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelTable {
    /// The labels. If they were collected from the data they are sorted: integers first, by value, then the others.
    pub names: Vec<String>,
    /// The number of occurrences of each label.
    pub counts: Vec<u64>,
}

impl LabelTable {
    /// The number of labels.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are no labels.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The number of `label`.
    pub fn number(&self, label: &str) -> Option<u32> {
        self.names.iter().position(|name| name == label).map(|at| at as u32)
    }
}

/// The sort key of labels: integers by value, then everything else by its characters.
fn sort_key(label: &str) -> (bool, i64, &str) {
    match label.parse::<i64>() {
        Ok(number) => (false, number, label),
        Err(_) => (true, 0, label),
    }
}

/// Numbers the labels of a column in the order in which they are read, or by the given table.
#[derive(Debug)]
pub(crate) struct LabelCollector {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    counts: Vec<u64>,
    is_given: bool,
}

/// Why a label has no number.
pub(crate) enum LabelError {
    /// The label is not in the table, whose first labels are listed here.
    Unknown(String),
    /// The column has too many labels.
    TooMany,
}

impl LabelCollector {
    /// Starts with the given table, or with an empty one that grows.
    pub(crate) fn new(column: &str, given: Option<&[String]>) -> Result<Self, RecordsError> {
        let names = given.map(<[String]>::to_vec).unwrap_or_default();
        let refuse =
            |reason: String| Err(RecordsError::BadLabels { column: column.to_owned(), reason });
        if given.is_some() && names.is_empty() {
            return refuse(
                "are an empty list: name one at least, or leave the list out".to_owned(),
            );
        }
        let unique: BTreeSet<&String> = names.iter().collect();
        if unique.len() < names.len() {
            return refuse("have one label twice: remove it".to_owned());
        }
        if let Some(name) = names.iter().find(|name| name.trim() != **name || name.is_empty()) {
            return refuse(format!("have {name:?}, with white space around it: remove that"));
        }
        let numbers = names.iter().cloned().zip(0..).collect();
        let counts = vec![0; names.len()];
        Ok(Self { names, numbers, counts, is_given: given.is_some() })
    }

    /// The provisional number of `label`.
    pub(crate) fn number(&mut self, label: &str) -> Result<u32, LabelError> {
        if let Some(number) = self.numbers.get(label) {
            return Ok(*number);
        }
        if self.is_given {
            let shown: Vec<String> =
                self.names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
            let more = match self.names.len().saturating_sub(SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            return Err(LabelError::Unknown(shown.join(", ") + &more));
        }
        if self.names.len() == MAX_LABELS {
            return Err(LabelError::TooMany);
        }
        let number = self.names.len() as u32;
        self.numbers.insert(label.to_owned(), number);
        self.names.push(label.to_owned());
        self.counts.push(0);
        Ok(number)
    }

    /// Counts a label of a record that is kept.
    pub(crate) fn count(&mut self, number: u32) {
        self.counts[number as usize] += 1;
    }

    /// The table, and the final number for each provisional number. A collected label that no kept record has is left
    /// out, for example if its only record was skipped because of another field.
    pub(crate) fn finish(self) -> (LabelTable, Vec<u32>) {
        let mut order: Vec<usize> = (0..self.names.len()).collect();
        if !self.is_given {
            order.retain(|at| self.counts[*at] > 0);
            order.sort_by_key(|at| sort_key(&self.names[*at]));
        }
        let mut finals = vec![u32::MAX; self.names.len()];
        for (number, at) in (0..).zip(&order) {
            finals[*at] = number;
        }
        let names = order.iter().map(|at| self.names[*at].clone()).collect();
        let counts = order.iter().map(|at| self.counts[*at]).collect();
        (LabelTable { names, counts }, finals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(labels: &[&str]) -> Vec<String> {
        let mut collector = LabelCollector::new("label", None).unwrap();
        let numbers: Vec<u32> =
            labels.iter().map(|label| collector.number(label).ok().unwrap()).collect();
        numbers.iter().for_each(|number| collector.count(*number));
        let (table, finals) = collector.finish();
        for (label, number) in labels.iter().zip(numbers) {
            assert_eq!(table.number(label), Some(finals[number as usize]));
        }
        table.names
    }

    #[test]
    fn collected_labels_are_sorted_and_integers_by_value() {
        assert_eq!(table(&["pos", "neg", "pos", "neutral"]), ["neg", "neutral", "pos"]);
        assert_eq!(table(&["10", "9", "-1", "0"]), ["-1", "0", "9", "10"]);
        assert_eq!(table(&["b", "2", "a", "10"]), ["2", "10", "a", "b"]);
    }

    #[test]
    fn a_given_table_keeps_its_order_and_knows_no_other() {
        let given = ["pos".to_owned(), "neg".to_owned()];
        let mut collector = LabelCollector::new("label", Some(&given)).unwrap();
        assert_eq!(collector.number("neg").ok(), Some(1));
        assert!(
            matches!(collector.number("x"), Err(LabelError::Unknown(known)) if known == "`pos`, `neg`")
        );
        let (table, finals) = collector.finish();
        assert_eq!((table.names, finals), (given.to_vec(), vec![0, 1]));
        for bad in [vec![], vec!["a", "a"], vec!["a "], vec![""]] {
            let bad: Vec<String> = bad.into_iter().map(str::to_owned).collect();
            assert!(LabelCollector::new("label", Some(&bad)).is_err(), "{bad:?}");
        }
    }
}
