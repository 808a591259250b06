//! Worker threads that turn step plans into batches, handed over in order.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender};

use crate::batch::{Collate, CollateError, HostBatch};
use crate::batching::{Batching, Position, SampleRef, StepPlan};
use crate::panic::panic_message;
use crate::recycle;
use crate::rows::{Dataset, DatasetError};
use crate::setting::{self, NamesSettings, Setting};

/// The batches of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepData {
    /// The samples of this rank, and the position after the step.
    pub plan: StepPlan,
    /// One batch for each micro-batch of the plan.
    pub micro: Vec<HostBatch>,
}

/// The settings of a loader. Only the seed, the rank and the world size change what it yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderConfig {
    /// The seed that is given to [`Collate`].
    pub seed: u64,
    /// The number of worker threads. 0 makes batches in the calling thread.
    pub workers: usize,
    /// The number of finished steps that wait beyond those in the making. It bounds the memory.
    pub prefetch: usize,
    /// The rank of this process, from 0.
    pub rank: usize,
    /// The number of processes that share each step.
    pub world: usize,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        Self { seed: 0, workers: 1, prefetch: 2, rank: 0, world: 1 }
    }
}

/// Why a step could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A row could not be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Examples could not be turned into a batch.
    #[error(transparent)]
    Collate(#[from] CollateError),
    /// A worker panicked.
    #[error("a loader worker panicked while making step {step}: {message}")]
    Panic {
        /// The step, from 1.
        step: u64,
        /// What the panic said.
        message: String,
    },
    /// The threads could not be started.
    #[error("cannot start a loader thread: {0}; lower `workers`")]
    Spawn(#[source] std::io::Error),
    /// The worker threads ended without giving the step.
    #[error("the loader's workers ended before step {0} was made")]
    Gone(u64),
}

impl NamesSettings for LoadError {
    fn settings(&self) -> Vec<Setting> {
        match self {
            Self::Dataset(error) => error.settings(),
            Self::Collate(error) => error.settings(),
            Self::Spawn(_) => vec![setting::WORKERS],
            Self::Panic { .. } | Self::Gone(_) => Vec::new(),
        }
    }
}

/// The data set, collator and settings with which a worker makes steps.
struct Maker {
    dataset: Arc<dyn Dataset>,
    collate: Arc<dyn Collate>,
    config: LoaderConfig,
}

impl Maker {
    /// The batches of this rank's part of `plan`. A panic in the data set or the collator becomes an error.
    fn make(&self, plan: &StepPlan) -> Result<StepData, LoadError> {
        caught(plan.end.step, || self.batches(plan.part(self.config.rank, self.config.world)))
    }

    fn batches(&self, plan: StepPlan) -> Result<StepData, LoadError> {
        let micro =
            (0..plan.micro.len()).map(|i| self.batch(&plan, i)).collect::<Result<_, _>>()?;
        Ok(StepData { plan, micro })
    }

    /// The batch of micro-batch `number` of `plan`.
    fn batch(&self, plan: &StepPlan, number: usize) -> Result<HostBatch, LoadError> {
        let mut examples = Vec::with_capacity(plan.micro[number].len());
        for SampleRef { epoch, index } in plan.micro[number].iter().copied() {
            match plan.max_row_length {
                None => examples.push(self.dataset.get(index, epoch)?),
                Some(length) => examples.extend(self.dataset.pieces(index, epoch, length)?),
            }
        }
        let seed = self.config.seed;
        let batch = match &plan.packs {
            None => self.collate.collate(&examples, seed)?,
            Some(packs) => self.collate.collate_packs(&examples, &packs[number], seed)?,
        };
        recycle::give_back_pixels(examples);
        Ok(batch)
    }
}

/// Runs `work` for step `step`. A panic becomes an error.
fn caught<T>(step: u64, work: impl FnOnce() -> Result<T, LoadError>) -> Result<T, LoadError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(LoadError::Panic { step, message: panic_message(&*panic) }))
}

type Steps = Box<dyn Iterator<Item = StepPlan> + Send>;
/// The number of a step, counted from the start of this loader, and the step; `None` after the last plan.
type Numbered = (u64, Option<Result<StepData, LoadError>>);

/// An iterator over the steps of a [`Batching`] from a position on. The steps are in order and the same for any number of
/// workers.
///
/// It ends after the first error. Dropping it ends and joins its threads.
pub struct Loader {
    maker: Arc<Maker>,
    source: SourceOfSteps,
    position: Position,
    next: u64,
    done: bool,
}

enum SourceOfSteps {
    Inline(Steps),
    Threads(Threads),
}

/// The running workers. A worker takes a ticket before each plan, and the consumer returns a ticket for each step that
/// it takes, so at most `workers + prefetch` steps exist at any time.
struct Threads {
    tickets: Option<Sender<()>>,
    results: Option<Receiver<Numbered>>,
    waiting: BTreeMap<u64, Option<Result<StepData, LoadError>>>,
    handles: Vec<JoinHandle<()>>,
}

