//! What a run has left on disk.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use crate::exit::Usage;

/// The points of one figure: step and value, by step.
pub(super) type Series = Vec<(f64, f64)>;

/// The record of a run.
pub(super) struct Record {
    pub(super) name: String,
    /// Every figure of metrics.jsonl under its name there.
    pub(super) series: BTreeMap<String, Series>,
    /// config.toml, as it stands.
    pub(super) recipe: String,
    /// `None` while the run has not ended.
    pub(super) ledger: Option<Value>,
    pub(super) environment: Value,
}

impl Record {
    /// Reads the files of the run folder.
    pub(super) fn read(run: &Path) -> Result<Self> {
        let recipe = run.join("config.toml");
        if !recipe.is_file() {
            let message = format!("{} is not a run: it has no config.toml", run.display());
            return Err(Usage(message).into());
        }
        let text = |name: &str| {
            let path = run.join(name);
            std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))
        };
        let json = |name: &str| -> Result<Value> {
            let path = run.join(name);
            serde_json::from_str(&text(name)?)
                .with_context(|| format!("{} is not JSON", path.display()))
        };
        let folder = run.canonicalize().unwrap_or_else(|_| run.to_owned());
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let ledger = run.join("ledger.json").is_file().then(|| json("ledger.json")).transpose()?;
        Ok(Self {
            name,
            series: series(&text("metrics.jsonl")?, &run.join("metrics.jsonl"))?,
            recipe: text("config.toml")?,
            ledger,
            environment: json("environment.json")?,
        })
    }

    /// The last step with a figure.
    pub(super) fn last_step(&self) -> u64 {
        let last = self.series.values().filter_map(|points| points.last());
        last.fold(0.0, |step: f64, point| step.max(point.0)) as u64
    }

    /// The last value of every figure.
    pub(super) fn last(&self) -> BTreeMap<&str, f64> {
        let values = self.series.iter();
        values.filter_map(|(name, points)| Some((name.as_str(), points.last()?.1))).collect()
    }
}

/// The figures of metrics.jsonl.
fn series(text: &str, path: &Path) -> Result<BTreeMap<String, Series>> {
    let mut all: BTreeMap<String, Series> = BTreeMap::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = || format!("{}:{} is not a line of metrics", path.display(), i + 1);
        let row: Map<String, Value> = serde_json::from_str(line).with_context(place)?;
        let step = row.get("_step").and_then(Value::as_f64).with_context(place)?;
        for (name, value) in row.iter().filter(|(name, _)| !name.starts_with('_')) {
            // A figure that was not finite is null.
            if let Some(value) = value.as_f64() {
                all.entry(name.clone()).or_default().push((step, value));
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_series_and_a_bad_one_is_placed() {
        let path = Path::new("m.jsonl");
        let text = "{\"_step\":1,\"_timestamp\":5,\"train/loss\":2.5}\n\n{\"_step\":2,\"train/loss\":null,\"a\":1}\n";
        let all = series(text, path).unwrap();
        assert_eq!(all["train/loss"], [(1.0, 2.5)]);
        assert_eq!(all["a"], [(2.0, 1.0)]);
        assert_eq!(all.len(), 2);
        let error = series("{\"_step\":1}\n{\"a\"", path).unwrap_err().to_string();
        assert!(error.contains("m.jsonl:2"), "{error}");
        assert!(series("{\"a\":1}", path).is_err(), "a line without a step");
    }
}
