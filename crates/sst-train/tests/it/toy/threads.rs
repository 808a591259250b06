//! Ranks that are threads of this process.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sst_core::{Error, Ranks, Result, Verdict};
use tch::{Kind, Tensor};

/// The longest time that a rank waits for the others.
const LIMIT: Duration = Duration::from_secs(20);

/// One of several threads that train together. Dropping it tells the others that this rank has left.
pub(crate) struct Threads {
    rank: usize,
    shared: Arc<Shared>,
}

/// The state that all ranks share.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// For each rank, the name of the operation in progress and the rank's input; `None` until the rank takes part.
    parts: Vec<Option<(&'static str, Part)>>,
    /// The number of ranks that have read the inputs of all ranks.
    readers: usize,
    /// For each rank, whether it has left.
    has_left: Vec<bool>,
    /// The number of finished operations.
    done: u64,
}

/// The input of a rank to an operation.
enum Part {
    Counts(Vec<u64>),
    Tensors(Vec<Tensor>),
    Verdict(Verdict),
}

impl Threads {
    /// The ranks of a group of `world`.
    pub(crate) fn new(world: usize) -> Vec<Self> {
        let state = State {
            parts: (0..world).map(|_| None).collect(),
            readers: 0,
            has_left: vec![false; world],
            done: 0,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        (0..world).map(|rank| Self { rank, shared: Arc::clone(&shared) }).collect()
    }

    /// The number of operations that all ranks have finished together.
    pub(crate) fn operations(&self) -> u64 {
        self.lock().done
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, reason: String) -> Error {
        Error::Ranks { rank: self.rank, reason }
    }

    /// Waits until `ready` is true of the state. Fails if a rank leaves before that, or after [`LIMIT`].
    fn wait<'a>(
        &self,
        operation: &str,
        state: MutexGuard<'a, State>,
        ready: impl Fn(&State) -> bool,
    ) -> Result<MutexGuard<'a, State>> {
        let waiting = |state: &mut State| !ready(state) && !state.has_left.contains(&true);
        let waited = self.shared.changed.wait_timeout_while(state, LIMIT, waiting);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.has_left.iter().position(|left| *left) {
            _ if ready(&state) => Ok(state),
            Some(rank) => Err(self.error(format!("rank {rank} has left before `{operation}`"))),
            None => Err(self.error(format!("the other ranks did not take part in `{operation}`"))),
        }
    }

    /// Takes part in an operation with the input `part`. When all ranks have taken part, calls `read` with the inputs
    /// of all ranks.
    fn exchange<T>(
        &self,
        operation: &'static str,
        part: Part,
        read: impl FnOnce(Vec<&Part>) -> Result<T>,
    ) -> Result<T> {
        let mut state =
            self.wait(operation, self.lock(), |state| state.parts[self.rank].is_none())?;
        state.parts[self.rank] = Some((operation, part));
        self.shared.changed.notify_all();
        let all = |state: &State| state.parts.iter().all(Option::is_some);
        let mut state = self.wait(operation, state, all)?;
        let parts: Vec<_> = state.parts.iter().flatten().collect();
        let result = match parts.iter().find(|(other, _)| *other != operation) {
            Some((other, _)) => {
                let reason = format!("this rank calls `{operation}` and another one `{other}`");
                Err(self.error(reason))
            }
            None => read(parts.iter().map(|(_, part)| part).collect()),
        };
        state.readers += 1;
        if state.readers == state.parts.len() {
            state.readers = 0;
            state.done += 1;
            state.parts.fill_with(|| None);
            self.shared.changed.notify_all();
        }
        result
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.lock().has_left[self.rank] = true;
        self.shared.changed.notify_all();
    }
}