impl Loader {
    /// A loader whose first step is the one after `from`.
    ///
    /// # Errors
    /// If threads cannot be started.
    pub fn new(
        dataset: Arc<dyn Dataset>,
        collate: Arc<dyn Collate>,
        batching: Arc<dyn Batching>,
        config: LoaderConfig,
        from: Position,
    ) -> Result<Self, LoadError> {
        let steps: Steps = Box::new(batching.steps(from).fuse());
        let maker = Arc::new(Maker { dataset, collate, config });
        let source = match config.workers {
            0 => SourceOfSteps::Inline(steps),
            workers => SourceOfSteps::Threads(Threads::start(steps, &maker, workers)?),
        };
        Ok(Self { maker, source, position: from, next: 0, done: false })
    }

    /// Makes the batches of `plan`, which is this rank's part already, in the calling thread. It serves steps whose
    /// micro-batches must be cut smaller ([`StepPlan::cut`]).
    ///
    /// # Errors
    /// If a row cannot be read or rows cannot be collated.
    pub fn make(&self, plan: StepPlan) -> Result<StepData, LoadError> {
        caught(plan.end.step, || self.maker.batches(plan))
    }

    /// The position after the last step yielded: where a resumed run starts.
    pub fn position(&self) -> Position {
        self.position
    }
}

impl Iterator for Loader {
    type Item = Result<StepData, LoadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = match &mut self.source {
            SourceOfSteps::Inline(steps) => steps.next().map(|plan| self.maker.make(&plan)),
            SourceOfSteps::Threads(threads) => threads
                .take(self.next)
                .unwrap_or(Some(Err(LoadError::Gone(self.position.step + 1)))),
        };
        self.next += 1;
        match &step {
            Some(Ok(data)) => self.position = data.plan.end,
            Some(Err(_)) | None => self.done = true,
        }
        step
    }
}

impl Threads {
    fn start(steps: Steps, maker: &Arc<Maker>, workers: usize) -> Result<Self, LoadError> {
        let room = workers + maker.config.prefetch;
        let (tickets, ticket_desk) = crossbeam_channel::bounded(room);
        let (sender, results) = crossbeam_channel::bounded(room);
        for _ in 0..room {
            // The channel was made with this much room, and its receiver is in scope.
            let _ = tickets.send(());
        }
        let queue = Arc::new(Mutex::new((0_u64, steps)));
        let mut threads = Self {
            tickets: Some(tickets),
            results: Some(results),
            waiting: BTreeMap::new(),
            handles: Vec::with_capacity(workers),
        };
        for i in 0..workers {
            let (queue, maker) = (Arc::clone(&queue), Arc::clone(maker));
            let (ticket_desk, sender) = (ticket_desk.clone(), sender.clone());
            let handle = std::thread::Builder::new()
                .name(format!("sst-loader-{i}"))
                .spawn(move || work(&queue, &maker, &ticket_desk, &sender))
                .map_err(LoadError::Spawn)?;
            threads.handles.push(handle);
        }
        Ok(threads)
    }

    /// Step number `number`: `None` if the workers are gone, `Some(None)` after the last step.
    fn take(&mut self, number: u64) -> Option<Option<Result<StepData, LoadError>>> {
        loop {
            if let Some(step) = self.waiting.remove(&number) {
                // Workers that have ended need no ticket.
                let _ = self.tickets.as_ref()?.try_send(());
                return Some(step);
            }
            let (number, step) = self.results.as_ref()?.recv().ok()?;
            self.waiting.insert(number, step);
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Closing both channels makes every worker's next receive or send fail, and so end.
        self.tickets = None;
        self.results = None;
        for handle in self.handles.drain(..) {
            // Panics were caught inside; there is nothing to report from a worker that ended.
            let _ = handle.join();
        }
    }
}

fn work(
    queue: &Mutex<(u64, Steps)>,
    maker: &Maker,
    tickets: &Receiver<()>,
    results: &Sender<Numbered>,
) {
    while tickets.recv().is_ok() {
        let (number, plan) = {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            let number = queue.0;
            queue.0 += 1;
            match catch_unwind(AssertUnwindSafe(|| queue.1.next())) {
                Ok(plan) => (number, Ok(plan)),
                Err(panic) => (number, Err(panic_message(&*panic))),
            }
        };
        let step = match plan {
            Ok(Some(plan)) => Some(maker.make(&plan)),
            Ok(None) => None,
            Err(message) => Some(Err(LoadError::Panic { step: number + 1, message })),
        };
        let last = !matches!(step, Some(Ok(_)));
        if results.send((number, step)).is_err() || last {
            return;
        }
    }
}
