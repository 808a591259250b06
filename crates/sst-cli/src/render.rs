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

/// Writes a line of data to stdout: as it is to a file or a pipe, without control characters to a terminal.
///
/// # Errors
/// If stdout is closed or full.
pub fn line(text: &str) -> Result<(), Stdout> {
    let text = shown(text);
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
        match is_obeyed(c) {
            true => text += &format!("\\u{:04x}", c as u32),
            false => text.push(c),
        }
    }
    line(&text)
}

/// Tells the user something on stderr, without control characters.
pub fn note(text: &str) {
    tell(&plain(text));
}

fn tell(text: &str) {
    // Nobody is left to tell if stderr is gone.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Data as stdout takes it: see [`line()`].
pub fn shown(text: &str) -> Cow<'_, str> {
    if io::stdout().is_terminal() { plain(text) } else { Cow::Borrowed(text) }
}

/// `text` with its control characters written out, as `\u{1b}`: names of files and texts of data may hold some, which
/// a terminal would obey. Line ends and tabs stay.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_obeyed(c) {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Whether a terminal does something for this character other than to show it: control characters, and those that
/// turn the direction of a text.
fn is_obeyed(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && !matches!(c, '\n' | '\t'))
}

/// `text` as a word of a shell's command line.
pub fn shell_word(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("'{}'", text.replace('\'', "'\\''"))),
    }
}

/// Tells the user of an error on stderr.
pub fn error(message: &str) {
    let label = if colour() { "\u{1b}[1;31merror:\u{1b}[0m" } else { "error:" };
    tell(&format!("{label} {}", plain(message)));
}

/// Whether stderr takes colours: it is a terminal and `NO_COLOR` is not set (no-color.org).
pub fn colour() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && io::stderr().is_terminal()
}

/// `text` in one line, its control characters, line ends and tabs written out: a cell of a table, or its head.
pub fn cell(text: &str) -> Cow<'_, str> {
    match plain(text) {
        shown if shown.contains(['\n', '\t']) => {
            Cow::Owned(shown.replace('\n', "\\n").replace('\t', "\\t"))
        }
        shown => shown,
    }
}

/// Columns of text, each as wide as its widest cell, the last one ragged. Each row is a line.
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
