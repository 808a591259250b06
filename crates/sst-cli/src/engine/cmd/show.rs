//! Prints the reports of evaluators.

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};
use sst_cli::exit::Exit;
use sst_cli::render;
use sst_data::Ledger;
use sst_eval::{Report, Table};

/// A part of the names of figures that are infinite where the loss is merely large.
const MAY_BE_INFINITE: &str = "perplexity";

/// Prints a report, and what was left out on the way. `more` are additional values: in JSON beside the metrics, otherwise
/// one per line before them.
///
/// # Errors
/// If a metric is NaN or infinite, or stdout cannot be written to.
pub(super) fn show_with(
    report: &Report,
    ledger: &Ledger,
    as_json: bool,
    more: &Map<String, Value>,
) -> Result<Exit> {
    check_finite(report)?;
    if as_json {
        let mut value = report.to_json();
        if let Value::Object(fields) = &mut value {
            fields.extend(more.clone());
            fields.insert("ledger".to_owned(), json!(ledger.entries()));
        }
        render::json(&value)?;
    } else {
        for (name, value) in more {
            render::line(&format!("{name}: {value}"))?;
        }
        render::line(&describe(report))?;
    }
    render::ledger(&ledger.entries());
    Ok(Exit::Done)
}

/// Checks that the figures are numbers.
///
/// # Errors
/// If a metric is NaN or infinite.
pub(super) fn check_finite(report: &Report) -> Result<()> {
    let is_bad = |(name, value): &(&String, &f64)| {
        value.is_nan() || !value.is_finite() && !name.contains(MAY_BE_INFINITE)
    };
    if let Some((name, value)) = report.metrics.iter().find(is_bad) {
        bail!(
            "{name} is {value}: the outputs of the model overflow; try an earlier checkpoint, or fp32"
        );
    }
    Ok(())
}

fn describe(report: &Report) -> String {
    let metrics = report.metrics.iter().map(|(name, value)| (name, format!("{value:.4}")));
    let counts = report.counts.iter().map(|(name, count)| (name, render::count(*count)));
    let settings = report.settings.iter().map(|(name, value)| (name, value.clone()));
    let rows: Vec<Vec<String>> = metrics
        .chain(counts)
        .chain(settings)
        .map(|(name, value)| vec![name.clone(), value])
        .collect();
    let mut shown = format!("{}\n{}", report.name, render::table(&rows));
    for (name, table) in &report.tables {
        shown += &format!("\n{name}\n{}", describe_table(table));
    }
    shown
}

/// A table, with its numbers as integers where all of a column are.
fn describe_table(table: &Table) -> String {
    let is_whole = |at: usize| {
        let mut values = table.rows.iter().filter_map(|(_, row)| row.get(at));
        let all = values.clone().all(|value| value.fract() == 0.0 && *value >= 0.0);
        all && values.any(|value| *value > 1.0)
    };
    // Columns of 0 and 1 are counts where all others are, as in a confusion matrix.
    let has_counts_only = (0..table.columns.len()).any(is_whole)
        && table.rows.iter().flat_map(|(_, row)| row).all(|v| v.fract() == 0.0 && *v >= 0.0);
    let whole: Vec<bool> =
        (0..table.columns.len()).map(|at| has_counts_only || is_whole(at)).collect();
    let head = std::iter::once(String::new()).chain(table.columns.iter().cloned()).collect();
    let rows = table.rows.iter().map(|(name, row)| {
        let cell = |(value, whole): (&f64, &bool)| match (value.is_nan(), whole) {
            (true, _) => "-".to_owned(),
            (false, true) => render::count(*value as u64),
            (false, false) => format!("{value:.4}"),
        };
        std::iter::once(name.clone()).chain(row.iter().zip(&whole).map(cell)).collect()
    });
    render::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}
