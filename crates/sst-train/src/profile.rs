//! Where the time of a step goes, by operator.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Instant;

use sst_kernels::{OperatorEvent, Profiler};
use tch::Device;

use crate::error::TrainError;

/// Steps at the beginning that are not recorded: memory is still being asked for.
const WARM_UP: u64 = 5;
/// Operators with shapes that the table lists.
const LISTED: usize = 25;

/// What is recorded of a run, and where that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileConfig {
    /// So many steps, after the first five of this part of the run.
    pub steps: u64,
    /// The folder for `table.md` and `trace.json` (Chrome's format, for `chrome://tracing` or Perfetto).
    pub folder: PathBuf,
}

/// The profile of a run in progress.
pub(crate) struct Profile {
    config: ProfileConfig,
    cuda: bool,
    /// The first step that is recorded.
    first: u64,
    running: Option<(Profiler, Instant)>,
}

impl Profile {
    /// Of a run that goes on from `step`.
    pub(crate) fn new(config: ProfileConfig, step: u64, device: Device) -> Self {
        Self { config, cuda: device.is_cuda(), first: step + WARM_UP, running: None }
    }

    /// Before step number `step`, from 0.
    pub(crate) fn before(&mut self, step: u64) -> Result<(), TrainError> {
        if step == self.first {
            self.running = Some((Profiler::start(self.cuda)?, Instant::now()));
        }
        Ok(())
    }

    /// After `step` steps; `last` if there are no more.
    pub(crate) fn after(&mut self, step: u64, last: bool) -> Result<(), TrainError> {
        if last && step <= self.first {
            let steps = self.first + 1;
            tracing::warn!("nothing was recorded: a profile begins with step {steps} of this part");
        }
        let enough = step == self.first + self.config.steps;
        let Some((profiler, began)) = self.running.take_if(|_| enough || last) else {
            return Ok(());
        };
        let seconds = began.elapsed().as_secs_f64();
        let folder = &self.config.folder;
        std::fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
        let events = profiler.stop(&folder.join("trace.json"))?;
        let table = table(&events, step - self.first, seconds);
        let path = folder.join("table.md");
        sst_data::atomic::write(&path, table.as_bytes()).map_err(TrainError::io(&path))?;
        tracing::info!("the profile of {} steps is in {}", step - self.first, folder.display());
        Ok(())
    }
}

/// Calls and time of one operator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Spent {
    calls: u64,
    /// Without what it called.
    own_ns: u64,
}

/// The time of each event without that of the events inside it.
fn own_times(events: &[OperatorEvent]) -> Vec<u64> {
    let mut order: Vec<usize> = (0..events.len()).collect();
    // Those outside come before those inside that begin at the same moment.
    let key = |i: &usize| {
        let event = &events[*i];
        (event.on_device, event.thread, event.start_ns, u64::MAX - event.duration_ns)
    };
    order.sort_by_key(key);
    let mut own: Vec<u64> = events.iter().map(|event| event.duration_ns).collect();
    let mut open: Vec<usize> = Vec::new();
    for i in order {
        let event = &events[i];
        let holds = |outer: &usize| {
            let outer = &events[*outer];
            (outer.on_device, outer.thread) == (event.on_device, event.thread)
                && event.start_ns < outer.start_ns + outer.duration_ns
        };
        while open.last().is_some_and(|outer| !holds(outer)) {
            open.pop();
        }
        if let Some(outer) = open.last() {
            own[*outer] = own[*outer].saturating_sub(event.duration_ns);
        }
        open.push(i);
    }
    own
}

fn table(events: &[OperatorEvent], steps: u64, seconds: f64) -> String {
    let own = own_times(events);
    let mut text = format!(
        "# Where the time of a step goes\n\n{steps} steps in {seconds:.3} s, {:.2} ms each, recording included. \
         An operator's own time is without the operators it calls.\n",
        1e3 * seconds / steps.max(1) as f64
    );
    let kinds = [(false, "On the host"), (true, "On the device")];
    for (on_device, title) in kinds {
        let pairs = || events.iter().zip(&own).filter(|(event, _)| event.on_device == on_device);
        if pairs().next().is_none() {
            continue;
        }
        let _ = write!(text, "\n## {title}\n");
        section(
            &mut text,
            pairs().map(|(e, own)| (e.name.clone(), *own)),
            steps,
            seconds,
            usize::MAX,
        );
        let _ = write!(text, "\n## {title}, by shapes\n");
        let by_shape = pairs().map(|(e, own)| (format!("{} {}", e.name, e.shapes), *own));
        section(&mut text, by_shape, steps, seconds, LISTED);
    }
    text
}

fn section(
    text: &mut String,
    events: impl Iterator<Item = (String, u64)>,
    steps: u64,
    seconds: f64,
    limit: usize,
) {
    let mut all: BTreeMap<String, Spent> = BTreeMap::new();
    for (name, own_ns) in events {
        let spent = all.entry(name).or_default();
        spent.calls += 1;
        spent.own_ns += own_ns;
    }
    let mut rows: Vec<_> = all.into_iter().collect();
    rows.sort_by_key(|(name, spent)| (std::cmp::Reverse(spent.own_ns), name.clone()));
    *text += "\n| operator | calls a step | own ms a step | share |\n| --- | --- | --- | --- |\n";
    let a_step = |value: f64| value / steps.max(1) as f64;
    for (name, Spent { calls, own_ns }) in rows.into_iter().take(limit) {
        let _ = writeln!(
            text,
            "| {name} | {:.1} | {:.3} | {:.1} % |",
            a_step(calls as f64),
            a_step(own_ns as f64 / 1e6),
            own_ns as f64 / (seconds * 1e7)
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
    fn own_time_is_without_what_was_called() {
        let events = [
            event("inner", 1, 12, 3),
            event("outer", 1, 10, 10),
            event("middle", 1, 11, 5),
            event("other thread", 2, 12, 4),
            event("same start", 1, 10, 1),
            event("next", 1, 20, 7),
        ];
        assert_eq!(own_times(&events), [3, 4, 2, 4, 1, 7]);
        let table = table(&events, 2, 5e-8);
        assert!(table.contains("| next | 0.5 | 0.000 | 14.0 % |"), "{table}");
    }
}
