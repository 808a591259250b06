//! The progress of a run as lines of text.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sst_core::{Event, Metrics, Tracker};
use sst_train::track::Progress;

/// A writer that the test can read from.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The report of a step, with a loss and a speed.
fn step(step: u64) -> Event {
    Event::Step {
        step,
        metrics: Metrics::from([("loss".into(), 5.43219)]),
        timing: Metrics::from([
            ("tokens_per_second".into(), 1_234_567.8),
            ("seconds_per_step".into(), 0.5),
        ]),
    }
}

/// Sends the events of a run, and compares the text. `every` is the time between two lines for steps.
#[track_caller]
fn check(every: Duration, expected: &str) {
    let out = Shared::default();
    let mut progress = Progress::lines(Box::new(out.clone()), every);
    let metrics = Metrics::from([("loss".into(), 4.5)]);
    for event in [
        Event::Start { step: 0, total_steps: 300, parameters: 1024 },
        step(10),
        step(20),
        Event::Evaluation { step: 20, name: "mlm".into(), metrics },
        Event::Saved { step: 20, path: "runs/a/checkpoints/step-00000020".into() },
        step(300),
        Event::End { step: 300 },
    ] {
        progress.on_event(&event).unwrap();
    }
    assert_eq!(String::from_utf8(out.0.lock().unwrap().clone()).unwrap(), expected);
}

#[test]
fn every_report_has_a_line() {
    check(
        Duration::ZERO,
        "step 0/300: 1,024 trainable parameters\n\
         step 10/300: loss 5.4322  1,234,567 tokens/s  2m25s left\n\
         step 20/300: loss 5.4322  1,234,567 tokens/s  2m20s left\n\
         step 20/300: mlm  loss 4.5000\n\
         step 20/300: saved runs/a/checkpoints/step-00000020\n\
         step 300/300: loss 5.4322  1,234,567 tokens/s  0s left\n",
    );
}

#[test]
fn of_many_reports_in_a_short_time_the_first_and_the_last_have_a_line() {
    check(
        Duration::from_secs(3600),
        "step 0/300: 1,024 trainable parameters\n\
         step 10/300: loss 5.4322  1,234,567 tokens/s  2m25s left\n\
         step 20/300: mlm  loss 4.5000\n\
         step 20/300: saved runs/a/checkpoints/step-00000020\n\
         step 300/300: loss 5.4322  1,234,567 tokens/s  0s left\n",
    );
}

#[test]
fn utilisation_is_shown_if_it_is_known_and_what_is_counted() {
    let out = Shared::default();
    let progress = Progress::lines(Box::new(out.clone()), Duration::ZERO);
    let mut progress = progress.counting("pictures");
    let Event::Step { step, metrics, mut timing } = step(10) else { panic!() };
    timing.insert("mfu".into(), 0.3456);
    progress.on_event(&Event::Step { step, metrics, timing }).unwrap();
    let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("1,234,567 pictures/s  mfu 34.6%"), "{text}");
}
