//! Recognises plain text files whose lines look like records of another format.

use super::Format;

/// The number of lines that are examined.
const LINES: usize = 3;
/// The most characters of a column name.
const NAME_CHARS: usize = 40;

/// The format that the first lines look like: JSON lines if all of them are JSON objects, CSV or TSV if the header
/// names columns, `None` for plain text. `head` holds the first bytes of the file, and `is_whole` says whether that is
/// the whole file.
pub(super) fn looks_like(head: &[u8], is_whole: bool) -> Option<Format> {
    let text = String::from_utf8_lossy(head);
    let mut lines: Vec<&str> = text.lines().collect();
    if lines.iter().take(LINES).all(|line| begins_object(line)) && !lines.is_empty() {
        return Some(Format::Jsonl);
    }
    if !is_whole {
        // The last line may be incomplete.
        lines.pop();
    }
    let (header, rows) = lines.split_first()?;
    let rows = &rows[..rows.len().min(LINES - 1)];
    let is_table = |separator: char| {
        let names: Vec<&str> = header.split(separator).map(unquoted).collect();
        let columns = names.len() - 1;
        let has_all = |row: &&str| row.matches(separator).count() >= columns;
        columns > 0
            && names.iter().all(|name| is_name(name))
            && rows.len() == LINES - 1
            && rows.iter().all(has_all)
    };
    [('\t', Format::Tsv), (',', Format::Csv)]
        .into_iter()
        .find_map(|(separator, format)| is_table(separator).then_some(format))
}

/// Whether a line begins like a JSON object with a first key, such as `{"text":`.
fn begins_object(line: &str) -> bool {
    let key = line.trim_start().strip_prefix('{').map(str::trim_start);
    let rest = key.and_then(|key| key.strip_prefix('"')).and_then(|key| key.split_once('"'));
    rest.is_some_and(|(_, rest)| rest.trim_start().starts_with(':'))
}

fn unquoted(name: &str) -> &str {
    let inner = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    inner.unwrap_or(name)
}

/// Whether a cell of the first line looks like a column name: one word of letters, digits, `_` and `-`. In prose a
/// space follows a comma.
fn is_name(cell: &str) -> bool {
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    cell.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && cell.len() <= NAME_CHARS
        && cell.chars().all(of_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_told_from_prose() {
        let check = |text: &str, expected| {
            assert_eq!(looks_like(text.as_bytes(), true), expected, "{text:?}");
        };
        check("{\"text\": \"a\"}\n{\"text\": \"b\"}\n", Some(Format::Jsonl));
        check("{ \"id\" : 1, \"text\": \"a\"}", Some(Format::Jsonl));
        check("id,text\n1,\"one, two\"\n2,three\n", Some(Format::Csv));
        check("\"id\",\"text\"\n1,a\n2,b\n", Some(Format::Csv));
        check("text\tlabel\nthe sea\t1\nthe old man\t0\n", Some(Format::Tsv));
        check("", None);
        check("the old man\nwent to sea\nand saw\n", None);
        check("the old man, the sea\nlight, water\nupon, it\n", None);
        check("red,green\nno comma\nnone\n", None);
        check("red,green\nblue,white\n", None);
        check("{\"text\": \"a\"}\nand prose\n", None);
        check("{a brace}\n{another}\n", None);
        check("{\"quoted\" speech}\n", None);
        check("数据,文本\n一,二\n三,四\n", None);
    }

    #[test]
    fn a_line_that_is_cut_off_counts_where_its_beginning_tells() {
        let long = format!("{{\"text\": \"{}", "a".repeat(100));
        assert_eq!(looks_like(long.as_bytes(), false), Some(Format::Jsonl));
        // The third line of a table may lack a column only because it is incomplete.
        assert_eq!(looks_like(b"id,text\n1,a\n2", false), None);
    }
}
