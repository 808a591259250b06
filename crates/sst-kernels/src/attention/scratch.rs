//! The buffers of a task, and their sizes.

/// The number of queries in a block.
pub(super) const BLOCK: usize = 48;
/// A multiple of the number of lanes on every processor.
const VECTOR: usize = 16;

/// `n` rounded up to a multiple of the number of lanes on every processor.
pub(super) fn padded(n: usize) -> usize {
    n.next_multiple_of(VECTOR)
}

/// The buffers of one task, one after the other in one allocation, which later tasks reuse.
#[derive(Default)]
pub(super) struct Scratch(Vec<f32>);

impl Scratch {
    /// Fills the buffers of the next [`Self::cut`] with zeros.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Buffers of these sizes, with unspecified content.
    pub(super) fn cut<const N: usize>(&mut self, sizes: [usize; N]) -> [*mut f32; N] {
        let size = sizes.iter().sum();
        if self.0.len() < size {
            self.0.resize(size, 0.0);
        }
        let mut at = 0;
        sizes.map(|size| {
            let start = at;
            at += size;
            self.0[start..at].as_mut_ptr()
        })
    }
}
