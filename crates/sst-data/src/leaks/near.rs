//! The passage of a reference text that is most similar to a test text.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// The numbers of shingles that a test text and a window of a reference text have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// The first word of the window.
    pub(super) start: usize,
    /// The distinct shingles of both.
    common: usize,
    /// The distinct shingles of at least one of them.
    union: usize,
}

impl Window {
    /// The Jaccard similarity.
    pub(super) fn similarity(self) -> f64 {
        self.common as f64 / self.union as f64
    }

    /// Whether it is more similar than `other`, without rounding.
    pub(super) fn is_more_similar(self, other: Self) -> bool {
        self.common as u128 * other.union as u128 > other.common as u128 * self.union as u128
    }
}

/// The fewest shingles that a window must share with a text of `count` shingles to have at least this `similarity`. Fewer do
/// not suffice even if the window has no others.
pub(super) fn least_common(count: usize, similarity: f64) -> usize {
    (1..=count).find(|common| *common as f64 / count as f64 >= similarity).unwrap_or(count)
}

/// The first of the most similar windows of `width` words of `reference`. `width` is at least `shingle`, and at most the
/// number of words of `reference`.
///
/// The window moves by one word at a time and takes one shingle in and one out, so the time is proportional to the number of
/// words.
pub(super) fn most_similar(
    test: &[u32],
    reference: &[u32],
    width: usize,
    shingle: usize,
) -> Option<Window> {
    // The shingles of the test text get the numbers below `own`, other ones those from there on.
    let mut numbers: HashMap<&[u32], usize, FixedState> = HashMap::default();
    let mut number = |run| {
        let next = numbers.len();
        *numbers.entry(run).or_insert(next)
    };
    let own = test.windows(shingle).map(&mut number).max().map_or(0, |last| last + 1);
    let shingles: Vec<usize> = reference.windows(shingle).map(&mut number).collect();
    let mut counts = vec![0_usize; numbers.len()];
    let (mut common, mut others) = (0, 0);
    let mut best: Option<Window> = None;
    let in_window = width.checked_sub(shingle)? + 1;
    for (last, entering) in shingles.iter().enumerate() {
        counts[*entering] += 1;
        if counts[*entering] == 1 {
            *(if *entering < own { &mut common } else { &mut others }) += 1;
        }
        let Some(start) = (last + 1).checked_sub(in_window) else { continue };
        let window = Window { start, common, union: own + others };
        if best.is_none_or(|best| window.is_more_similar(best)) {
            best = Some(window);
        }
        let leaving = shingles[start];
        counts[leaving] -= 1;
        if counts[leaving] == 0 {
            *(if leaving < own { &mut common } else { &mut others }) -= 1;
        }
    }
    best
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn the_fewest_common_shingles_reach_the_similarity() {
        for (count, similarity, expected) in [
            (1, 0.8, 1),
            (4, 0.8, 4),
            (5, 0.8, 4),
            (10, 0.8, 8),
            (11, 0.8, 9),
            (9, 1.0, 9),
            (9, 0.01, 1),
        ] {
            assert_eq!(least_common(count, similarity), expected, "{count} {similarity}");
        }
    }

    #[test]
    fn the_first_of_the_most_similar_windows() {
        let window = |start, common, union| Some(Window { start, common, union });
        let check = |test: &[u32], reference: &[u32], width, expected| {
            assert_eq!(most_similar(test, reference, width, 2), expected, "{reference:?}");
        };
        check(&[1, 2, 3, 4], &[9, 1, 2, 3, 4, 1, 2, 3, 4], 4, window(1, 3, 3));
        check(&[1, 2, 3, 4], &[1, 2, 3, 9, 9], 4, window(0, 2, 4));
        // The shingles are 12, 21 and 12, so two distinct ones.
        check(&[1, 2, 1, 2], &[5, 2, 1, 2, 1], 4, window(1, 2, 2));
        check(&[1, 2, 3, 4], &[2, 3, 4], 3, window(0, 2, 3));
        check(&[1, 2, 3], &[1], 1, None);
    }
}