impl Ranks for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn world(&self) -> usize {
        self.lock().parts.len()
    }

    fn sum(&self, counts: &mut [u64]) -> Result<()> {
        let part = Part::Counts(counts.to_vec());
        counts.fill(0);
        self.exchange("sum", part, |parts| {
            for part in parts {
                let Part::Counts(theirs) = part else { continue };
                if theirs.len() != counts.len() {
                    return Err(self.error("another number of counts".to_owned()));
                }
                counts.iter_mut().zip(theirs).for_each(|(sum, count)| *sum += count);
            }
            Ok(())
        })
    }

    fn all_reduce(&self, tensors: &[Tensor]) -> Result<()> {
        let part = Part::Tensors(tensors.iter().map(|t| t.detach().copy()).collect());
        self.exchange("all_reduce", part, |parts| {
            tensors.iter().for_each(|tensor| drop(tensor.detach().zero_()));
            for part in parts {
                let Part::Tensors(theirs) = part else { continue };
                if theirs.len() != tensors.len() {
                    return Err(self.error("another number of tensors".to_owned()));
                }
                for (sum, tensor) in tensors.iter().zip(theirs) {
                    assert_eq!((sum.kind(), sum.size()), (tensor.kind(), tensor.size()));
                    let _ = sum.detach().f_add_(tensor)?;
                }
            }
            Ok(())
        })
    }

    fn gather(&self, rows_bd: &Tensor) -> Result<Tensor> {
        let part = Part::Tensors(vec![rows_bd.detach().copy()]);
        self.exchange("gather", part, |parts| {
            let mut rows = Vec::new();
            for (rank, part) in parts.into_iter().enumerate() {
                let Part::Tensors(theirs) = part else { continue };
                let theirs = if rank == self.rank { rows_bd } else { &theirs[0] };
                rows.push(theirs.f_mul_scalar(1.0)?);
            }
            Ok(Tensor::f_cat(&rows, 0)?)
        })
    }

    fn agree(&self, mine: Verdict) -> Result<Verdict> {
        self.exchange("agree", Part::Verdict(mine), |parts| {
            let verdicts = parts.into_iter().filter_map(|part| match part {
                Part::Verdict(verdict) => Some(*verdict),
                Part::Counts(_) | Part::Tensors(_) => None,
            });
            Ok(verdicts.max().unwrap_or(mine))
        })
    }
}

#[test]
fn a_rank_that_leaves_ends_the_wait_of_the_others() {
    let [first, second]: [Threads; 2] = Threads::new(2).try_into().ok().unwrap();
    let waiting = std::thread::spawn(move || first.agree(Verdict::Go));
    drop(second);
    let error = waiting.join().unwrap().unwrap_err().to_string();
    assert!(error.contains("rank 0: rank 1 has left before `agree`"), "{error}");
}

/// Each rank computes a loss over the rows of all ranks. The sum of their gradients is the exact gradient of the loss.
#[test]
fn gathered_rows_have_the_gradient_of_the_whole() {
    let whole = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0]).reshape([3, 2]);
    let loss = |rows: &Tensor| rows.matmul(&rows.transpose(0, 1)).exp().log1p().sum(Kind::Float);
    let weight = || Tensor::from_slice(&[0.1_f32, 0.2]).set_requires_grad(true);
    let alone = weight();
    loss(&(&whole * &alone)).f_backward().unwrap();
    let parts = [whole.narrow(0, 0, 2), whole.narrow(0, 2, 1)];
    let threads: Vec<_> = Threads::new(2)
        .into_iter()
        .zip(parts)
        .map(|(ranks, part)| {
            std::thread::spawn(move || {
                let weight = weight();
                loss(&ranks.gather(&(part * &weight)).unwrap()).f_backward().unwrap();
                ranks.all_reduce(&[weight.grad()]).unwrap();
                super::values(&weight.grad())
            })
        })
        .collect();
    for thread in threads {
        for (a, b) in thread.join().unwrap().iter().zip(super::values(&alone.grad())) {
            assert!((a - b).abs() < 1e-5 * b.abs(), "{a} and {b}");
        }
    }
}
