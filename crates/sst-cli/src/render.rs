//! Everything that is printed: data goes to stdout, all else to stderr.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

use serde_json::Value;
use sst_data::ledger::Entry;

/// Stdout could not be written to.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to stdout: {0}")]
pub struct Stdout(pub io::Error);

/// Writes a line of data to stdout. The text is unchanged if stdout is a file or a pipe; on a terminal, control
/// characters are escaped.
///
/// # Errors
/// If stdout is closed or full.
pub fn line(text: &str) -> Result<(), Stdout> {
    let text = shown(text);
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(Stdout)
}

/// Writes one JSON value to stdout in one line. All control characters are escaped, including those that JSON allows
/// unescaped.
///
/// # Errors
/// If stdout is closed or full.
pub fn json(value: &Value) -> Result<(), Stdout> {
    let mut text = String::new();
    for c in value.to_string().chars() {
        match is_terminal_control(c) {
            true => text += &format!("\\u{:04x}", c as u32),
            false => text.push(c),
        }
    }
    line(&text)
}

/// Prints a message to stderr, with control characters escaped.
pub fn note(text: &str) {
    tell(&plain(text));
}

fn tell(text: &str) {
    // If stderr cannot be written to, there is no place left to report it.
    let _ = writeln!(io::stderr(), "{text}");
}

/// The text as [`line()`] writes it: escaped if stdout is a terminal.
pub fn shown(text: &str) -> Cow<'_, str> {
    if io::stdout().is_terminal() { plain(text) } else { Cow::Borrowed(text) }
}

/// Returns `text` with its control characters escaped, as `\u{1b}`. File names and data may contain some, and a
/// terminal would execute them. Line ends and tabs stay.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_terminal_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_terminal_control(c) {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Whether a terminal acts on this character instead of showing it: control characters, and characters that change
/// the direction of text.
fn is_terminal_control(c: char) -> bool {
    let changes_direction =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    changes_direction || (c.is_control() && !matches!(c, '\n' | '\t'))
}

/// Quotes `text` as one word of a shell command line, if it needs quotes.
pub fn shell_word(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("'{}'", text.replace('\'', "'\\''"))),
    }
}

/// Prints an error message to stderr.
pub fn error(message: &str) {
    let label = if colour() { "\u{1b}[1;31merror:\u{1b}[0m" } else { "error:" };
    tell(&format!("{label} {}", plain(message)));
}

/// Whether to use colours on stderr: it is a terminal, and `NO_COLOR` is not set (no-color.org).
pub fn colour() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && io::stderr().is_terminal()
}

/// Returns `text` as one line for a cell of a table: control characters, line ends and tabs are escaped.
pub fn cell(text: &str) -> Cow<'_, str> {
    match plain(text) {
        shown if shown.contains(['\n', '\t']) => {
            Cow::Owned(shown.replace('\n', "\\n").replace('\t', "\\t"))
        }
        shown => shown,
    }
}

/// Formats rows of cells as a table, one line per row. Each column is as wide as its widest cell.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|text| cell(text).chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut lines = String::new();
    for row in rows {
        let mut out = String::new();
        for (text, width) in row.iter().zip(&widths) {
            out += &cell(text);
            out.extend(std::iter::repeat_n(' ', width - cell(text).chars().count() + 2));
        }
        lines += out.trim_end();
        lines.push('\n');
    }
    lines.trim_end_matches('\n').to_owned()
}

/// The number of names of a list that a line of the ledger shows.
const SHOWN_ITEMS: usize = 4;

/// Prints the ledger to stderr: what was dropped, truncated, skipped or left unused. Prints nothing if it is empty.
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
    note(&format!("ledger: what was dropped, truncated, changed or not used\n{}", table(&rows)));
}

/// The first names of a list, and the number of names that are not shown.
fn some_of(items: &[String]) -> String {
    let shown = items[..items.len().min(SHOWN_ITEMS)].join(", ");
    match items.len().saturating_sub(SHOWN_ITEMS) {
        0 => shown,
        more => format!("{shown} and {more} more (--json lists all)"),
    }
}

/// Formats a number with thousands separators: `1,234,567`.
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
    fn control_characters_are_written_out() {
        let check = |text: &str, expected: &str| assert_eq!(plain(text), expected);
        check("a\tb\nc 数据 e\u{301}", "a\tb\nc 数据 e\u{301}");
        check("\u{1b}[31mred\u{7}\r\u{8}\u{0}", "\\u{1b}[31mred\\u{7}\\u{d}\\u{8}\\u{0}");
        check("\u{9b}31m\u{7f}\u{202e}txt", "\\u{9b}31m\\u{7f}\\u{202e}txt");
        assert_eq!(table(&[vec!["\u{1b}".into(), "b".into()]]), "\\u{1b}  b");
        assert_eq!(table(&[vec!["a\nb\tc".into(), "d".into()]]), "a\\nb\\tc  d");
    }

    #[test]
    fn words_of_a_shell_are_quoted_where_they_must_be() {
        for (word, expected) in [
            ("runs/a-b_1.toml", "runs/a-b_1.toml"),
            ("a b", "'a b'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(word), expected);
        }
    }
}
