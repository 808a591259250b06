//! Reads the files of a run folder.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde_json::{Map, Value};
use sst_data::json_problem;

use crate::exit::Usage;
use crate::files;
use crate::host::page::Series;

/// The files of a run, parsed.
pub(super) struct Record {
    pub(super) name: String,
    /// Every metric of metrics.jsonl by its name.
    pub(super) series: BTreeMap<String, Series>,
    /// The text of config.toml.
    pub(super) recipe: String,
    /// `None` while the run has not ended.
    pub(super) ledger: Option<Value>,
    pub(super) environment: Value,
    /// The number of the last line of metrics.jsonl, counted from 1, if that line is incomplete: the run may be
    /// writing it.
    pub(super) cut_off: Option<usize>,
}

impl Record {
    /// Reads the files of the run folder.
    pub(super) fn read(run: &Path) -> Result<Self> {
        files::must_exist(run)?;
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
                .map_err(|error| anyhow!("{} {}", path.display(), json_problem(&error)))
        };
        let folder = run.canonicalize().unwrap_or_else(|_| run.to_owned());
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let ledger = run.join("ledger.json").is_file().then(|| json("ledger.json")).transpose()?;
        let metrics = run.join("metrics.jsonl");
        let rows = std::fs::read(&metrics)
            .with_context(|| format!("cannot read {}", metrics.display()))?;
        let (series, cut_off) = series(&rows, &metrics)?;
        Ok(Self {
            name,
            series,
            cut_off,
            recipe: text("config.toml")?,
            ledger,
            environment: json("environment.json")?,
        })
    }

    /// The last step that has a metric.
    pub(super) fn last_step(&self) -> u64 {
        let last = self.series.values().filter_map(|points| points.last());
        last.fold(0.0, |step: f64, point| step.max(point.0)) as u64
    }

    /// The last value of every metric.
    pub(super) fn last(&self) -> BTreeMap<&str, f64> {
        let values = self.series.iter();
        values.filter_map(|(name, points)| Some((name.as_str(), points.last()?.1))).collect()
    }
}

/// Parses metrics.jsonl. Returns the metrics, and the number of the last line if it is incomplete: it has no line end
/// and is not valid JSON.
fn series(text: &[u8], path: &Path) -> Result<(BTreeMap<String, Series>, Option<usize>)> {
    let mut all: BTreeMap<String, Series> = BTreeMap::new();
    for (i, line) in (1..).zip(text.split_inclusive(|byte| *byte == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let place = || format!("{}:{i} is not a line of metrics", path.display());
        let row: Map<String, Value> = match serde_json::from_slice(line) {
            Err(_) if !line.ends_with(b"\n") => return Ok((all, Some(i))),
            row => row.with_context(place)?,
        };
        let step = row.get("_step").and_then(Value::as_f64).with_context(place)?;
        for (name, value) in row.iter().filter(|(name, _)| !name.starts_with('_')) {
            // A metric that was not finite is null.
            if let Some(value) = value.as_f64() {
                match all.get_mut(name) {
                    Some(points) => points.push((step, value)),
                    None => drop(all.insert(name.clone(), vec![(step, value)])),
                }
            }
        }
    }
    Ok((all, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_series_and_a_bad_one_is_placed() {
        let path = Path::new("m.jsonl");
        let text = "{\"_step\":1,\"_timestamp\":5,\"train/loss\":2.5}\n\n{\"_step\":2,\"train/loss\":null,\"a\":1}\n";
        let (all, cut_off) = series(text.as_bytes(), path).unwrap();
        assert_eq!(cut_off, None);
        assert_eq!(all["train/loss"], [(1.0, 2.5)]);
        assert_eq!(all["a"], [(2.0, 1.0)]);
        assert_eq!(all.len(), 2);
        let error = series(b"{\"_step\":1}\n{\"a\"\n", path).unwrap_err().to_string();
        assert!(error.contains("m.jsonl:2"), "{error}");
        assert!(series(b"{\"a\":1}", path).is_err(), "a line without a step");
        // A running process may be writing the last line.
        for cut in ["{\"_step\":2,\"a\":1", "{", "{\"_step\":2,\"\u{e4}"] {
            for length in 1..=cut.len() {
                let rows = [b"{\"_step\":1,\"a\":3}\n", &cut.as_bytes()[..length]].concat();
                let (all, cut_off) = series(&rows, path).unwrap();
                assert_eq!((all["a"].len(), cut_off), (1, Some(2)), "{cut} {length}");
            }
        }
    }
}
