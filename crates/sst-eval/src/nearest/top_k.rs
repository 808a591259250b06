//! The best scores of one query so far.

/// An entry of the corpus and its score for a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// Its place in the corpus.
    pub index: usize,
    /// Its dot product with the query.
    pub score: f32,
}

/// Scores that are compared with the bound at once: few enough that a row of scores has few groups with one above
/// it, enough that they fill the processor's vectors.
const GROUP: usize = 32;

/// Keeps the `k` best scores of those it reads, and a few more until it sorts out again.
#[derive(Debug)]
pub(super) struct Best {
    k: usize,
    /// A score has to be above this to be among the best.
    bound: f32,
    kept: Vec<Neighbour>,
}

impl Best {
    pub(super) fn new(k: usize) -> Self {
        let mut best = Self { k, bound: 0.0, kept: Vec::new() };
        best.clear();
        best
    }

    /// Forgets all scores.
    pub(super) fn clear(&mut self) {
        self.bound = if self.k == 0 { f32::INFINITY } else { f32::NEG_INFINITY };
        self.kept.clear();
    }

    /// Reads scores (fp32 in the machine's byte order, finite) of the entries from `first` on, which must come after
    /// those read before: of equal scores the earlier stays.
    pub(super) fn read(
        &mut self,
        scores: &[[u8; 4]],
        first: usize,
        is_candidate: &impl Fn(usize) -> bool,
    ) {
        let (groups, rest) = scores.as_chunks::<GROUP>();
        for (i, group) in groups.iter().enumerate() {
            // Without a branch inside, so that the compiler compares several at once.
            let bound = self.bound;
            if group.iter().fold(false, |any, score| any | (f32::from_ne_bytes(*score) > bound)) {
                self.offer(group, first + i * GROUP, is_candidate);
            }
        }
        self.offer(rest, first + groups.len() * GROUP, is_candidate);
    }

    fn offer(&mut self, scores: &[[u8; 4]], first: usize, is_candidate: &impl Fn(usize) -> bool) {
        for (index, score) in (first..).zip(scores) {
            let score = f32::from_ne_bytes(*score);
            if score > self.bound && is_candidate(index) {
                self.kept.push(Neighbour { index, score });
                if self.kept.len() >= 2 * self.k {
                    self.sort_out();
                }
            }
        }
    }

    /// Leaves the `k` best, in no order, and raises the bound to the last of them.
    fn sort_out(&mut self) {
        if self.k > 0 && self.kept.len() >= self.k {
            let (_, last, _) = self.kept.select_nth_unstable_by(self.k - 1, better);
            self.bound = last.score;
            self.kept.truncate(self.k);
        }
    }

    /// The best, in order.
    pub(super) fn ranked(&mut self) -> &[Neighbour] {
        self.sort_out();
        self.kept.sort_unstable_by(better);
        &self.kept
    }
}

/// Larger scores first, and of equal ones the lower index; 0 and -0 are equal.
fn better(a: &Neighbour, b: &Neighbour) -> std::cmp::Ordering {
    (b.score + 0.0).total_cmp(&(a.score + 0.0)).then(a.index.cmp(&b.index))
}
