//! The answers to questions.

use sst_core::{HeadKind, Model};
use sst_data::records::TextWindow;
use sst_data::rows::Dataset;
use sst_data::{Example, Key};

use super::forward::for_each_row;
use crate::error::EvalError;
use crate::metric::{AnswerSearch, AnswerWindow, FoundAnswer};

/// Finds the answers to questions in texts, with the span head of a model.
#[derive(Debug, Clone)]
pub struct AnswerFinder {
    search: AnswerSearch,
    batch_size: usize,
}

/// A question with what was found.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Where the question comes from.
    pub key: Key,
    /// The last window of the text, with the fields of the record.
    pub example: Example,
    /// The number of windows that the text was read in.
    pub windows: usize,
    /// What was found, in characters of the text.
    pub found: FoundAnswer,
}

/// The scores of a window.
struct Window {
    start_logits: Vec<f32>,
    end_logits: Vec<f32>,
    offsets: Vec<Option<(usize, usize)>>,
}

impl AnswerFinder {
    /// A finder, which computes `batch_size` rows at a time.
    pub fn new(search: AnswerSearch, batch_size: usize) -> Self {
        Self { search, batch_size }
    }

    /// Calls `visit` with each question, in order. The rows are windows of the texts, with the question in front.
    ///
    /// # Errors
    /// If a row cannot be read or is no window, a logit is not finite, or the model has no such head or fails.
    pub fn for_each(
        &self,
        model: &dyn Model,
        rows: &dyn Dataset,
        visit: &mut dyn FnMut(Answered) -> Result<(), EvalError>,
    ) -> Result<(), EvalError> {
        let mut windows: Vec<Window> = Vec::new();
        for_each_row(model, HeadKind::Span, rows, self.batch_size, &mut |example, logits| {
            let window = TextWindow::of(example).ok_or_else(|| {
                let (key, field) = (example.key.clone(), "window".to_owned());
                EvalError::MissingField { key, field }
            })?;
            if window.number == 0 {
                windows.clear();
            }
            windows.push(Window::new(&window, logits));
            if window.number + 1 < window.count {
                return Ok(());
            }
            let scored: Vec<AnswerWindow<'_>> = windows.iter().map(Window::scored).collect();
            visit(Answered {
                key: example.key.clone(),
                example: example.clone(),
                windows: window.count,
                found: self.search.find(&scored)?,
            })
        })
    }
}

impl Window {
    /// The window with the logits of its row: two for each token.
    fn new(window: &TextWindow<'_>, logits: &[f32]) -> Self {
        let of = |which: usize| logits.iter().skip(which).step_by(2).copied().collect();
        let mut offsets = vec![None; window.position];
        offsets.extend(window.offsets.iter().map(|span| Some((span.start, span.end))));
        Self { start_logits: of(0), end_logits: of(1), offsets }
    }

    fn scored(&self) -> AnswerWindow<'_> {
        AnswerWindow {
            start_logits: &self.start_logits,
            end_logits: &self.end_logits,
            offsets: &self.offsets,
            has_max_context: None,
        }
    }
}
