//! What can go wrong between a text and its translation.

use std::io;
use std::path::PathBuf;

/// Characters of somebody else's words that a message shows.
const SHOWN: usize = 200;

/// Why texts could not be translated. None of them got a translation.
#[derive(Debug, thiserror::Error)]
pub enum TranslateError {
    /// A pair of languages that is none.
    #[error(
        "`{pair}` is no pair of languages: write eng-spa, or zh-Hans:en where a name has a hyphen"
    )]
    BadPair {
        /// The pair, as written.
        pair: String,
    },
    /// A server's address that cannot be used.
    #[error("{url}: {reason}")]
    BadUrl {
        /// The address.
        url: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A program that cannot be started.
    #[error(
        "cannot start {program} ({source}): install it, e.g. with `apt-get install apertium \
         apertium-eng-spa`, or give its path"
    )]
    Missing {
        /// The program.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A program that ended before it had translated everything.
    #[error("{by} ended ({status}) with {answered} of {asked} texts translated{}", told(.said))]
    Died {
        /// The translator.
        by: String,
        /// How it ended.
        status: String,
        /// Texts that it had translated.
        answered: usize,
        /// Texts that it was given.
        asked: usize,
        /// What it wrote to stderr.
        said: String,
    },
    /// A program or server that took too long.
    #[error(
        "{by} said nothing for {seconds} s, with {answered} of {asked} texts translated: see whether it \
         hangs, or allow it more time"
    )]
    Slow {
        /// The translator.
        by: String,
        /// How long was waited, in seconds.
        seconds: f64,
        /// Texts that it had translated.
        answered: usize,
        /// Texts that it was given.
        asked: usize,
    },
    /// Another number of translations than of texts.
    #[error(
        "{by} answered with {answered} translations to {asked} texts, so none can be told whose it is"
    )]
    Count {
        /// The translator.
        by: String,
        /// Texts that it was given.
        asked: usize,
        /// Translations that came back.
        answered: usize,
    },
    /// A translation that is of another text than the one whose turn it is.
    #[error(
        "{by} lost its place: text {expected} of the batch (`{text}`) was answered with {found}, so no \
         translation of the batch can be trusted"
    )]
    OutOfStep {
        /// The translator.
        by: String,
        /// The text whose turn it was, from 1.
        expected: u64,
        /// That text, or its beginning.
        text: String,
        /// What came.
        found: String,
    },
    /// A text of which nothing came back.
    #[error("{by} gave nothing back for `{text}`")]
    Lost {
        /// The translator.
        by: String,
        /// The text, or its beginning.
        text: String,
    },
    /// A server that cannot be reached.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// A server with which no secret can be had.
    #[error(
        "cannot agree on TLS with {url}: {reason}; see whether https is spoken there, and whether this \
         system trusts its certificate"
    )]
    Tls {
        /// The address.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// A server that refuses.
    #[error("{url} answers with status {status}{}", told(.said))]
    Status {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What else it says.
        said: String,
    },
    /// An answer that is no translation.
    #[error("{url} does not answer as LibreTranslate does: {reason}")]
    BadAnswer {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A translation that cannot be kept.
    #[error("cannot write {path}: {source}")]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The end of a message: what the other side said, if anything.
fn told(words: &str) -> String {
    match words.trim() {
        "" => String::new(),
        words => format!(": {words}"),
    }
}

/// The beginning of `text`, in one line.
pub(super) fn excerpt(text: &str) -> String {
    let mut words: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = words.char_indices().nth(SHOWN) {
        words.truncate(end);
        words.push('…');
    }
    words
}
