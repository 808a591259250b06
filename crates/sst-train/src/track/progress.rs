//! How far the run is, for a person: a bar on a terminal, otherwise a plain line every few seconds.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sst_core::{Error, Event, Metrics, Tracker};

/// Seconds between plain lines.
const EVERY: Duration = Duration::from_secs(5);

/// Shows steps, loss, speed and the time left.
pub struct Progress {
    shown: Shown,
    total_steps: u64,
}

enum Shown {
    Bar(ProgressBar),
    Lines { out: Box<dyn Write + Send>, every: Duration, last: Option<Instant> },
}

impl Progress {
    /// A bar on stderr if that is a terminal, plain lines on it every five seconds if not.
    pub fn stderr() -> Self {
        let hidden = ProgressDrawTarget::stderr().is_hidden();
        if hidden || !std::io::stderr().is_terminal() {
            return Self::lines(Box::new(std::io::stderr()), EVERY);
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { shown: Shown::Bar(bar), total_steps: 0 }
    }

    /// Plain lines to `out`, those of steps at most once in `every`.
    pub fn lines(out: Box<dyn Write + Send>, every: Duration) -> Self {
        Self { shown: Shown::Lines { out, every, last: None }, total_steps: 0 }
    }

    /// The line of a step may be left out when another has just been written; others never are.
    fn show(&mut self, step: u64, text: &str, is_step: bool) -> std::io::Result<()> {
        match &mut self.shown {
            Shown::Bar(bar) if is_step => {
                bar.set_position(step);
                bar.set_message(text.to_owned());
            }
            Shown::Bar(bar) => bar.println(format!("step {step}: {text}")),
            Shown::Lines { out, every, last } => {
                let due = last.is_none_or(|last| last.elapsed() >= *every);
                if is_step && !due && step < self.total_steps {
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

    fn on(&mut self, event: &Event) -> std::io::Result<()> {
        match event {
            Event::Start { step, total_steps, parameters } => {
                self.total_steps = *total_steps;
                if let Shown::Bar(bar) = &self.shown {
                    bar.set_length(*total_steps);
                    bar.set_position(*step);
                }
                self.show(*step, &format!("{} trainable parameters", grouped(*parameters)), false)
            }
            Event::Step { step, metrics, timing } => {
                let left = self.total_steps.saturating_sub(*step);
                self.show(*step, &step_text(metrics, timing, left), true)
            }
            Event::Evaluation { step, name, metrics } => {
                let figures = metrics.iter().map(|(key, value)| format!("  {key} {value:.4}"));
                self.show(*step, &format!("{name}{}", figures.collect::<String>()), false)
            }
            Event::Saved { step, path } => {
                self.show(*step, &format!("saved {}", path.display()), false)
            }
            Event::End { .. } => {
                if let Shown::Bar(bar) = &self.shown {
                    bar.abandon();
                }
                Ok(())
            }
        }
    }
}

impl Tracker for Progress {
    fn on_event(&mut self, event: &Event) -> sst_core::Result<()> {
        self.on(event).map_err(|source| Error::Io { path: "stderr".into(), source })
    }
}

fn step_text(metrics: &Metrics, timing: &Metrics, steps_left: u64) -> String {
    let mut text = String::new();
    if let Some(loss) = metrics.get("loss") {
        text += &format!("loss {loss:.4}");
    }
    if let Some(rate) = timing.get("tokens_per_second") {
        text += &format!("  {} tokens/s", grouped(*rate as u64));
    }
    if let Some(mfu) = timing.get("mfu") {
        text += &format!("  mfu {:.1}%", mfu * 100.0);
    }
    if let Some(seconds) = timing.get("seconds_per_step") {
        text += &format!("  {} left", duration(seconds * steps_left as f64));
    }
    text
}

/// `1234567` as `1,234,567`.
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

/// Seconds as `45s`, `12m05s` or `3h02m`.
fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s:02}s"),
        (h, m, _) => format!("{h}h{m:02}m"),
    }
}
