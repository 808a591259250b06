//! How products are cut for the threads.

use std::ops::Range;

use super::detect::near_bytes;
use super::threads::threads;

/// Strips of a piece, at most.
const STRIPS: usize = 8;
/// Pieces for each thread, if there is work enough: a core that others use too may take twice as long as the other
/// ones, which wait for it at the end.
pub(super) const PIECES: usize = 16;
/// What a piece is not made smaller than for that: the strips of one, each of which reads all panels of the weight, and
/// the panels of one, for which its strips are read.
const FEW_STRIPS: usize = 3;
const FEW_PANELS: usize = 4;

/// The last pieces, for each thread, that are split, and in how many parts at most.
const LAST: usize = 2;
const PARTS: usize = 4;

/// Pieces of work: what the rows of one take stays in the second cache while all weights go by.
pub(super) struct Pieces {
    pub(super) pieces: usize,
    /// Strips of a piece, at most.
    pub(super) most: usize,
}

impl Pieces {
    /// Of strips that take so many bytes each: as many for each thread, if they suffice.
    pub(super) fn new(strips: usize, bytes: usize) -> Self {
        Self::of(strips, STRIPS.min(near_bytes() / bytes).max(1))
    }

    /// Of so many strips at most.
    fn of(strips: usize, most: usize) -> Self {
        let pieces = strips.div_ceil(most).next_multiple_of(threads()).min(strips);
        Self { pieces, most: strips.div_ceil(pieces.max(1)) }
    }

    /// As many as threads should have, if strips suffice.
    pub(super) fn smaller(self, strips: usize) -> Self {
        let most = (strips / (PIECES * threads())).max(FEW_STRIPS);
        if most < self.most { Self::of(strips, most) } else { self }
    }
}

/// Pieces of work in order, the last ones in smaller parts: so no thread waits long for another one's last.
#[derive(Clone, Copy)]
pub(super) struct Items {
    /// Those that are taken whole, and the others.
    whole: usize,
    split: usize,
    /// Of each of the others.
    parts: usize,
}

/// Which of so many parts.
#[derive(Clone, Copy)]
pub(super) struct Part(usize, usize);

impl Items {
    /// So many, each of so many strips.
    pub(super) fn new(count: usize, strips: usize) -> Self {
        let split = count.min(LAST * threads());
        Self { whole: count - split, split, parts: strips.clamp(1, PARTS) }
    }

    pub(super) fn count(self) -> usize {
        self.whole + self.split * self.parts
    }

    /// The number of an item, and what of it.
    pub(super) fn at(self, i: usize) -> (usize, Part) {
        match i.checked_sub(self.whole) {
            None => (i, Part(0, 1)),
            Some(i) => (self.whole + i / self.parts, Part(i % self.parts, self.parts)),
        }
    }
}

impl Part {
    /// That of some strips.
    pub(super) fn of(self, strips: Range<usize>) -> Range<usize> {
        let Self(i, parts) = self;
        let part = share(strips.len(), parts, i);
        strips.start + part.start..strips.start + part.end
    }
}

/// In how many parts pieces are shared out by panels too: so that each thread has one, and as many as are wanted of
/// panels enough.
pub(super) fn groups(pieces: usize, panels: usize, wanted: usize) -> usize {
    let needed = threads().div_ceil(pieces).min(panels);
    let wanted = (wanted * threads()).div_ceil(pieces).min(panels / FEW_PANELS);
    needed.max(wanted)
}

/// The part `i` of `count` in `parts` that differ by one at most.
pub(super) fn share(count: usize, parts: usize, i: usize) -> Range<usize> {
    i * count / parts..(i + 1) * count / parts
}
