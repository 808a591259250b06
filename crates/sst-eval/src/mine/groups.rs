//! Which entries of the corpus have the same text.

use std::collections::HashSet;

use super::error::MineError;

/// The group of each entry, and whether it is the first of its group.
pub(super) struct Groups<'a> {
    /// `None` where each entry is one of its own.
    groups: Option<(&'a [usize], Vec<bool>)>,
    count: usize,
}

impl<'a> Groups<'a> {
    /// # Errors
    /// If there are not as many groups as entries.
    pub(super) fn new(groups: Option<&'a [usize]>, count: usize) -> Result<Self, MineError> {
        if let Some(groups) = groups
            && groups.len() != count
        {
            let (what, found) = ("groups", groups.len());
            return Err(MineError::Count { what, found, expected: count });
        }
        let mut seen = HashSet::new();
        let mut firsts =
            |groups: &[usize]| groups.iter().map(|group| seen.insert(*group)).collect();
        Ok(Self { groups: groups.map(|groups| (groups, firsts(groups))), count })
    }

    pub(super) fn of(&self, entry: usize) -> usize {
        self.groups.as_ref().map_or(entry, |(groups, _)| groups[entry])
    }

    pub(super) fn is_first(&self, entry: usize) -> bool {
        self.groups.as_ref().is_none_or(|(_, firsts)| firsts[entry])
    }

    /// Entries that are not the first of their group.
    pub(super) fn duplicates(&self) -> u64 {
        let repeats = |firsts: &Vec<bool>| firsts.iter().filter(|is_first| !**is_first).count();
        self.groups.as_ref().map_or(0, |(_, firsts)| repeats(firsts) as u64)
    }

    /// The groups of each query's positives, each once.
    ///
    /// # Errors
    /// If there are not as many lists as queries, or one is empty or names no entry.
    pub(super) fn of_positives(
        &self,
        positives: &[Vec<usize>],
        queries: usize,
    ) -> Result<Vec<Vec<usize>>, MineError> {
        if positives.len() != queries {
            let (what, found) = ("lists of positives", positives.len());
            return Err(MineError::Count { what, found, expected: queries });
        }
        let of_query = |(query, entries): (usize, &Vec<usize>)| {
            if entries.is_empty() {
                return Err(MineError::NoPositive { query });
            }
            if let Some(entry) = entries.iter().copied().find(|entry| *entry >= self.count) {
                return Err(MineError::Outside { query, entry, corpus: self.count });
            }
            let mut groups: Vec<usize> = entries.iter().map(|entry| self.of(*entry)).collect();
            groups.sort_unstable();
            groups.dedup();
            Ok(groups)
        };
        positives.iter().enumerate().map(of_query).collect()
    }
}
