//! Divides products into pieces of work for the threads.

use std::ops::Range;

use super::detect::l2_budget;
use super::threads::threads;

/// The largest number of strips in a piece.
const STRIPS: usize = 8;
/// The number of pieces for each thread, if there is enough work. A core that other processes use too may take twice
/// as long as the others, which wait for it at the end.
pub(super) const PIECES: usize = 16;
/// The smallest size of a piece: its number of strips, as each piece reads all panels of the weight, and its number
/// of panels, as its strips are read for each piece.
const FEW_STRIPS: usize = 3;
const FEW_PANELS: usize = 4;

/// The number of last pieces, for each thread, that are split, and the largest number of parts of each.
const LAST: usize = 2;
const PARTS: usize = 4;

/// Pieces of work. The rows of one piece stay in the L2 cache while all weights are read.
pub(super) struct Pieces {
    pub(super) pieces: usize,
    /// The largest number of strips in a piece.
    pub(super) most: usize,
}

impl Pieces {
    /// Divides strips that take `bytes` bytes each. Every thread gets the same number of pieces, if there are enough
    /// strips.
    pub(super) fn new(strips: usize, bytes: usize) -> Self {
        Self::of(strips, STRIPS.min(l2_budget() / bytes).max(1))
    }

    /// Divides strips into pieces of at most `most` strips.
    fn of(strips: usize, most: usize) -> Self {
        let pieces = strips.div_ceil(most).next_multiple_of(threads()).min(strips);
        Self { pieces, most: strips.div_ceil(pieces.max(1)) }
    }

    /// Divides the strips into more pieces, [`PIECES`] for each thread, if there are enough strips.
    pub(super) fn smaller(self, strips: usize) -> Self {
        let most = (strips / (PIECES * threads())).max(FEW_STRIPS);
        if most < self.most { Self::of(strips, most) } else { self }
    }
}

/// Pieces of work in order. The last ones are split into smaller parts, so that no thread waits long for the last
/// part of another one.
#[derive(Clone, Copy)]
pub(super) struct Items {
    /// The number of pieces that are not split, and of those that are.
    whole: usize,
    split: usize,
    /// The number of parts of each piece that is split.
    parts: usize,
}

/// A part of a piece: its index and the number of parts.
#[derive(Clone, Copy)]
pub(super) struct Part(usize, usize);

impl Items {
    /// The items for `count` pieces with `strips` strips each.
    pub(super) fn new(count: usize, strips: usize) -> Self {
        let split = count.min(LAST * threads());
        Self { whole: count - split, split, parts: strips.clamp(1, PARTS) }
    }

    pub(super) fn count(self) -> usize {
        self.whole + self.split * self.parts
    }

    /// The index of the piece of an item, and the part of that piece.
    pub(super) fn at(self, i: usize) -> (usize, Part) {
        match i.checked_sub(self.whole) {
            None => (i, Part(0, 1)),
            Some(i) => (self.whole + i / self.parts, Part(i % self.parts, self.parts)),
        }
    }
}

impl Part {
    /// The strips of this part.
    pub(super) fn of(self, strips: Range<usize>) -> Range<usize> {
        let Self(i, parts) = self;
        let part = share(strips.len(), parts, i);
        strips.start + part.start..strips.start + part.end
    }
}

/// The number of groups into which panels are divided, in addition to the division into pieces: enough that each
/// thread has work, and up to `wanted` if there are enough panels.
pub(super) fn groups(pieces: usize, panels: usize, wanted: usize) -> usize {
    let needed = threads().div_ceil(pieces).min(panels);
    let wanted = (wanted * threads()).div_ceil(pieces).min(panels / FEW_PANELS);
    needed.max(wanted)
}

/// The range of part `i`, if `count` is divided into `parts` parts whose sizes differ by at most one.
pub(super) fn share(count: usize, parts: usize, i: usize) -> Range<usize> {
    i * count / parts..(i + 1) * count / parts
}
