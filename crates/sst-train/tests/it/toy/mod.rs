//! A toy model with dropout, a toy objective with a parameter and a state, toy data, and a run with them in a folder.

mod data;
mod model;
mod objective;
mod threads;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sst_core::checkpoint::write_tensors;
use sst_core::{Metrics, Model, Objective, Ranks, Solo, Tracker};
use sst_data::Ledger;
use sst_data::batching::{FixedBatches, Position};
use sst_data::loader::{Loader, LoaderConfig};
use sst_train::track::Jsonl;
use sst_train::{
    Fault, Fit, FitConfig, OptimizerConfig, Outcome, Restored, Retention, Saver, ScheduleConfig,
    ScheduleName, TaskEvaluator, Tasks, TrainError, WriteModel, fit,
};
use tch::Tensor;

pub(crate) use self::data::{HeldOut, Record, Rows, Watched};
pub(crate) use self::model::Toy;
pub(crate) use self::objective::{Count, NextToken};
pub(crate) use self::threads::Threads;

pub(crate) const VOCAB: i64 = 16;
pub(crate) const ROWS: u64 = 50;
const WIDTH: i64 = 8;

/// The settings of most tests.
pub(crate) fn config(total_steps: u64) -> FitConfig {
    FitConfig {
        total_steps,
        max_grad_norm: Some(0.5),
        log_every: 3,
        seed: 7,
        optimizer: OptimizerConfig { lr: 0.05, ..OptimizerConfig::default() },
        // The learning rate is constant, so that a run of ten steps equals the first ten steps of a longer run.
        schedule: ScheduleConfig { name: ScheduleName::Constant, ..ScheduleConfig::default() },
        ..FitConfig::default()
    }
}

/// Keeps the newest `last` checkpoints (all if it is 0) and the best one.
pub(crate) fn keep(last: usize) -> Retention {
    Retention { last, ..Retention::default() }
}

/// Waits until no other test runs the toy, and keeps others waiting until the guard is dropped. Dropout draws from
/// libtorch's random number generator, of which the process has only one.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run of the toy, with the settings that tests vary.
pub(crate) struct Run<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) model: Toy,
    pub(crate) objective: NextToken,
    pub(crate) micro_batch_size: usize,
    pub(crate) fault: Option<Fault>,
    pub(crate) ledger: Ledger,
    pub(crate) record: Record,
    pub(crate) stop: Arc<AtomicBool>,
    /// Set `stop` during this step, counted from the start or the resume.
    pub(crate) stop_after: Option<u64>,
    /// Let the export of this step fail.
    pub(crate) broken_export: Option<u64>,
    /// The time that an export takes.
    pub(crate) slow_export: Duration,
    /// A tensor with one number, which an evaluator reports beside the loss.
    pub(crate) watched: Option<Tensor>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(folder: &'a Path) -> Self {
        Self {
            folder,
            model: Toy::new(0.2),
            objective: NextToken::new(),
            micro_batch_size: 8,
            fault: None,
            ledger: Ledger::new(),
            record: Record::default(),
            stop: Arc::new(AtomicBool::new(false)),
            stop_after: None,
            broken_export: None,
            slow_export: Duration::ZERO,
            watched: None,
        }
    }

    pub(crate) fn saver(&self) -> Saver {
        Saver::new(self.folder)
    }

    /// Starts a new run.
    pub(crate) fn fit(&mut self, config: FitConfig) -> std::result::Result<Outcome, TrainError> {
        self.run(config, None)
    }

    /// Resumes from the newest complete checkpoint.
    pub(crate) fn resume(&mut self, config: FitConfig) -> std::result::Result<Outcome, TrainError> {
        let checkpoint = self.saver().latest_good()?.expect("a checkpoint");
        let restored = checkpoint.restore(&mut self.model, &mut [("", &mut self.objective)])?;
        self.run(config, Some(restored))
    }

    /// Runs as the only rank.
    fn run(
        &mut self,
        config: FitConfig,
        resume: Option<Restored>,
    ) -> std::result::Result<Outcome, TrainError> {
        let _turn = turn();
        self.fit_ranks(config, resume, &Solo)
    }

    /// Runs as one of several ranks. The caller holds the guard of [`turn`].
    pub(crate) fn fit_ranks(
        &mut self,
        config: FitConfig,
        resume: Option<Restored>,
        ranks: &dyn Ranks,
    ) -> std::result::Result<Outcome, TrainError> {
        let saver = self.saver();
        let step = resume.as_ref().map_or(0, |restored| restored.state.step);
        let (collate, micro, seed) = (self.objective.collate(), self.micro_batch_size, config.seed);
        let stop = self.stop_after.map(|step| (step * 8 - 3, Arc::clone(&self.stop)));
        let open_loader = move |from: Position, ranks: &dyn Ranks| {
            let (rank, world) = (ranks.rank(), ranks.world());
            let steps = FixedBatches::new(seed, ROWS, 8, micro).unwrap();
            let settings = LoaderConfig { seed, workers: 0, prefetch: 2, rank, world };
            let rows = Rows { stop: stop.clone(), ..Rows::default() };
            Ok(Loader::new(Arc::new(rows), collate.clone(), Arc::new(steps), settings, from)?)
        };
        let broken = self.broken_export;
        let slow = self.slow_export;
        let export = |model: &dyn Model, _: &Metrics| -> Result<WriteModel, TrainError> {
            let (tensors, config) = (model.params().to_cpu()?, model.config().to_string());
            Ok(Box::new(move |folder| {
                std::thread::sleep(slow);
                let path = folder.to_string_lossy();
                if broken.is_some_and(|step| path.contains(&format!("{step:08}"))) {
                    return Err(TrainError::Other("the export is broken".into()));
                }
                write_tensors(&folder.join("model.safetensors"), &tensors, &[])?;
                sst_data::atomic::write(&folder.join("config.json"), config.as_bytes()).unwrap();
                Ok(())
            }))
        };
        let mut trackers: Vec<Box<dyn Tracker>> = vec![Box::new(self.record.clone())];
        if ranks.rank() == 0 {
            trackers.insert(0, Box::new(Jsonl::open(&self.folder.join("metrics.jsonl"), step)?));
        }
        let mut evaluators = vec![TaskEvaluator::new(Box::new(HeldOut))];
        if let Some(watched) = &self.watched {
            evaluators.push(TaskEvaluator::new(Box::new(Watched(watched.shallow_clone()))));
        }
        fit(Fit {
            config,
            ranks,
            model: &mut self.model,
            tasks: Tasks::one(&mut self.objective, &open_loader),
            evaluators: &mut evaluators,
            trackers: &mut trackers,
            saver: &saver,
            export: &export,
            ledger: &self.ledger,
            stop: &self.stop,
            resume,
            fault: self.fault,
        })
    }
}

/// The numbers of a tensor.
pub(crate) fn values(tensor: &Tensor) -> Vec<f32> {
    Vec::<f32>::try_from(tensor.detach().flatten(0, -1)).unwrap()
}
