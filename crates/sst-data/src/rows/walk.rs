//! One pass over the documents of a store, to count the rows that they make.

use super::{DatasetError, RowMode, Subset, room};
use crate::example::Key;
use crate::ledger::Ledger;
use crate::store::Store;
use crate::tokenize::SpecialTokenTemplate;

/// The settings that decide which rows the documents of a store make.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    subset: Subset,
    mode: RowMode,
    /// The most tokens of text in a row, special tokens not included.
    pub(super) capacity: usize,
    has_end: bool,
}

impl Walk {
    pub(super) fn new(
        subset: Subset,
        mode: RowMode,
        max_length: usize,
        template: &SpecialTokenTemplate,
    ) -> Result<Self, DatasetError> {
        subset.check()?;
        let capacity = room(template, max_length)?;
        Ok(Self { subset, mode, capacity, has_end: template.end.is_some() })
    }

    /// Calls `visit` with each document of the subset and the number of rows (Document, Chunk) or tokens (Stream) up
    /// to the end of that document. Returns the number of rows.
    pub(super) fn run(
        &self,
        store: &Store,
        ledger: &Ledger,
        mut visit: impl FnMut(u64, u64),
    ) -> Result<u64, DatasetError> {
        let capacity = self.capacity as u64;
        let (mut total, mut cut) = (0, Cut::default());
        for (document, length) in (0..).zip(store.lengths()) {
            let length = self.with_end(length?);
            if !self.subset.contains(document) {
                continue;
            }
            total += match self.mode {
                RowMode::Document => {
                    cut.add(document, length.saturating_sub(capacity));
                    1
                }
                RowMode::Chunk => length.div_ceil(capacity),
                RowMode::Stream => length,
            };
            visit(document, total);
        }
        cut.record(store, ledger);
        Ok(if self.mode == RowMode::Stream { total.div_ceil(capacity) } else { total })
    }

    /// The number of tokens of a document of `length` tokens, with its end-of-document token.
    pub(super) fn with_end(&self, length: u64) -> u64 {
        if length == 0 { 0 } else { length + u64::from(self.has_end) }
    }
}

/// Counts the documents and tokens that are cut off. Only the key of the first such document is read from the store,
/// since each read costs a page.
#[derive(Default)]
pub(super) struct Cut {
    documents: u64,
    tokens: u64,
    first: u64,
}

impl Cut {
    pub(super) fn add(&mut self, document: u64, tokens: u64) {
        if tokens > 0 {
            if self.documents == 0 {
                self.first = document;
            }
            self.documents += 1;
            self.tokens += tokens;
        }
    }

    pub(super) fn record(&self, store: &Store, ledger: &Ledger) {
        if self.documents > 0 {
            let first: Key = store.key(self.first);
            ledger.add("rows.truncated_documents", self.documents, Some(&first));
            ledger.add("rows.truncated_tokens", self.tokens, Some(&first));
        }
    }
}
