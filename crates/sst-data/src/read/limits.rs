//! The limits of reading, in one place. Each keeps a file of a few megabytes from taking gigabytes of memory; none is
//! near what text corpora hold.

/// The longest text of one document: 128 MiB. The text8 corpus, one line of 100 MB, is below it; cleaning and tokenising
/// take several times as much.
pub const MAX_RECORD_BYTES: u64 = 128 << 20;

/// The longest line: 256 MiB. A JSON line may hold more than its text; a file of another format without line ends would
/// otherwise fill the memory.
pub const MAX_LINE_BYTES: u64 = 256 << 20;

/// The most fields of one JSON object and the most columns of one table. A line of 128 MiB could have 60 million.
pub const MAX_FIELDS: usize = 100_000;

/// How deep arrays and objects of a JSON line may lie in each other. Python's `json` stops at about 1,000.
pub const MAX_JSON_DEPTH: usize = 512;

/// How many names of unused fields are listed in the ledger. Records whose keys are data, such as identifiers, have
/// millions.
pub const MAX_UNUSED_NAMES: usize = 256;

/// The largest window of a zstd frame, as a power of two: 2 GiB, which is what `zstd --long=31` and the Reddit dumps
/// use, and the most that zstd itself knows on 64 bits. Memory grows to it only as that much is unpacked.
pub const MAX_ZSTD_WINDOW_LOG: u32 = 31;

/// Windows up to this size (128 MiB, the limit of the command `zstd -d`) are read without a further question.
pub const FREE_ZSTD_WINDOW_BYTES: u64 = 128 << 20;

/// How many times its packed size a frame with a larger window than [`FREE_ZSTD_WINDOW_BYTES`] may unpack to, beyond
/// 256 MiB. Text packs to a twentieth at best; a file of 1 MB that says it needs 2 GiB is no text.
pub const MAX_LONG_WINDOW_RATIO: u64 = 256;

/// The largest page of a Parquet file, unpacked: 256 MiB. Writers aim at 1 MiB; one value that is longer makes a page of
/// its own.
pub const MAX_PARQUET_PAGE_BYTES: u64 = 256 << 20;

/// The most values of one page. A page of a list column may say that it has two billion in a few bytes.
pub const MAX_PARQUET_PAGE_VALUES: u64 = 16 << 20;

/// The largest pages of all columns that are read at a time: 1 GiB.
pub const MAX_PARQUET_GROUP_BYTES: u64 = 1 << 30;

/// How deep the types of a Parquet file may lie in each other: each level is a call of the decoder.
pub const MAX_PARQUET_DEPTH: usize = 100;
