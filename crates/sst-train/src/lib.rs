//! The training engine of sst.
//!
//! [`fit()`] is the outer loop: it takes steps, and does what the [`Policy`] says after each (log,
//! evaluate, save, delete). One step is the algorithm in `step.rs`. The [`Saver`] owns the checkpoints on
//! disk, [`track`] holds the listeners that write a run's record, [`optim`] the optimiser with a state
//! that can be saved, and [`schedule`] the learning rate as a pure function of the step.
//!
//! Only this crate calls backward or an optimiser. It knows no model and no objective by name.

pub mod error;
mod finite;
pub mod fit;
pub mod optim;
pub mod policy;
pub mod precision;
pub mod saver;
pub mod schedule;
mod state;
mod step;
pub mod track;
mod window;

pub use error::TrainError;
pub use fit::{Export, Fault, Fit, FitConfig, Outcome, fit};
pub use optim::{Optimizer, OptimizerConfig, OptimizerName};
pub use policy::{Action, Policy};
pub use precision::Precision;
pub use saver::{Checkpoint, Saver};
pub use schedule::{Decay, ScheduleConfig, ScheduleName};
pub use state::{Best, Restored, TrainerState};
pub use window::WindowState;
