//! Integration tests of sst-train, on a toy model and a toy objective.

mod checkpoint;
mod fit;
mod nonfinite;
mod optim;
mod plot;
mod policy;
mod progress;
mod resume;
mod schedule;
mod tensorboard;
mod toy;
mod units;
