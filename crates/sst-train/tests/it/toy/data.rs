//! Rows of tokens, evaluators, and a tracker that keeps all events.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sst_core::{
    Batch, Evaluator, Event, Forward, Model, Objective, Report, Result, StepContext, Tracker,
};
use sst_data::rows::{Dataset, DatasetError};
use sst_data::{Collate, Example, Field, Key, SeqRng};
use tch::{Device, Tensor};

use super::objective::Shift;
use super::{Count, NextToken, ROWS, VOCAB};

/// Rows of nine tokens that count upwards from a random token. One token in ten is replaced by a random one.
#[derive(Default)]
pub(crate) struct Rows {
    /// The number of rows that have been drawn.
    pub(crate) drawn: AtomicU64,
    /// A number of rows, and a flag to set when that many rows have been drawn. So a run is asked to stop in the middle
    /// of a step.
    pub(crate) stop: Option<(u64, Arc<AtomicBool>)>,
}

impl Dataset for Rows {
    fn len(&self) -> u64 {
        ROWS
    }

    fn row_length(&self, _index: u64) -> usize {
        9
    }

    fn get(&self, index: u64, epoch: u64) -> std::result::Result<Example, DatasetError> {
        let drawn = self.drawn.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some((_, flag)) = self.stop.as_ref().filter(|(limit, _)| drawn == *limit) {
            flag.store(true, Ordering::SeqCst);
        }
        let mut rng = SeqRng::new(1, "rows", 0, index);
        let start = rng.below(VOCAB as u64);
        let tokens = (0..9).map(|i| {
            let other = if rng.chance(0.1) { rng.below(VOCAB as u64) } else { 0 };
            ((start + i + other) % VOCAB as u64) as u32
        });
        let tokens = Field::Tokens(tokens.collect());
        Ok(Example { epoch, ..Example::new(self.key(index), index, "input_ids", tokens) })
    }

    fn key(&self, index: u64) -> Key {
        Key::new("rows.txt", index + 1)
    }
}

/// An evaluator of the mean loss of the first eight rows, without dropout.
pub(crate) struct HeldOut;

impl Evaluator for HeldOut {
    fn name(&self) -> &str {
        "held"
    }

    fn evaluate(&mut self, model: &dyn Model, _: Option<&dyn Objective>) -> Result<Report> {
        let examples: Vec<_> = (0..8).map(|i| Rows::default().get(i, 0).unwrap()).collect();
        let host = Shift(Count::Tokens).collate(&examples, 0).unwrap();
        let batch = Batch::from_host(&host, Device::Cpu)?;
        let context = StepContext { step: 0, micro: 0, forward: Forward::EVAL };
        let loss = tch::no_grad(|| NextToken::new().loss(model, &batch, &context))?.loss;
        Ok(Report::new("held", [("loss", loss.double_value(&[]) / 64.0)], []))
    }
}

/// An evaluator that reports the number in a tensor.
pub(crate) struct Watched(pub(crate) Tensor);

impl Evaluator for Watched {
    fn name(&self) -> &str {
        "watched"
    }

    fn evaluate(&mut self, _: &dyn Model, objective: Option<&dyn Objective>) -> Result<Report> {
        assert!(objective.is_some(), "an evaluator is given the objective of its task");
        Ok(Report::new("watched", [("value", self.0.double_value(&[0]))], []))
    }
}

/// A tracker that keeps all events.
#[derive(Clone, Default)]
pub(crate) struct Record(pub(crate) Arc<Mutex<Vec<Event>>>);

impl Tracker for Record {
    fn on_event(&mut self, event: &Event) -> Result<()> {
        self.0.lock().unwrap().push(event.clone());
        Ok(())
    }
}
