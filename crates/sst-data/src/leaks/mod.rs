//! Searches the texts of a test set in reference texts, such as those that a model was pretrained or trained on.
//!
//! A model that has seen its test set scores better than it is. [`LeakSearch`] counts how much of a test set the
//! reference has. It reads the reference once, text by text, and its memory grows with the test set and not with the
//! reference.
//!
//! Texts are compared as sequences of words. A text is normalised first: invisible characters are removed, Unicode NFKC
//! and lower case follow. A word is a run of letters and digits, and each Han character and kana is a word by itself
//! ([`begins_word`](crate::words::begins_word)). Punctuation, symbols, emoji and white space are in no word, so they make
//! no difference. Scripts without spaces other than Chinese and Japanese, such as Thai, have a whole phrase as a word.
//! Traditional and simplified Chinese characters differ.
//!
//! A test text can have leaked in three ways:
//!
//! 1. **Exact**: all of its words stand in one reference text, in the same order and without a gap. The reference text may
//!    be longer than the test text, so it may be a whole book. A text of few words may stand in a large corpus by chance:
//!    [`Leaks::exact_short`] counts these.
//! 2. **Near**: some passage of a reference text is similar to it. The passages that are compared with a test text of `m`
//!    words are all runs of `m` words of a reference text, or the whole reference text if that has fewer words. The
//!    similarity is that of Jaccard, the number of shingles that two texts share divided by the number that at least one
//!    of them has, where the shingles of a text are its distinct runs of five words. It must be at least 0.8. The length of
//!    the passage is fixed because the similarity of a sentence and a book is always near 0. Note that a changed word
//!    changes up to five shingles: a text whose shingles are all distinct is still near with one word changed in its middle
//!    if it has 49 words, and with its last word changed if it has 13. Shorter shingles forgive more.
//! 3. **N-gram**: at least one of its runs of 13 words stands in a reference text (Brown et al. 2020, "Language Models are
//!    Few-Shot Learners", appendix C). Other than there, n-grams that are frequent in the reference count, too, and the
//!    length is the same for every test set. A text of fewer than 13 words is neither clean nor contaminated:
//!    [`Leaks::too_short`] counts these. Thirteen Han characters are a shorter passage than thirteen English words.
//!
//! Whatever is found was compared word by word. Hashes only choose what is compared, so a collision changes no result. The
//! counts depend neither on the order of the reference texts nor on the number of threads.
//!
//! ```
//! use sst_data::Key;
//! use sst_data::leaks::{LeakConfig, LeakKind, LeakSearch};
//!
//! # fn main() -> Result<(), sst_data::leaks::LeakError> {
//! let tests = ["And God said, Let there be light.", "And God said, Let there be music."];
//! let tests = (1..).zip(tests).map(|(line, text)| (Key::new("test.txt", line), text));
//! let mut search = LeakSearch::new(LeakConfig::default(), tests)?;
//! let reference = "And God said, Let there be light: and there was light.";
//! search.add(Key::new("genesis.txt", 3), reference);
//! let leaks = search.finish();
//! assert_eq!((leaks.texts, leaks.exact, leaks.near, leaks.too_short), (2, 1, 0, 2));
//! assert_eq!(leaks.examples[0].kind, LeakKind::Exact);
//! assert_eq!(leaks.examples[0].reference.to_string(), "genesis.txt:3");
//! # Ok(())
//! # }
//! ```

mod config;
mod count;
mod found;
mod grams;
mod near;
mod report;
mod scan;
mod search;
mod test_set;
mod vocabulary;
mod words;

pub use config::{LeakConfig, LeakError};
pub use report::{LeakExample, LeakKind, Leaks};
pub use search::LeakSearch;
