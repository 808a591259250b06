//! Result files in the form of EleutherAI's lm-evaluation-harness, version 0.4, for programs that read these.
//! (`lm_eval/loggers/evaluation_tracker.py` and `lm_eval/evaluator.py` of that project.)

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use sst_cli::files;
use sst_eval::Better;
use time::OffsetDateTime;

use super::Section;
use super::subject::Subject;

/// Writes `results_DATE.json` for a model below `out`/harness. A section is a task, and a figure a metric of it, with the
/// filter `none`. The standard error is a quarter of the width of the 95 % interval, or `N/A` without an interval.
///
/// # Errors
/// If the file cannot be written.
pub(super) fn write(out: &Path, subject: &Subject, sections: &[Section], seed: u64) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut results = Map::new();
    let (mut versions, mut shots, mut higher) = (Map::new(), Map::new(), Map::new());
    let (mut samples, mut configs, mut subtasks) = (Map::new(), Map::new(), Map::new());
    for section in sections {
        let name = &section.name;
        let mut task = Map::from_iter([("alias".to_owned(), json!(name))]);
        let mut directions = Map::new();
        for row in &section.rows {
            let Some(of) = row.models.iter().find(|of| of.model == subject.name) else { continue };
            let figure = row.figure.name;
            let error = of
                .estimate
                .interval
                .map_or(json!("N/A"), |(low, high)| json!((high - low) / (2.0 * NORMAL_QUANTILE)));
            task.insert(format!("{figure},none"), json!(of.estimate.value));
            task.insert(format!("{figure}_stderr,none"), error);
            if row.figure.better != Better::Neither {
                directions.insert(figure.to_owned(), json!(row.figure.better == Better::Higher));
            }
        }
        results.insert(name.clone(), Value::Object(task));
        versions.insert(name.clone(), json!(1));
        shots.insert(name.clone(), json!(0));
        higher.insert(name.clone(), Value::Object(directions));
        if let Some(count) = section.examples_of(&subject.name) {
            samples.insert(name.clone(), json!({"original": count, "effective": count}));
        }
        configs.insert(
            name.clone(),
            json!({"task": name, "evaluator": section.evaluator, "arguments": section.arguments,
                   "num_fewshot": 0, "output_type": "sst", "metadata": {"version": 1}}),
        );
        subtasks.insert(name.clone(), json!([]));
    }
    let path = subject.path.display().to_string();
    let file = json!({
        "results": results, "group_subtasks": subtasks, "configs": configs, "versions": versions,
        "n-shot": shots, "higher_is_better": higher, "n-samples": samples,
        "config": {
            "model": "sst", "model_args": format!("pretrained={path}"), "batch_size": null,
            "device": null, "limit": null, "bootstrap_iters": super::result::SAMPLES,
            "random_seed": seed,
        },
        "git_hash": null, "date": now.as_secs_f64(), "task_hashes": {}, "model_source": "sst",
        "model_name": path, "model_name_sanitized": subject.name,
        "sst_version": env!("CARGO_PKG_VERSION"),
    });
    let folder = out.join("harness").join(&subject.name);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let time = time_of(now.as_secs() as i64)?;
    files::write_json(&folder.join(format!("results_{time}.json")), &file)
}

/// The quantile of the normal distribution at 0.975.
const NORMAL_QUANTILE: f64 = 1.959_963_984_540_054;

/// A time in UTC as in the names of the files, `2026-01-31T12-00-00`.
fn time_of(seconds: i64) -> Result<String> {
    let at = OffsetDateTime::from_unix_timestamp(seconds)?;
    let (date, time) = (at.date(), at.time());
    Ok(format!("{date}T{:02}-{:02}-{:02}", time.hour(), time.minute(), time.second()))
}

#[cfg(test)]
mod tests {
    use super::time_of;

    #[test]
    fn times_are_those_of_python() {
        // datetime.fromtimestamp(SECONDS, timezone.utc).strftime("%Y-%m-%dT%H-%M-%S")
        for (seconds, expected) in [
            (0, "1970-01-01T00-00-00"),
            (951_782_399, "2000-02-28T23-59-59"),
            (1_798_761_599, "2026-12-31T23-59-59"),
        ] {
            assert_eq!(time_of(seconds).unwrap(), expected);
        }
    }
}
