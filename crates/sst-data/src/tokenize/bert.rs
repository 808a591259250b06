//! Reads a BERT `vocab.txt` as the class BertTokenizer of transformers does.

use serde_json::{Map, Value};

use super::limits;

/// Maps the tokens of a `vocab.txt` to their ids. The file has one token a line, and the id is the line number from 0.
/// If a token occurs twice, the later line gives the id.
pub(super) fn vocab(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let vocab = lines(text);
    if vocab.len() as u64 > limits::ID {
        return Err(format!("it has {} lines", vocab.len()));
    }
    Ok(vocab.into_iter().enumerate().map(|(id, token)| (token.to_owned(), id.into())).collect())
}

/// Splits `text` into lines as Python's text mode does. A line ends in `\n`, `\r\n` or `\r`.
fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        lines.push(&rest[..end]);
        let after = &rest[end..];
        let ending = if after.starts_with("\r\n") { 2 } else { after.len().min(1) };
        rest = &after[ending..];
    }
    lines
}
