//! The limits of tokenizers, each with its reason. Files and texts beyond them are errors that say so.

/// A file larger than this is no tokenizer; the largest known are some 40 MB.
pub(super) const FILE_BYTES: u64 = 512 << 20;
/// Objects and arrays within each other. Real files need 7; the library's parser tries several types at each level,
/// so its time grows exponentially with this.
pub(super) const DEPTH: usize = 24;
/// The largest token id; tables are made with one entry an id.
pub(super) const ID: u64 = (1 << 24) - 1;
/// Bytes of one Unigram piece; the library recurses once a byte.
pub(super) const PIECE_BYTES: usize = 1024;
/// Bytes of one added token, which the library normalizes when it loads it.
pub(super) const ADDED_TOKEN_BYTES: usize = 4096;
/// Characters of a word that WordPiece looks at (`max_input_chars_per_word`; 100 in every known file): its time
/// grows with the cube.
pub(super) const WORD_CHARS: u64 = 256;
/// How many times longer the rules of a normalizer, pre-tokenizer or decoder may make a character.
pub(super) const GROWTH: f64 = 4096.0;
/// Characters that those rules may make of one text; the library takes a hundred bytes for each. A text that does
/// not grow may be longer.
pub(super) const GROWN_CHARS: usize = 4 << 20;
/// Bytes of a regular expression that is looked into.
pub(super) const REGEX_BYTES: usize = 1 << 16;
/// Characters of a class of a regular expression that are listed one by one.
pub(super) const REGEX_CHARS: usize = 4096;
