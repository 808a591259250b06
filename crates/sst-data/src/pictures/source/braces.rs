//! Expands the brace range in the name of the shards of a data set, such as `train-{000..012}.tar`.

use super::super::PictureError;
use super::super::limits::MAX_SHARDS;

/// The paths that `written` stands for, in order: itself if it has no brace range. As in a shell, `{000..012}` keeps the
/// width of its numbers, and `{a,b}` lists alternatives. There may be several braces.
pub(super) fn expand(written: &str) -> Result<Vec<String>, PictureError> {
    let bad = |reason: String| PictureError::BadRange { path: written.to_owned(), reason };
    let mut paths = vec![String::new()];
    let mut rest = written;
    while let Some((before, inside, after)) = split(rest) {
        let parts = parts(inside).map_err(bad)?;
        if paths.len().saturating_mul(parts.len()) > MAX_SHARDS {
            return Err(bad(format!(
                "it names more than {MAX_SHARDS} files: name a smaller range"
            )));
        }
        let joined = |path: &String| -> Vec<String> {
            parts.iter().map(|part| format!("{path}{before}{part}")).collect()
        };
        paths = paths.iter().flat_map(joined).collect();
        rest = after;
    }
    paths.iter_mut().for_each(|path| path.push_str(rest));
    Ok(paths)
}

/// Splits at the first pair of braces that has a range or a list in it. Other braces belong to the name.
fn split(path: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let open = from + path[from..].find('{')?;
        let close = open + path[open..].find('}')?;
        let inside = &path[open + 1..close];
        if inside.contains("..") || inside.contains(',') {
            return Some((&path[..open], inside, &path[close + 1..]));
        }
        from = close + 1;
    }
}

fn parts(inside: &str) -> Result<Vec<String>, String> {
    let Some((first, last)) = inside.split_once("..").filter(|_| !inside.contains(',')) else {
        return Ok(inside.split(',').map(str::to_owned).collect());
    };
    let number = |text: &str| {
        let is_number =
            !text.is_empty() && text.len() < 10 && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse::<u64>().ok()).flatten()
    };
    let (Some(begin), Some(end)) = (number(first), number(last)) else {
        return Err(format!("{{{inside}}} is no range of numbers: write it as {{000..012}}"));
    };
    if begin > end {
        return Err(format!("the range {{{inside}}} counts downwards: exchange the two numbers"));
    }
    if end - begin >= MAX_SHARDS as u64 {
        return Err(format!(
            "{{{inside}}} names more than {MAX_SHARDS} files: name a smaller range"
        ));
    }
    let width = if first.starts_with('0') { first.len() } else { 0 };
    Ok((begin..=end).map(|number| format!("{number:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: &str, expected: &[&str]) {
        assert_eq!(expand(written).unwrap(), expected, "{written}");
    }

    #[test]
    fn a_range_keeps_the_width_of_its_numbers() {
        check("a-{008..011}.tar", &["a-008.tar", "a-009.tar", "a-010.tar", "a-011.tar"]);
        check("a-{8..11}.tar", &["a-8.tar", "a-9.tar", "a-10.tar", "a-11.tar"]);
        check("{a,b}/{0..1}", &["a/0", "a/1", "b/0", "b/1"]);
        check("plain.tar", &["plain.tar"]);
        check("a{b}c.tar", &["a{b}c.tar"]);
        check("{x}{1..2}", &["{x}1", "{x}2"]);
    }

    #[test]
    fn a_bad_range_is_refused() {
        for (written, part) in [
            ("{3..1}", "downwards"),
            ("{a..c}", "no range"),
            ("{0..99999999}", "more than"),
            ("{0..999}{0..999}{0..9}", "more than"),
            ("{0..99999999999999999999}", "no range"),
        ] {
            let error = expand(written).unwrap_err().to_string();
            assert!(error.starts_with(written) && error.contains(part), "{error}");
        }
    }
}
