//! The profiler of a run: how long the operators of a step take.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Instant;

use sst_kernels::{OperatorEvent, Profiler};
use tch::Device;

use crate::error::TrainError;

/// The number of steps after the start or a resume that are not recorded, because the allocator is still getting memory
/// from the system.
const WARM_UP: u64 = 5;
/// The number of rows in the tables that tell operators apart by the shapes of their inputs.
const MOST_ROWS: usize = 25;

/// The settings of the profiler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileConfig {
    /// The number of steps that are recorded. Recording begins five steps after the start or the resume.
    pub steps: u64,
    /// The folder for the results: `table.md`, and `trace.json` in Chrome's format for `chrome://tracing` or Perfetto.
    pub folder: PathBuf,
}

/// The profiler of a run in progress.
pub(crate) struct Profile {
    config: ProfileConfig,
    is_cuda: bool,
    /// The first step that is recorded, counted from 0.
    first: u64,
    /// libtorch's profiler and the time of its start, while steps are recorded.
    running: Option<(Profiler, Instant)>,
}

impl Profile {
    /// A profiler for a run that starts, or resumes, after `step` steps.
    pub(crate) fn new(config: ProfileConfig, step: u64, device: Device) -> Self {
        Self { config, is_cuda: device.is_cuda(), first: step + WARM_UP, running: None }
    }

    /// To be called before step number `step`, counted from 0.
    pub(crate) fn before_step(&mut self, step: u64) -> Result<(), TrainError> {
        if step == self.first {
            self.running = Some((Profiler::start(self.is_cuda)?, Instant::now()));
        }
        Ok(())
    }

    /// To be called when `step` steps are done. `is_end` says that the run ends. Once all steps are recorded, or at the
    /// end of the run, it writes the results.
    pub(crate) fn after_step(&mut self, step: u64, is_end: bool) -> Result<(), TrainError> {
        if is_end && step <= self.first {
            tracing::warn!(
                "nothing was recorded: the run ended before step {}, with which the profile begins",
                self.first + 1
            );
        }
        let is_complete = step == self.first + self.config.steps;
        let Some((profiler, began)) = self.running.take_if(|_| is_complete || is_end) else {
            return Ok(());
        };
        let seconds = began.elapsed().as_secs_f64();
        let folder = &self.config.folder;
        std::fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
        let events = profiler.stop(&folder.join("trace.json"))?;
        let text = report(&events, step - self.first, seconds);
        let path = folder.join("table.md");
        sst_data::atomic::write(&path, text.as_bytes()).map_err(TrainError::io(&path))?;
        tracing::info!("the profile of {} steps is in {}", step - self.first, folder.display());
        Ok(())
    }
}

/// The calls of one operator and their self time: the time without that of the operators that it calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct OperatorTime {
    calls: u64,
    self_ns: u64,
}

/// The self time of each event in nanoseconds.
fn self_times(events: &[OperatorEvent]) -> Vec<u64> {
    let mut order: Vec<usize> = (0..events.len()).collect();
    // Of two events that start at the same time, the longer one comes first, as it contains the other one.
    let key = |i: &usize| {
        let event = &events[*i];
        (event.on_device, event.thread, event.start_ns, u64::MAX - event.duration_ns)
    };
    order.sort_by_key(key);
    let mut self_times: Vec<u64> = events.iter().map(|event| event.duration_ns).collect();
    // The events that have started and not ended yet. Each one contains the next one.
    let mut open: Vec<usize> = Vec::new();
    for i in order {
        let event = &events[i];
        let contains_event = |outer: &usize| {
            let outer = &events[*outer];
            (outer.on_device, outer.thread) == (event.on_device, event.thread)
                && event.start_ns < outer.start_ns + outer.duration_ns
        };
        while open.last().is_some_and(|outer| !contains_event(outer)) {
            open.pop();
        }
        if let Some(outer) = open.last() {
            self_times[*outer] = self_times[*outer].saturating_sub(event.duration_ns);
        }
        open.push(i);
    }
    self_times
}

/// The report in Markdown, for events of `steps` steps that took `seconds` altogether.
fn report(events: &[OperatorEvent], steps: u64, seconds: f64) -> String {
    let self_times = self_times(events);
    let mut text = format!(
        "# Where the time of a step goes\n\n{steps} steps in {seconds:.3} s, {:.2} ms each, recording included. \
         The self time of an operator does not include the operators that it calls.\n",
        1e3 * seconds / steps.max(1) as f64
    );
    for (on_device, title) in [(false, "On the host"), (true, "On the device")] {
        let times = || {
            let pairs = events.iter().zip(&self_times);
            pairs.filter(|(event, _)| event.on_device == on_device)
        };
        if times().next().is_none() {
            continue;
        }
        let _ = write!(text, "\n## {title}\n");
        let by_name = times().map(|(event, self_ns)| (event.name.clone(), *self_ns));
        write_table(&mut text, by_name, steps, seconds, usize::MAX);
        let _ = write!(text, "\n## {title}, by shapes\n");
        let by_shapes =
            times().map(|(event, self_ns)| (format!("{} {}", event.name, event.shapes), *self_ns));
        write_table(&mut text, by_shapes, steps, seconds, MOST_ROWS);
    }
    text
}

/// Adds a table with a row for each name, the longest self time first and at most `limit` rows. `times` are names with
/// the self time of one call.
fn write_table(
    text: &mut String,
    times: impl Iterator<Item = (String, u64)>,
    steps: u64,
    seconds: f64,
    limit: usize,
) {
    let mut totals: BTreeMap<String, OperatorTime> = BTreeMap::new();
    for (name, self_ns) in times {
        let total = totals.entry(name).or_default();
        total.calls += 1;
        total.self_ns += self_ns;
    }
    let mut rows: Vec<_> = totals.into_iter().collect();
    rows.sort_by_key(|(name, total)| (std::cmp::Reverse(total.self_ns), name.clone()));
    *text += "\n| operator | calls a step | self ms a step | share |\n| --- | --- | --- | --- |\n";
    let per_step = |value: f64| value / steps.max(1) as f64;
    for (name, OperatorTime { calls, self_ns }) in rows.into_iter().take(limit) {
        let _ = writeln!(
            text,
            "| {name} | {:.1} | {:.3} | {:.1} % |",
            per_step(calls as f64),
            per_step(self_ns as f64 / 1e6),
            self_ns as f64 / (seconds * 1e7)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, thread: u64, start_ns: u64, duration_ns: u64) -> OperatorEvent {
        let (name, shapes) = (name.to_owned(), "2x3".to_owned());
        OperatorEvent { name, shapes, thread, start_ns, duration_ns, on_device: false }
    }

    #[test]
    fn self_time_does_not_include_the_operators_that_are_called() {
        let events = [
            event("inner", 1, 12, 3),
            event("outer", 1, 10, 10),
            event("middle", 1, 11, 5),
            event("other thread", 2, 12, 4),
            event("same start", 1, 10, 1),
            event("next", 1, 20, 7),
        ];
        assert_eq!(self_times(&events), [3, 4, 2, 4, 1, 7]);
        let text = report(&events, 2, 5e-8);
        assert!(text.contains("| next | 0.5 | 0.000 | 14.0 % |"), "{text}");
    }
}
