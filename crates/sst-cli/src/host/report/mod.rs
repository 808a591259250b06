//! `sst report`: a run as one HTML page that needs no network.

mod chart;
mod page;
mod record;

use anyhow::Result;
use serde_json::json;

use self::record::Record;
use crate::args::ReportArgs;
use crate::exit::Exit;
use crate::{files, render};

/// Reads the run folder and writes the page.
///
/// # Errors
/// If the folder is not a run's, one of its files is damaged, or the page cannot be written.
pub fn run(args: &ReportArgs) -> Result<Exit> {
    let record = Record::read(&args.run)?;
    let place = args.out.clone().unwrap_or_else(|| args.run.join("report.html"));
    files::write(&place, &page::page(&record))?;
    if args.json {
        render::json(&json!({
            "version": 1, "report": place, "step": record.last_step(), "figures": record.last(),
        }))?;
    } else {
        render::line(&place.display().to_string())?;
    }
    Ok(Exit::Done)
}
