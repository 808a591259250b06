//! The buffers that a task works in, and the sizes that they are made for.

/// Queries in a block.
pub(super) const BLOCK: usize = 48;
/// A multiple of the lanes of every processor.
const VECTOR: usize = 16;

/// `n` up to a multiple of the lanes of every processor.
pub(super) fn padded(n: usize) -> usize {
    n.next_multiple_of(VECTOR)
}

/// The buffers of one task, one after the other in one allocation that the next task reuses.
#[derive(Default)]
pub(super) struct Scratch(Vec<f32>);

impl Scratch {
    /// Makes zeros of what is cut next.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Buffers of these sizes, with whatever they hold.
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
