//! The classes of characters that Python's `str.split` and `re` know, where they differ from Rust's.

/// What `str.isspace` is true of: White_Space, and the separators U+001C to U+001F.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// What `\w` matches: letters, numbers and the underscore. Letters in circles and squares, which Rust counts as letters,
/// are none. The vowel signs of some scripts, which Rust counts as letters too, are left as they are, so that the article
/// of `the` with such a sign after it stays.
pub(super) fn is_word(c: char) -> bool {
    const ENCLOSED: [std::ops::RangeInclusive<char>; 4] = [
        '\u{24b6}'..='\u{24e9}',
        '\u{1f130}'..='\u{1f149}',
        '\u{1f150}'..='\u{1f169}',
        '\u{1f170}'..='\u{1f189}',
    ];
    c == '_' || c.is_alphanumeric() && !ENCLOSED.iter().any(|range| range.contains(&c))
}
