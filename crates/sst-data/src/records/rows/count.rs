//! Counts what rows cut off.

use super::super::RecordsError;
use super::super::value::Value;
use super::Records;
use crate::ledger::Ledger;

impl Records {
    /// Counts truncated records, tokens and spans, windows, and spans that are whole in no window.
    pub(super) fn count_cut(&self, ledger: &Ledger) -> Result<(), RecordsError> {
        let columns = self.store.columns();
        let span_columns: Vec<usize> =
            (0..columns.len()).filter(|at| columns[*at].spanned_text().is_some()).collect();
        for number in self.layout.records() {
            let lengths = self.store.text_lengths(number);
            let windows =
                self.windowed.map_or(1, |windowed| self.windows(windowed, &lengths).count());
            let cut = self.tokens_cut(&lengths);
            if cut == 0 && windows == 1 {
                continue;
            }
            let key = self.store.key(number);
            ledger.add("rows.truncated_documents", u64::from(cut > 0), Some(&key));
            ledger.add("rows.truncated_tokens", cut as u64, Some(&key));
            if windows > 1 {
                ledger.add("rows.windowed_documents", 1, Some(&key));
                ledger.add("rows.windows", windows as u64, Some(&key));
            }
            if span_columns.is_empty() {
                continue;
            }
            let values = self.store.values(number)?;
            for column in &span_columns {
                let (name, lost) = self.spans_cut(*column, &values[*column], &lengths);
                ledger.add(name, lost, Some(&key));
            }
        }
        Ok(())
    }

    /// The number of tokens of a record that are cut off.
    fn tokens_cut(&self, lengths: &[usize]) -> usize {
        let is_truncated =
            |number: usize| self.windowed.is_none_or(|windowed| windowed.sequence != number);
        let cut = |number: usize| {
            let (first, second) = self.text_lengths(&self.sequences[number], lengths);
            let (of_first, of_second) = self.kept(number, 0, first, second);
            first + second - of_first.len() - of_second.len()
        };
        (0..self.sequences.len()).filter(|number| is_truncated(*number)).map(cut).sum()
    }

    /// The number of spans of a value that no row has whole, and its name in the ledger.
    fn spans_cut(&self, column: usize, value: &Value, lengths: &[usize]) -> (&'static str, u64) {
        let (Value::Spans(spans), Some((number, is_first))) = (value, self.sequence_of(column))
        else {
            return ("rows.truncated_spans", 0);
        };
        let tokens = spans.iter().map(|span| (span.tokens.0 as usize, span.tokens.1 as usize));
        let is_windowed = |windowed: &super::Windowed| {
            let is_last = !is_first || self.sequences[number].second.is_none();
            windowed.sequence == number && is_last
        };
        match self.windowed.filter(is_windowed) {
            Some(windowed) => {
                let windows = self.windows(windowed, lengths);
                let lost = tokens.filter(|(start, end)| !windows.hold(*start, *end)).count();
                ("rows.spans_in_no_window", lost as u64)
            }
            None => {
                let kept = self.kept_of(column, 0, lengths);
                let is_lost = |(start, end): &(usize, usize)| {
                    kept.is_none_or(|kept| *start < kept.range.0 || kept.range.1 < *end)
                };
                ("rows.truncated_spans", tokens.filter(is_lost).count() as u64)
            }
        }
    }
}
