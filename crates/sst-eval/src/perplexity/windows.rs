//! The windows that slide over a text, and which of their tokens are scored.

use serde::{Deserialize, Serialize};

/// How a window slides over a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SlidingWindow {
    /// The number of tokens in a window.
    pub(super) length: usize,
    /// The distance between the starts of two windows in tokens, which is also the maximum number of tokens that a window
    /// scores, apart from the first window. A shorter stride gives each token more context and takes longer. A window
    /// scores at most one token less than its length, because its first token has no context.
    pub(super) stride: usize,
    /// How windows are placed and weighted.
    pub(super) placement: Placement,
}

/// How windows are placed and weighted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Placement {
    /// Windows begin at multiples of the stride, so the last window may be shorter and its tokens have less context. The
    /// mean over a window's scored tokens is weighted by the number of its new tokens minus 1, as in the documentation of
    /// transformers, even if all new tokens are scored. If windows do not overlap, their first tokens are not scored.
    #[default]
    Strided,
    /// Every window is full if the text is long enough: the last window is moved back. Each token of a text but the first
    /// is scored in exactly one window, and all have the same weight.
    Full,
}

impl Placement {
    /// The name in configurations and reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Strided => "strided",
            Self::Full => "full",
        }
    }
}

/// A window over the tokens `begin..end` of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) begin: usize,
    pub(super) end: usize,
    /// The number of tokens at the end of the window that are scored.
    pub(super) scored: usize,
    /// The weight of the mean over the scored tokens.
    pub(super) weight: usize,
}

/// The windows over a text of `count` tokens, without those that score no token.
pub(super) fn spans(count: usize, window: SlidingWindow) -> Vec<Span> {
    match window.placement {
        Placement::Strided => strided(count, window),
        Placement::Full => full(count, window),
    }
}

fn strided(count: usize, window: SlidingWindow) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut scored_to = 0;
    for begin in (0..count).step_by(window.stride) {
        let end = (begin + window.length).min(count);
        let new = end - scored_to;
        // The first token of a window has no context.
        let scored = new.min(end - begin - 1);
        // A window whose mean has weight 0 is not scored.
        if new > 1 {
            spans.push(Span { begin, end, scored, weight: new - 1 });
        }
        scored_to = end;
        if end == count {
            break;
        }
    }
    spans
}

/// Windows in which every token but the first is scored exactly once.
fn full(count: usize, window: SlidingWindow) -> Vec<Span> {
    let mut spans = Vec::new();
    // The first token of a text has no context.
    let mut scored_to = 1;
    loop {
        let end = match scored_to {
            1 => window.length.min(count),
            _ => (scored_to + window.stride.min(window.length - 1)).min(count),
        };
        if end <= scored_to {
            return spans;
        }
        let scored = end - scored_to;
        scored_to = end;
        let begin = end.saturating_sub(window.length);
        spans.push(Span { begin, end, scored, weight: scored });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The windows as tuples `(begin, end, scored, weight)`.
    fn windows(
        placement: Placement,
        count: usize,
        length: usize,
        stride: usize,
    ) -> Vec<(usize, usize, usize, usize)> {
        let spans = spans(count, SlidingWindow { length, stride, placement });
        spans.into_iter().map(|span| (span.begin, span.end, span.scored, span.weight)).collect()
    }

    #[test]
    fn strided_windows_begin_at_multiples_of_the_stride() {
        let strided = |count, length, stride| windows(Placement::Strided, count, length, stride);
        assert_eq!(strided(10, 4, 2), [(0, 4, 3, 3), (2, 6, 2, 1), (4, 8, 2, 1), (6, 10, 2, 1)]);
        // The last window is shorter, not moved back.
        assert_eq!(strided(9, 4, 3), [(0, 4, 3, 3), (3, 7, 3, 2), (6, 9, 2, 1)]);
        // If windows do not overlap, the first token of each window is not scored.
        assert_eq!(strided(10, 4, 4), [(0, 4, 3, 3), (4, 8, 3, 3), (8, 10, 1, 1)]);
        // A window with one new token has the weight 0 and is left out.
        assert_eq!(strided(7, 4, 2), [(0, 4, 3, 3), (2, 6, 2, 1)]);
        assert_eq!(strided(3, 4, 1), [(0, 3, 2, 2)]);
        assert_eq!(strided(1, 4, 1), []);
        assert_eq!(strided(0, 4, 1), []);
    }

    #[test]
    fn the_last_full_window_is_moved_back() {
        let full = |count, length, stride| windows(Placement::Full, count, length, stride);
        assert_eq!(full(10, 4, 2), [(0, 4, 3, 3), (2, 6, 2, 2), (4, 8, 2, 2), (6, 10, 2, 2)]);
        assert_eq!(full(8, 4, 4), [(0, 4, 3, 3), (3, 7, 3, 3), (4, 8, 1, 1)]);
        assert_eq!(full(3, 4, 1), [(0, 3, 2, 2)]);
        assert_eq!(full(1, 4, 1), []);
        assert_eq!(full(0, 4, 1), []);
    }

    proptest! {
        #[test]
        fn full_windows_score_every_token_but_the_first_exactly_once(
            count in 0_usize..200, length in 2_usize..40, stride in 1_usize..40
        ) {
            let mut next = 1;
            for (begin, end, scored, weight) in
                windows(Placement::Full, count, length, stride.min(length))
            {
                prop_assert_eq!(end - scored, next);
                prop_assert!(scored >= 1 && begin < end - scored && end - begin <= length);
                prop_assert!(end - begin == length || begin == 0);
                prop_assert_eq!(scored, weight);
                next = end;
            }
            prop_assert_eq!(next, count.max(1));
        }
    }
}
