//! The training loop of sst.
//!
//! ```
//! use std::path::Path;
//! use std::sync::Arc;
//! use std::sync::atomic::AtomicBool;
//!
//! use sst_core::{Metrics, Model, Objective, Ranks, Solo};
//! use sst_data::Ledger;
//! use sst_data::batching::{Batching, Position};
//! use sst_data::loader::{Loader, LoaderConfig};
//! use sst_data::rows::Dataset;
//! use sst_train::{Fit, FitConfig, Outcome, Saver, Tasks, TrainError, WriteModel};
//!
//! /// Trains `model` on `rows`, one process alone. `folder` gets the checkpoints.
//! fn train(
//!     model: &mut dyn Model,
//!     objective: &mut dyn Objective,
//!     rows: Arc<dyn Dataset>,
//!     batching: Arc<dyn Batching>,
//!     write: fn(&dyn Model) -> Result<WriteModel, TrainError>,
//!     folder: &Path,
//! ) -> Result<Outcome, TrainError> {
//!     let collate = objective.collate();
//!     let open_loader = |from: Position, _: &dyn Ranks| {
//!         let (rows, collate, batching) = (rows.clone(), collate.clone(), batching.clone());
//!         Ok(Loader::new(rows, collate, batching, LoaderConfig::default(), from)?)
//!     };
//!     sst_train::fit(Fit {
//!         // Everything else has a default: AdamW, a linear schedule, clipping, fp32.
//!         config: FitConfig { total_steps: 1000, save_every: Some(200), ..FitConfig::default() },
//!         ranks: &Solo,
//!         model,
//!         tasks: Tasks::one(objective, &open_loader),
//!         evaluators: &mut [],
//!         trackers: &mut [],
//!         saver: &Saver::new(folder),
//!         export: &|model: &dyn Model, _: &Metrics| write(model),
//!         ledger: &Ledger::new(),
//!         stop: &AtomicBool::new(false),
//!         resume: None,
//!         fault: None,
//!     })
//! }
//! ```
//!
//! `examples/own_objective.rs` calls it with an objective of its own.
//!
//! [`fit()`] is the outer loop. It runs one step after the other, and after each step it carries out the actions of the
//! [`Policy`]: log, evaluate, save, delete. `step.rs` is the algorithm of one step. The [`Saver`] manages the
//! checkpoints on disk, and [`track`] has the trackers that write metrics. [`optim`] has the optimisers, [`schedule`]
//! the learning rate as a pure function of the step, [`scaler`] the loss scaling of fp16, and [`ema`] the moving
//! average of the weights.
//!
//! Only this crate runs backward passes and optimisers, and it refers to no model and no objective by name.

mod agree;
mod config;
mod early_stopping;
pub mod ema;
pub mod error;
mod fault;
mod finite;
pub mod fit;
mod freeze;
mod master_weights;
mod memory;
mod micro;
pub mod optim;
mod peak;
pub mod policy;
pub mod precision;
mod profile;
mod reduce;
mod row_keys;
pub mod saver;
pub mod scaler;
pub mod schedule;
pub mod setting;
mod state;
mod step;
mod sums;
mod task_name;
pub mod track;
mod unfreeze;
mod window;

pub use config::FitConfig;
pub use early_stopping::{EarlyStopping, EarlyStoppingState};
pub use ema::{Ema, EmaConfig};
pub use error::TrainError;
pub use fault::Fault;
pub use fit::{Export, Fit, OpenLoader, Outcome, StopReason, TaskEvaluator, Tasks, TrainTask, fit};
pub use freeze::freeze;
pub use optim::{Optimizer, OptimizerConfig, OptimizerName};
pub use peak::measure_peak;
pub use policy::{Action, Best, BestBy, Direction, Policy, Retention};
pub use precision::{Precision, PrecisionChoice};
pub use profile::ProfileConfig;
pub use saver::{Checkpoint, CheckpointInfo, Pruned, Saver, WriteModel};
pub use scaler::{LossScaling, Scaler, ScalerState};
pub use schedule::{Decay, ScheduleConfig, ScheduleName};
pub use state::{Exported, Restored, Spent, TaskState, TrainerState};
pub use unfreeze::Unfreeze;
pub use window::{TaskSums, WindowState};
