//! Limits of tokenizers, each with its reason. A file or text beyond a limit is an error that names the limit.

/// The largest tokenizer file. The largest known ones have about 40 MB.
pub(super) const FILE_BYTES: u64 = 512 << 20;
/// How deep objects and arrays of the JSON may be nested. Real files need 7 levels. The parser of the crate
/// `tokenizers` tries several types at each level, so its time grows exponentially with the depth.
pub(super) const DEPTH: usize = 24;
/// The largest token id. Tables have one entry for each id.
pub(super) const ID: u64 = (1 << 24) - 1;
/// The most bytes of one Unigram piece. The crate `tokenizers` recurses once for each byte.
pub(super) const PIECE_BYTES: usize = 1024;
/// The most bytes of one added token, which the crate `tokenizers` normalizes when it loads it.
pub(super) const ADDED_TOKEN_BYTES: usize = 4096;
/// The largest `max_input_chars_per_word` of WordPiece (100 in every known file). The time for a word grows with the
/// cube of its length.
pub(super) const WORD_CHARS: u64 = 256;
/// The factor by which the rules of a normalizer, pre-tokenizer or decoder may make a character longer.
pub(super) const GROWTH: f64 = 4096.0;
/// The most characters that those rules may make of one text. The crate `tokenizers` takes a hundred bytes for each. A
/// text that does not grow may be longer than this.
pub(super) const GROWN_CHARS: usize = 4 << 20;
/// The longest regular expression, in bytes, that is analysed.
pub(super) const REGEX_BYTES: usize = 1 << 16;
/// The most characters of a character class that are listed one by one.
pub(super) const REGEX_CHARS: usize = 4096;
