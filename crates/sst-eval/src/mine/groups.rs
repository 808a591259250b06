//! Groups of corpus entries with the same text.

use std::collections::HashSet;

use super::error::MineError;

/// The group of each corpus entry. Entries of one group have the same text.
pub(super) struct Groups<'a> {
    /// The group of each entry, and whether the entry is the first of its group. `None` if all texts are different.
    groups: Option<(&'a [usize], Vec<bool>)>,
    num_entries: usize,
}

impl<'a> Groups<'a> {
    /// # Errors
    /// If the number of groups is not `num_entries`.
    pub(super) fn new(groups: Option<&'a [usize]>, num_entries: usize) -> Result<Self, MineError> {
        let Some(groups) = groups else { return Ok(Self { groups: None, num_entries }) };
        if groups.len() != num_entries {
            let (what, found) = ("groups", groups.len());
            return Err(MineError::Count { what, found, expected: num_entries });
        }
        let mut seen = HashSet::new();
        let is_first = groups.iter().map(|group| seen.insert(*group)).collect();
        Ok(Self { groups: Some((groups, is_first)), num_entries })
    }

    /// The group of an entry. If all texts are different, it is the index of the entry.
    pub(super) fn group_of(&self, entry: usize) -> usize {
        self.groups.as_ref().map_or(entry, |(groups, _)| groups[entry])
    }

    /// Whether the entry is the first of its group.
    pub(super) fn is_first(&self, entry: usize) -> bool {
        self.groups.as_ref().is_none_or(|(_, is_first)| is_first[entry])
    }

    /// The number of entries that are not the first of their group.
    pub(super) fn duplicates(&self) -> u64 {
        let Some((_, is_first)) = &self.groups else { return 0 };
        is_first.iter().filter(|is_first| !**is_first).count() as u64
    }

    /// For each query, the distinct groups of its positives.
    ///
    /// # Errors
    /// If the number of lists is not `num_queries`, a list is empty, or a positive is not in the corpus.
    pub(super) fn groups_of_positives(
        &self,
        positives: &[Vec<usize>],
        num_queries: usize,
    ) -> Result<Vec<Vec<usize>>, MineError> {
        if positives.len() != num_queries {
            let (what, found) = ("lists of positives", positives.len());
            return Err(MineError::Count { what, found, expected: num_queries });
        }
        let distinct_groups = |(query, entries): (usize, &Vec<usize>)| {
            if entries.is_empty() {
                return Err(MineError::NoPositive { query });
            }
            if let Some(entry) = entries.iter().copied().find(|entry| *entry >= self.num_entries) {
                return Err(MineError::Outside { query, entry, corpus: self.num_entries });
            }
            let mut groups: Vec<usize> =
                entries.iter().map(|entry| self.group_of(*entry)).collect();
            groups.sort_unstable();
            groups.dedup();
            Ok(groups)
        };
        positives.iter().enumerate().map(distinct_groups).collect()
    }
}
