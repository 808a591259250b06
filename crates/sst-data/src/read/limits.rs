//! Limits of reading. They keep a file of a few megabytes from taking gigabytes of memory, and are far from what text
//! corpora contain.

/// The longest text of one document: 128 MiB. The text8 corpus, one line of 100 MB, is below this. Cleaning and
/// tokenization take several times as much memory.
pub const MAX_RECORD_BYTES: u64 = 128 << 20;

/// The longest line: 256 MiB. A JSON line may contain more than its text. A file of another format without line ends
/// would otherwise fill the memory.
pub const MAX_LINE_BYTES: u64 = 256 << 20;

/// The most fields of one JSON object and the most columns of one table. A line of 128 MiB could have 60 million.
pub const MAX_FIELDS: usize = 100_000;

/// How deep arrays and objects of a JSON line may be nested. Python's `json` stops at about 1,000.
pub const MAX_JSON_DEPTH: usize = 512;

/// The most names of unused fields that the ledger lists. If the keys of records are data, such as identifiers, there
/// may be millions.
pub const MAX_UNUSED_NAMES: usize = 256;

/// The largest article of a SQuAD file, with all its questions: 256 MiB. The largest one of SQuAD has 0.4 MB.
pub const MAX_ARTICLE_BYTES: u64 = 256 << 20;

/// The number of sentences that the scheme of their tags is found from. Rare labels, such as a `B-` of IOB1, occur among
/// them.
pub const MAX_HEAD_SENTENCES: usize = 1000;

/// The number of bytes of these sentences after which no further one is read.
pub const MAX_HEAD_BYTES: u64 = 4 << 20;

/// The largest window of a zstd frame, as a power of two: 2 GiB. `zstd --long=31` and the Reddit dumps use it, and
/// zstd allows no more on 64 bits. Memory grows only with the amount that is decompressed.
pub const MAX_ZSTD_WINDOW_LOG: u32 = 31;

/// A frame whose window is at most this large (128 MiB, the limit of the command `zstd -d`) is read without further
/// checks.
pub const FREE_ZSTD_WINDOW_BYTES: u64 = 128 << 20;

/// The factor by which decompression may enlarge a frame with a window above [`FREE_ZSTD_WINDOW_BYTES`], after the
/// first 256 MiB. Text compresses to a twentieth at best, and a file of 1 MB that needs 2 GiB is not text.
pub const MAX_LONG_WINDOW_RATIO: u64 = 256;

/// The largest decompressed page of a Parquet file: 256 MiB. Writers aim at 1 MiB; a longer value has a page of its
/// own.
pub const MAX_PARQUET_PAGE_BYTES: u64 = 256 << 20;

/// The most values of one page. A page of a list column can claim two billion values in a few bytes.
pub const MAX_PARQUET_PAGE_VALUES: u64 = 16 << 20;

/// The limit for the sum of the largest pages of all columns that are read together: 1 GiB.
pub const MAX_PARQUET_GROUP_BYTES: u64 = 1 << 30;

/// How deep the types of a Parquet file may be nested. The decoder recurses once for each level.
pub const MAX_PARQUET_DEPTH: usize = 100;
