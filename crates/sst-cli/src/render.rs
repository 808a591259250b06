//! Everything the user sees: data on stdout, all else on stderr.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

use serde_json::Value;
use sst_data::ledger::Entry;

/// Stdout could not be written to.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to stdout: {0}")]
pub struct Stdout(pub io::Error);

/// Writes a line of data to stdout.
///
/// # Errors
/// If stdout is closed or full.
pub fn line(text: &str) -> Result<(), Stdout> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(Stdout)
}

/// Writes one JSON value, in one line, to stdout.
///
/// # Errors
/// If stdout is closed or full.
pub fn json(value: &Value) -> Result<(), Stdout> {
    line(&value.to_string())
}

/// Tells the user something on stderr.
pub fn note(text: &str) {
    // Nobody is left to tell if stderr is gone.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Tells the user of an error on stderr.
pub fn error(message: &str) {
    let label = if colour() { "\u{1b}[1;31merror:\u{1b}[0m" } else { "error:" };
    note(&format!("{label} {message}"));
}

/// Whether stderr takes colours: it is a terminal and `NO_COLOR` is not set (no-color.org).
pub fn colour() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && io::stderr().is_terminal()
}

/// Columns of text, each as wide as its widest cell, the last one ragged.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut out = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            out += cell;
            out.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
        text += out.trim_end();
        text.push('\n');
    }
    text.trim_end_matches('\n').to_owned()
}

/// How many names of a list fit into its line of the terminal.
const SHOWN_ITEMS: usize = 4;

/// Tells on stderr what was dropped, truncated, skipped or left unused; says nothing if nothing was.
pub fn ledger(entries: &BTreeMap<String, Entry>) {
    if entries.is_empty() {
        return;
    }
    let row = |(name, entry): (&String, &Entry)| {
        let place = match &entry.first {
            Some(place) if entry.items.is_empty() => format!("first at {place}"),
            Some(place) => format!("first at {place}; {}", some_of(&entry.items)),
            None => some_of(&entry.items),
        };
        vec![format!("  {name}"), count(entry.count), place]
    };
    let rows: Vec<_> = entries.iter().map(row).collect();
    note(&format!("ledger: what was left out or changed on the way\n{}", table(&rows)));
}

/// The first names of a list, and how many more there are.
fn some_of(items: &[String]) -> String {
    let shown = items[..items.len().min(SHOWN_ITEMS)].join(", ");
    match items.len().saturating_sub(SHOWN_ITEMS) {
        0 => shown,
        more => format!("{shown} and {more} more (--json lists all)"),
    }
}

/// A number with its thousands apart: `1,234,567`.
pub fn count(number: u64) -> String {
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
