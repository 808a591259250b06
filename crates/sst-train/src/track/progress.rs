//! The progress of a run: a progress bar on a terminal, and otherwise a line of text every few seconds.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sst_core::{Error, Event, Metrics, Tracker};

/// The time between two lines of text for steps.
const EVERY: Duration = Duration::from_secs(5);

/// A tracker that shows the number of steps, the loss, the speed and the remaining time.
pub struct Progress {
    display: Display,
    total_steps: u64,
    /// What the speed counts.
    counted: &'static str,
}

/// How the progress is shown.
enum Display {
    /// As a progress bar on a terminal.
    Bar(ProgressBar),
    /// As lines of text. `last` is the time of the last line of a step.
    Lines { out: Box<dyn Write + Send>, every: Duration, last: Option<Instant> },
}

impl Progress {
    /// Shows the progress on stderr: as a bar if stderr is a terminal, and otherwise as a line every five seconds.
    pub fn stderr() -> Self {
        let hidden = ProgressDrawTarget::stderr().is_hidden();
        if hidden || !std::io::stderr().is_terminal() {
            return Self::lines(Box::new(std::io::stderr()), EVERY);
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self::new(Display::Bar(bar))
    }

    /// Writes lines of text to `out`: a line for a step at most once in `every`, and a line for every other event.
    pub fn lines(out: Box<dyn Write + Send>, every: Duration) -> Self {
        Self::new(Display::Lines { out, every, last: None })
    }

    fn new(display: Display) -> Self {
        Self { display, total_steps: 0, counted: "tokens" }
    }

    /// Calls what the speed counts by another name than `tokens`. Only the name changes.
    #[must_use]
    pub fn counting(self, counted: &'static str) -> Self {
        Self { counted, ..self }
    }

    /// Shows `text` for step `step`. `is_step` says that the text is about a step. Such a line is left out if the last
    /// one was written a short time ago and the run has more steps.
    fn show(&mut self, step: u64, text: &str, is_step: bool) -> std::io::Result<()> {
        match &mut self.display {
            Display::Bar(bar) if is_step => {
                bar.set_position(step);
                bar.set_message(text.to_owned());
            }
            Display::Bar(bar) => bar.println(format!("step {step}: {text}")),
            Display::Lines { out, every, last } => {
                let is_due = last.is_none_or(|last| last.elapsed() >= *every);
                if is_step && !is_due && step < self.total_steps {
                    return Ok(());
                }
                if is_step {
                    *last = Some(Instant::now());
                }
                writeln!(out, "step {step}/{}: {text}", self.total_steps)?;
                out.flush()?;
            }
        }
        Ok(())
    }

    fn show_event(&mut self, event: &Event) -> std::io::Result<()> {
        match event {
            Event::Start { step, total_steps, parameters } => {
                self.total_steps = *total_steps;
                if let Display::Bar(bar) = &self.display {
                    bar.set_length(*total_steps);
                    bar.set_position(*step);
                }
                self.show(*step, &format!("{} trainable parameters", grouped(*parameters)), false)
            }
            Event::Step { step, metrics, timing } => {
                let steps_left = self.total_steps.saturating_sub(*step);
                let text = step_text(metrics, timing, steps_left, self.counted);
                self.show(*step, &text, true)
            }
            Event::Evaluation { step, name, metrics } => {
                let values = metrics.iter().map(|(key, value)| format!("  {key} {value:.4}"));
                self.show(*step, &format!("{name}{}", values.collect::<String>()), false)
            }
            Event::Saved { step, path } => {
                self.show(*step, &format!("saved {}", path.display()), false)
            }
            Event::End { .. } => {
                if let Display::Bar(bar) = &self.display {
                    bar.abandon();
                }
                Ok(())
            }
        }
    }
}

impl Tracker for Progress {
    fn on_event(&mut self, event: &Event) -> sst_core::Result<()> {
        self.show_event(event).map_err(|source| Error::Io { path: "stderr".into(), source })
    }
}

/// The text for a step: loss, speed, utilisation and remaining time, as far as they are known.
fn step_text(metrics: &Metrics, timing: &Metrics, steps_left: u64, counted: &str) -> String {
    let mut text = String::new();
    if let Some(loss) = metrics.get("loss") {
        text += &format!("loss {loss:.4}");
    }
    if let Some(rate) = timing.get("tokens_per_second") {
        text += &format!("  {} {counted}/s", grouped(*rate as u64));
    }
    if let Some(mfu) = timing.get("mfu") {
        text += &format!("  mfu {:.1}%", mfu * 100.0);
    }
    if let Some(seconds) = timing.get("seconds_per_step") {
        text += &format!("  {} left", duration(seconds * steps_left as f64));
    }
    text
}

/// A number with commas between groups of three digits: `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of seconds as text: `45s`, `12m05s` or `3h02m`.
fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s:02}s"),
        (h, m, _) => format!("{h}h{m:02}m"),
    }
}
