//! Keeps the `k` best scores of one query.

/// An entry of the corpus and its score for a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// The index of the entry in the corpus.
    pub index: usize,
    /// The dot product of the entry with the query.
    pub score: f32,
}

/// The number of scores that are compared with the threshold at once. It is large enough to fill the processor's vector
/// registers, and so small that most groups have no score above the threshold and can be skipped.
const GROUP: usize = 32;

/// Collects scores and keeps the `k` best of them. Up to `2 k` scores are stored before the worse half is dropped.
#[derive(Debug)]
pub(super) struct TopK {
    k: usize,
    /// Only scores above this can be among the `k` best.
    threshold: f32,
    kept: Vec<Neighbour>,
}

impl TopK {
    pub(super) fn new(k: usize) -> Self {
        let mut top = Self { k, threshold: 0.0, kept: Vec::new() };
        top.clear();
        top
    }

    /// Removes all scores.
    pub(super) fn clear(&mut self) {
        self.threshold = if self.k == 0 { f32::INFINITY } else { f32::NEG_INFINITY };
        self.kept.clear();
    }

    /// Adds the scores of the entries `first..first + scores.len()`, as the bytes of finite fp32 numbers in native byte
    /// order. Entries must be added in ascending order, because of equal scores the earlier one is kept.
    pub(super) fn add(
        &mut self,
        scores: &[[u8; 4]],
        first: usize,
        is_candidate: &impl Fn(usize) -> bool,
    ) {
        let (groups, rest) = scores.as_chunks::<GROUP>();
        for (i, group) in groups.iter().enumerate() {
            // The loop over the group has no branch, so that the compiler vectorises it.
            let threshold = self.threshold;
            let is_above = |score: &[u8; 4]| f32::from_ne_bytes(*score) > threshold;
            if group.iter().fold(false, |any, score| any | is_above(score)) {
                self.add_one_by_one(group, first + i * GROUP, is_candidate);
            }
        }
        self.add_one_by_one(rest, first + groups.len() * GROUP, is_candidate);
    }

    fn add_one_by_one(
        &mut self,
        scores: &[[u8; 4]],
        first: usize,
        is_candidate: &impl Fn(usize) -> bool,
    ) {
        for (index, score) in (first..).zip(scores) {
            let score = f32::from_ne_bytes(*score);
            if score > self.threshold && is_candidate(index) {
                self.kept.push(Neighbour { index, score });
                if self.kept.len() >= 2 * self.k {
                    self.prune();
                }
            }
        }
    }

    /// Drops all scores but the `k` best, and raises the threshold to the lowest of these.
    fn prune(&mut self) {
        if self.k > 0 && self.kept.len() >= self.k {
            let (_, kth, _) = self.kept.select_nth_unstable_by(self.k - 1, descending);
            self.threshold = kth.score;
            self.kept.truncate(self.k);
        }
    }

    /// The `k` best scores, in descending order.
    pub(super) fn ranked(&mut self) -> &[Neighbour] {
        self.prune();
        self.kept.sort_unstable_by(descending);
        &self.kept
    }
}

/// Orders by descending score, and equal scores by ascending index. 0 and -0 are equal.
fn descending(a: &Neighbour, b: &Neighbour) -> std::cmp::Ordering {
    (b.score + 0.0).total_cmp(&(a.score + 0.0)).then(a.index.cmp(&b.index))
}
