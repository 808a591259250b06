//! Rows of several texts that belong together, such as pairs and triplets.

use std::sync::Arc;

use super::walk::Cut;
use super::{Dataset, DatasetError, Subset, room};
use crate::example::{Example, Field, Key};
use crate::ledger::Ledger;
use crate::store::Store;
use crate::tokenize::SpecialTokenTemplate;

/// The fields of an example of `size` texts: `input_ids`, `input_ids.1`, `input_ids.2` and so on.
pub fn group_fields(size: usize) -> Vec<String> {
    let name = |text: usize| match text {
        0 => "input_ids".to_owned(),
        text => format!("input_ids.{text}"),
    };
    (0..size).map(name).collect()
}

/// Rows over a [`Store`] of groups of documents, one group a row. Each text has its own field ([`group_fields`]) and its
/// own special tokens.
#[derive(Debug, Clone)]
pub struct GroupRows {
    store: Arc<Store>,
    fields: Vec<Arc<str>>,
    /// The groups that the subset has, or `None` if it has all of them.
    groups: Option<Vec<u64>>,
    /// The most tokens of a text, special tokens not included.
    capacity: usize,
    template: SpecialTokenTemplate,
    len: u64,
}

impl GroupRows {
    /// Rows of `size` texts, each of at most `max_length` tokens, special ones included.
    ///
    /// The texts and tokens that will be cut off are counted in `ledger`, as `rows.truncated_documents` and `rows.truncated_tokens`.
    ///
    /// # Errors
    /// If `max_length` leaves no room beside the special tokens, the fraction is not in `[0, 1)`, or the store cannot be
    /// read or holds no groups of that size.
    pub fn new(
        store: Arc<Store>,
        size: usize,
        subset: Subset,
        max_length: usize,
        template: SpecialTokenTemplate,
        ledger: &Ledger,
    ) -> Result<Self, DatasetError> {
        subset.check()?;
        let capacity = room(&template, max_length)?;
        let (documents, group) = (store.num_documents(), size.max(1) as u64);
        if documents % group != 0 {
            return Err(DatasetError::NoGroups { documents, size });
        }
        let (mut groups, mut len, mut cut) = (Vec::new(), 0, Cut::default());
        for (document, length) in (0..).zip(store.lengths()) {
            let (length, number) = (length?, document / group);
            if !subset.contains(number) {
                continue;
            }
            if document % group == 0 {
                len += 1;
                if !subset.is_whole() {
                    groups.push(number);
                }
            }
            cut.add(document, length.saturating_sub(capacity as u64));
        }
        cut.record(&store, ledger);
        let fields = group_fields(size).into_iter().map(Arc::from).collect();
        let groups = (!subset.is_whole()).then_some(groups);
        Ok(Self { store, fields, groups, capacity, template, len })
    }

    /// The documents of row `index`, if there is such a row.
    fn documents(&self, index: u64) -> std::ops::Range<u64> {
        if index >= self.len {
            return 0..0;
        }
        let group = self.groups.as_ref().map_or(index, |groups| groups[index as usize]);
        let size = self.fields.len() as u64;
        group * size..(group + 1) * size
    }
}

impl Dataset for GroupRows {
    fn len(&self) -> u64 {
        self.len
    }

    /// The number of tokens of all texts of the row.
    fn row_length(&self, index: u64) -> usize {
        let num_special = self.template.prefix.len() + self.template.suffix.len();
        let length = |document| self.store.len_of(document).min(self.capacity) + num_special;
        self.documents(index).map(length).sum()
    }

    fn get(&self, index: u64, epoch: u64) -> Result<Example, DatasetError> {
        if index >= self.len {
            return Err(DatasetError::OutOfRange { index, len: self.len });
        }
        self.store.check_unchanged()?;
        let text = |document| -> Result<Field, DatasetError> {
            let mut ids = self.template.prefix.clone();
            self.store.append_to(&mut ids, document, 0, self.capacity)?;
            ids.extend_from_slice(&self.template.suffix);
            Ok(Field::Tokens(ids))
        };
        let texts = self.documents(index).map(text).collect::<Result<Vec<_>, _>>()?;
        let fields = self.fields.iter().cloned().zip(texts).collect();
        Ok(Example { key: self.key(index), index, epoch, fields })
    }

    fn score(&self, index: u64) -> Option<f32> {
        self.store.score(self.documents(index).next()?)
    }

    fn key(&self, index: u64) -> Key {
        let first = self.documents(index).next();
        first.map_or_else(|| Key::new("?", 0), |document| self.store.key(document))
    }
}
