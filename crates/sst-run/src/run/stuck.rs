//! Warns if the loss of an objective stays at that of a model which has learned nothing.

use sst_core::objective::UNTRAINED_LOSS;
use sst_core::{Event, Metrics, Result, Tracker};

/// A loss above this fraction of the untrained one has learned nothing.
const STUCK: f64 = 0.99;
/// The steps after which a loss should have moved. A short warmup is over by then.
const STEPS: u64 = 200;

/// Watches the loss of each task whose objective logs [`UNTRAINED_LOSS`], and warns once.
#[derive(Debug, Default)]
pub(super) struct StuckLoss {
    /// The step that the run started or resumed at.
    from: u64,
    has_warned: bool,
}

impl StuckLoss {
    /// The warning for the metrics of `step`, if a loss is stuck.
    fn warning(&self, step: u64, metrics: &Metrics) -> Option<String> {
        if self.has_warned || step < self.from + STEPS {
            return None;
        }
        metrics.iter().find_map(|(name, untrained)| {
            let task = name.strip_suffix(UNTRAINED_LOSS)?;
            let loss = *metrics.get(&format!("{task}loss"))?;
            (loss > STUCK * untrained).then(|| {
                format!(
                    "after {step} steps the loss is {loss:.4}, and a model that has learned nothing has {untrained:.4}: \
                     check that captions belong to their pictures, and try a longer train.schedule.warmup, or a smaller \
                     or greater train.optimizer.lr"
                )
            })
        })
    }
}

impl Tracker for StuckLoss {
    fn on_event(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Start { step, .. } => self.from = *step,
            Event::Step { step, metrics, .. } => {
                if let Some(warning) = self.warning(*step, metrics) {
                    tracing::warn!("{warning}");
                    self.has_warned = true;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(task: &str, loss: f64) -> Metrics {
        [("loss", loss), (UNTRAINED_LOSS, 5.0)]
            .map(|(name, value)| (format!("{task}{name}"), value))
            .into()
    }

    #[test]
    fn a_loss_that_stays_at_that_of_an_untrained_model_is_told_of_once() {
        for task in ["", "emoji/"] {
            let mut stuck = StuckLoss::default();
            stuck.on_event(&Event::Start { step: 100, total_steps: 900, parameters: 1 }).unwrap();
            assert_eq!(stuck.warning(299, &metrics(task, 5.0)), None);
            assert_eq!(stuck.warning(300, &metrics(task, 4.9)), None);
            let warning = stuck.warning(300, &metrics(task, 4.96)).unwrap();
            assert!(warning.contains("after 300 steps the loss is 4.9600"), "{warning}");
            let timing = Metrics::new();
            stuck
                .on_event(&Event::Step { step: 300, metrics: metrics(task, 5.1), timing })
                .unwrap();
            assert_eq!(stuck.warning(400, &metrics(task, 5.1)), None);
        }
        // Another objective says nothing of an untrained model.
        let other = Metrics::from([("loss".to_owned(), 9.0)]);
        assert_eq!(StuckLoss::default().warning(500, &other), None);
    }
}
