//! Parts of a text by their characters.

/// The characters of `text` (Unicode code points) from the first of `span` up to the second.
pub fn characters(text: &str, span: (usize, usize)) -> String {
    let (start, end) = span;
    text.chars().skip(start).take(end.saturating_sub(start)).collect()
}
