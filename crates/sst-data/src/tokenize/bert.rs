//! A BERT `vocab.txt` as transformers' BertTokenizer reads it.

use serde_json::{Map, Value};

use super::limits;

/// The tokens of a vocabulary with one token a line, its id being its line from 0; where a token stands
/// twice, the later line counts.
pub(super) fn vocab(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let vocab = lines(text);
    if vocab.len() as u64 > limits::ID {
        return Err(format!("it has {} lines", vocab.len()));
    }
    Ok(vocab.into_iter().enumerate().map(|(id, token)| (token.to_owned(), id.into())).collect())
}

/// The lines as Python's text mode gives them: ended by `\n`, `\r\n` or `\r`.
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
