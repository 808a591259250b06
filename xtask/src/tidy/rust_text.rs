//! Replaces everything in Rust source that is not code by spaces, so that a rule can search it line by line.

use std::ops::Range;

/// Replaces comments and the contents of strings and character literals in `source` by spaces. Lines and columns do
/// not change.
pub(super) fn code(source: &str) -> String {
    let mut out = source.as_bytes().to_vec();
    not_code(source).into_iter().for_each(|part| blank(&mut out[part]));
    // Whole characters were replaced by ASCII, so the result is valid UTF-8.
    String::from_utf8_lossy(&out).into_owned()
}

/// The ranges of comments, strings and character literals (with quotes), in order.
fn not_code(source: &str) -> Vec<Range<usize>> {
    let bytes = source.as_bytes();
    let mut parts = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        let end = match bytes[i] {
            b'/' if bytes[i..].starts_with(b"//") => line_end(bytes, i),
            b'/' if bytes[i..].starts_with(b"/*") => block_end(bytes, i),
            b'"' => string_end(bytes, i),
            b'r' if !follows_name(bytes, i) => raw_string_end(bytes, i).unwrap_or(i),
            b'\'' => char_end(bytes, i).unwrap_or(i),
            _ => i,
        };
        if end == i {
            i += 1;
        } else {
            parts.push(i..end);
            i = end;
        }
    }
    parts
}

/// The ranges of plain string literals (with quotes) outside of items marked `#[cfg(test)]`.
pub(super) fn string_literals(source: &str) -> Vec<Range<usize>> {
    let tests = test_items(code(source).as_bytes());
    let is_string = |part: &Range<usize>| {
        source[part.clone()].starts_with('"')
            && source[part.clone()].len() > 1
            && !tests.iter().any(|test| test.contains(&part.start))
    };
    not_code(source).into_iter().filter(is_string).collect()
}

/// Like [`code`], without the items marked `#[cfg(test)]`.
pub(super) fn code_outside_tests(source: &str) -> String {
    let mut text = code(source).into_bytes();
    test_items(&text).into_iter().for_each(|item| blank(&mut text[item]));
    String::from_utf8_lossy(&text).into_owned()
}

/// The ranges of items marked `#[cfg(test)]`.
fn test_items(code: &[u8]) -> Vec<Range<usize>> {
    let mark = b"#[cfg(test)]";
    let (mut items, mut i) = (Vec::new(), 0);
    while i + mark.len() <= code.len() {
        if !code[i..].starts_with(mark) {
            i += 1;
            continue;
        }
        let end = item_end(code, i + mark.len());
        items.push(i..end);
        i = end;
    }
    items
}

/// Whether `line` has `word` with no letter, digit or underscore on either side.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    let is_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        !is_name(line[..at].chars().next_back()) && !is_name(line[at + word.len()..].chars().next())
    })
}

/// Whether the file at `path` only serves tests, benchmarks or the build.
pub(super) fn is_support(path: &str) -> bool {
    let folders = ["tests", "benches", "examples"];
    path.split('/').any(|part| folders.contains(&part))
        || path.ends_with("/tests.rs")
        || path.ends_with("/build.rs")
}

fn blank(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

fn line_end(bytes: &[u8], start: usize) -> usize {
    bytes[start..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |n| start + n)
}

/// Block comments nest.
fn block_end(bytes: &[u8], start: usize) -> usize {
    let (mut depth, mut i) = (0_u32, start);
    while i < bytes.len() {
        if bytes[i..].starts_with(b"/*") {
            depth += 1;
            i += 2;
        } else if bytes[i..].starts_with(b"*/") {
            depth -= 1;
            i += 2;
            if depth == 0 {
                return i;
            }
        } else {
            i += 1;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut i = start + 1;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 2,
            b'"' => return i + 1,
            _ => i += 1,
        }
    }
    bytes.len()
}

/// The end of `r"..."` or `r#"..."#`; `None` for another word with an r.
fn raw_string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let hashes = bytes[start + 1..].iter().take_while(|byte| **byte == b'#').count();
    let open = start + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let found = bytes[open + 1..].windows(close.len()).position(|window| window == close);
    Some(found.map_or(bytes.len(), |n| open + 1 + n + close.len()))
}

/// The end of a character literal; `None` for a lifetime.
fn char_end(bytes: &[u8], start: usize) -> Option<usize> {
    let text = std::str::from_utf8(&bytes[start + 1..]).ok()?;
    let first = text.chars().next()?;
    if first == '\\' {
        let close = text[2..].find('\'')?;
        return Some(start + 1 + 2 + close + 1);
    }
    text[first.len_utf8()..].starts_with('\'').then(|| start + 1 + first.len_utf8() + 1)
}

/// Whether a name ends right before `i`; `b` and `c` before a raw string are prefixes, not names.
fn follows_name(bytes: &[u8], i: usize) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match i.checked_sub(1).map(|before| bytes[before]) {
        Some(b'b' | b'c') => i >= 2 && is_name(bytes[i - 2]),
        Some(byte) => is_name(byte),
        None => false,
    }
}

/// The end of the item after an attribute: its closing brace, or its semicolon.
fn item_end(code: &[u8], start: usize) -> usize {
    let mut depth = 0_u32;
    for (i, byte) in code.iter().enumerate().skip(start) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return i + 1;
                }
            }
            b';' if depth == 0 => return i + 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &str) {
        assert_eq!(code(source), expected, "{source}");
    }

    #[test]
    fn comments_and_literals_are_blanked() {
        check("a // b\nc", "a     \nc");
        check("a /* b /* c */ d */ e", "a                   e");
        check(r#"f("x\"y", 'z')"#, "f(      ,    )");
        check("f(r#\"a\"b\"#, br\"c\")", "f(        , b    )");
        check(r"['\'', '\n', '\u{41}', b'x']", "[    ,     ,         , b   ]");
        check("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)");
        check("'中' 中", "      中");
        check("for r in x", "for r in x");
    }

    #[test]
    fn tests_are_left_out() {
        let source =
            "a\n#[cfg(test)]\nmod tests {\n    fn f() { x }\n}\nb\n#[cfg(test)]\nuse y;\nc";
        let left: Vec<_> =
            code_outside_tests(source).lines().map(str::trim).map(String::from).collect();
        assert_eq!(left, ["a", "", "", "", "", "b", "", "", "c"]);
    }

    #[test]
    fn string_literals_are_found_where_they_stand() {
        let source =
            "f(\"a\", b\"b\") // \"c\"\n#[cfg(test)]\nmod t { fn f() { \"d\" } }\n'\"' \"中\"";
        let found = string_literals(source);
        let found: Vec<&str> = found.into_iter().map(|place| &source[place]).collect();
        assert_eq!(found, ["\"a\"", "\"b\"", "\"中\""]);
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("(unsafe {", "unsafe"));
        assert!(!has_word("allow(unsafe_code)", "unsafe"));
        assert!(!has_word("is_unsafe", "unsafe"));
    }
}
