//! `sst report`: writes a run as one HTML page that needs no network.

mod layout;
mod record;

use anyhow::Result;
use serde_json::json;

use self::record::Record;
use crate::args::ReportArgs;
use crate::exit::{Exit, Usage};
use crate::host::output;
use crate::{files, render};

/// Reads the run folder and writes the page.
///
/// # Errors
/// If the folder is not a run folder, one of its files is damaged, or the page cannot be written.
pub fn run(args: &ReportArgs) -> Result<Exit> {
    if let Some(out) = &args.out {
        let extension = out.extension().unwrap_or_default().to_ascii_lowercase();
        if extension != "html" && extension != "htm" {
            return Err(Usage(format!("--out {}: name a .html file", out.display())).into());
        }
        output::require_replaceable("--out", out)?;
    }
    let record = Record::read(&args.run)?;
    if let Some(line) = record.cut_off {
        let metrics = args.run.join("metrics.jsonl");
        render::note(&format!(
            "{}:{line}, the last line, is incomplete (the run may be writing it) and is not shown",
            metrics.display()
        ));
    }
    let place = args.out.clone().unwrap_or_else(|| args.run.join("report.html"));
    files::write(&place, &layout::page(&record))?;
    if args.json {
        render::json(&json!({
            "version": 1, "report": place, "step": record.last_step(), "figures": record.last(),
            "cut_off_line": record.cut_off,
        }))?;
    } else {
        render::line(&place.display().to_string())?;
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Valid files of a run; each test damages one of them.
    const FILES: [(&str, &str); 3] = [
        (
            "metrics.jsonl",
            "{\"_step\":1,\"_timestamp\":17.5,\"train/loss\":2.5,\"perf/seconds\":1e-3}\n\
             {\"_step\":2,\"eval/mlm/loss\":null,\"train/loss\":2}\n",
        ),
        (
            "ledger.json",
            "{\"a.b\": {\"count\": 3, \"first\": \"c.txt:7\", \"items\": [\"x\", \"y\"]}}",
        ),
        (
            "environment.json",
            "{\"data\": {\"rows\": [5, 6]}, \"os\": \"linux\", \"git_commit\": null}",
        ),
    ];
    const PIECES: [&str; 10] = [
        "1e308",
        "5e-324",
        "-0",
        "{",
        "[[[[",
        "\"\\u0000\"",
        "null",
        "\n",
        "<b>",
        "18446744073709551615",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn mutated_runs_are_reported_or_refused(
            changes in prop::collection::vec(
                (0..FILES.len(), any::<prop::sample::Index>(), any::<u8>(), 0..=PIECES.len()),
                1..6,
            ),
        ) {
            let run = tempfile::tempdir().unwrap();
            let mut files = FILES.map(|(_, text)| text.as_bytes().to_vec());
            for (file, place, byte, piece) in changes {
                let bytes = &mut files[file];
                let at = place.index(bytes.len() + 1);
                match PIECES.get(piece) {
                    Some(piece) => drop(bytes.splice(at..at, piece.bytes())),
                    None if byte < 64 => bytes.truncate(at),
                    None => bytes.insert(at, byte),
                }
            }
            sst_data::atomic::write(&run.path().join("config.toml"), b"[run]").unwrap();
            for ((name, _), bytes) in FILES.iter().zip(&files) {
                sst_data::atomic::write(&run.path().join(name), bytes).unwrap();
            }
            if let Ok(record) = Record::read(run.path()) {
                let html = layout::page(&record);
                prop_assert!(!html.contains("NaN") && !html.contains("<b>") && html.len() < 1 << 20);
            }
        }
    }
}
