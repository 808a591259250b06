//! The seam of ranks: the processes that train one model together, each on its share of every batch.

use tch::Tensor;

use crate::error::Result;

/// What a rank wants to do next. The greatest verdict of all ranks holds for all of them ([`Ranks::agree`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Go on.
    Go,
    /// Leave the weights as they are in this step.
    Skip,
    /// Run the step again with micro-batches of half the size.
    Halve,
    /// Save a checkpoint and end the run.
    Stop,
    /// End the run with an error.
    Fail,
}

/// The processes that train one model together. Each has a copy of the model and reads its share of every batch.
///
/// Every method but [`Ranks::rank`] and [`Ranks::world`] is a collective operation: all ranks call it, with arguments
/// of the same shapes, in the same order. An implementation must not let a rank wait forever: once another rank has
/// left or does not come within a time limit, the call fails with [`crate::Error::Ranks`].
pub trait Ranks: Send + Sync {
    /// The number of this process, from 0. Rank 0 alone evaluates, saves and reports.
    fn rank(&self) -> usize;

    /// The number of processes.
    fn world(&self) -> usize;

    /// Replaces each count by its sum over all ranks.
    ///
    /// # Errors
    /// If a rank has left or does not answer.
    fn sum(&self, counts: &mut [u64]) -> Result<()>;

    /// Replaces each tensor, in place, by its sum over all ranks. Every rank gets the same bits.
    ///
    /// # Errors
    /// If a rank has left or does not answer, the tensors differ in number, shape or type, or libtorch fails.
    fn all_reduce(&self, tensors: &[Tensor]) -> Result<()>;

    /// The rows of all ranks, one rank after the other: `[b, d]` here, where b may differ from rank to rank, becomes
    /// `[sum of b, d]`. Gradients flow back to the rows of this rank alone. A loss over all rows, if every rank
    /// computes it, therefore has its exact gradient once the gradients of the parameters are summed over the ranks.
    ///
    /// # Errors
    /// If a rank has left or does not answer, d or the type differs, or libtorch fails.
    fn gather(&self, rows_bd: &Tensor) -> Result<Tensor>;

    /// The greatest verdict of all ranks.
    ///
    /// # Errors
    /// If a rank has left or does not answer.
    fn agree(&self, mine: Verdict) -> Result<Verdict>;

    /// The bytes of each rank, in the order of the ranks; their lengths may differ. For short messages: a byte travels
    /// as a count of [`Ranks::sum`].
    ///
    /// # Errors
    /// If a rank has left or does not answer.
    fn gather_bytes(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>> {
        let rank = self.rank();
        let mut lengths = vec![0; self.world()];
        lengths[rank] = mine.len() as u64;
        self.sum(&mut lengths)?;
        let lengths: Vec<usize> = lengths.iter().map(|length| *length as usize).collect();
        let start: usize = lengths[..rank].iter().sum();
        let mut counts = vec![0; lengths.iter().sum()];
        for (count, byte) in counts[start..].iter_mut().zip(mine) {
            *count = u64::from(*byte);
        }
        self.sum(&mut counts)?;
        let mut bytes = counts.iter().map(|count| *count as u8);
        Ok(lengths.iter().map(|length| bytes.by_ref().take(*length).collect()).collect())
    }
}

/// One process that trains alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Solo;

impl Ranks for Solo {
    fn rank(&self) -> usize {
        0
    }

    fn world(&self) -> usize {
        1
    }

    fn sum(&self, _: &mut [u64]) -> Result<()> {
        Ok(())
    }

    fn all_reduce(&self, _: &[Tensor]) -> Result<()> {
        Ok(())
    }

    fn gather(&self, rows_bd: &Tensor) -> Result<Tensor> {
        Ok(rows_bd.shallow_clone())
    }

    fn agree(&self, mine: Verdict) -> Result<Verdict> {
        Ok(mine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_gives_way_to_graver_ones() {
        use Verdict::{Fail, Go, Halve, Skip, Stop};
        assert!(Go < Skip && Skip < Halve && Halve < Stop && Stop < Fail);
    }

    #[test]
    fn one_process_keeps_what_it_has() {
        let mut counts = [3, 4];
        Solo.sum(&mut counts).unwrap();
        assert_eq!(counts, [3, 4]);
        assert_eq!(Solo.agree(Verdict::Halve).unwrap(), Verdict::Halve);
        assert_eq!(Solo.gather_bytes(b"text").unwrap(), [b"text".to_vec()]);
    }
}
