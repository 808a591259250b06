//! Everything the user sees: data on stdout, all else on stderr.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

use serde_json::Value;
use sst_data::ledger::Entry;

/// Stdout could not be written to.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to stdout: {0}")]
pub struct Stdout(pub io::Error);

/// Writes a line of data to stdout: as it is into a file or a pipe, and without control characters onto a
/// terminal.
///
/// # Errors
/// If stdout is closed or full.
pub fn line(text: &str) -> Result<(), Stdout> {
    let text = if io::stdout().is_terminal() { shown(text) } else { Cow::Borrowed(text) };
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(Stdout)
}

/// Writes one JSON value, in one line, to stdout. Control characters are escaped, those that JSON allows too.
///
/// # Errors
/// If stdout is closed or full.
pub fn json(value: &Value) -> Result<(), Stdout> {
    let mut text = String::new();
    for c in value.to_string().chars() {
        match is_control(c) {
            true => text += &format!("\\u{:04x}", c as u32),
            false => text.push(c),
        }
    }
    line(&text)
}

/// Tells the user something on stderr, without control characters.
pub fn note(text: &str) {
    // Nobody is left to tell if stderr is gone.
    let _ = writeln!(io::stderr(), "{}", shown(text));
}

/// Tells the user of an error on stderr, without control characters.
pub fn error(message: &str) {
    let label = if colour() { "\u{1b}[1;31merror:\u{1b}[0m" } else { "error:" };
    let _ = writeln!(io::stderr(), "{label} {}", shown(message));
}

/// A text as it may reach a terminal: names of files and tensors, and texts of data, may hold sequences that
/// change its title or colours, or the order in which letters are shown. Such characters are written as
/// `\u{1b}`; line ends and tabs stay.
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_control) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match is_control(c) {
            true => clean.extend(c.escape_unicode()),
            false => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

/// Whether a terminal would do something at `c` instead of showing it. Line ends and tabs are wanted.
fn is_control(c: char) -> bool {
    let reorders = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() && c != '\n' && c != '\t' || reorders
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
            Some(place) => format!("first at {place}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_spelled_out_and_letters_are_not() {
        for (text, expected) in [
            ("plain\n\tna\u{ef}ve \u{5929}\u{4e0b}", "plain\n\tna\u{ef}ve \u{5929}\u{4e0b}"),
            ("\u{1b}]0;owned\u{7}", "\\u{1b}]0;owned\\u{7}"),
            ("a\rb\u{9b}31m\u{7f}", "a\\u{d}b\\u{9b}31m\\u{7f}"),
            ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }
}
