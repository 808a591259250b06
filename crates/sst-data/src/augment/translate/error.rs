//! Errors of translators.

use std::io;
use std::path::PathBuf;

/// The number of characters of foreign output that a message shows.
const SHOWN: usize = 200;

/// Why texts could not be translated. If there is an error, no text is translated.
#[derive(Debug, thiserror::Error)]
pub enum TranslateError {
    /// The pair does not name two languages.
    #[error(
        "`{pair}` is no pair of languages: write eng-spa, or zh-Hans:en where a name has a hyphen"
    )]
    BadPair {
        /// The pair, as written.
        pair: String,
    },
    /// The address of a server is not valid.
    #[error("{url}: {reason}")]
    BadUrl {
        /// The address.
        url: String,
        /// The problem and what to do.
        reason: String,
    },
    /// A program cannot be started.
    #[error(
        "cannot start {program} ({source}): install it, e.g. with `apt-get install apertium \
         apertium-eng-spa`, or give its path"
    )]
    Missing {
        /// The program.
        program: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A program ended before it had translated all texts.
    #[error("{by} ended ({status}) with {answered} of {asked} texts translated{}", with_output(.said))]
    Died {
        /// The translator.
        by: String,
        /// How it ended.
        status: String,
        /// The number of texts that it had translated.
        answered: usize,
        /// The number of texts that it was given.
        asked: usize,
        /// What it wrote to stderr.
        said: String,
    },
    /// A program or server took too long.
    #[error(
        "{by} said nothing for {seconds} s, with {answered} of {asked} texts translated: see whether it \
         hangs, or allow it more time"
    )]
    Slow {
        /// The translator.
        by: String,
        /// The time limit, in seconds.
        seconds: f64,
        /// The number of texts that it had translated.
        answered: usize,
        /// The number of texts that it was given.
        asked: usize,
    },
    /// The number of translations differs from the number of texts.
    #[error(
        "{by} answered with {answered} translations to {asked} texts, so they cannot be matched"
    )]
    Count {
        /// The translator.
        by: String,
        /// The number of texts that it was given.
        asked: usize,
        /// The number of translations that came back.
        answered: usize,
    },
    /// A translation belongs to another text than the expected one.
    #[error(
        "{by} lost its place: text {expected} of the batch (`{text}`) was answered with {found}, so no \
         translation of the batch can be trusted"
    )]
    OutOfStep {
        /// The translator.
        by: String,
        /// The position of the expected text, from 1.
        expected: u64,
        /// The expected text, or its beginning.
        text: String,
        /// What came instead.
        found: String,
    },
    /// The translation of a text is empty.
    #[error("{by} gave nothing back for `{text}`")]
    Lost {
        /// The translator.
        by: String,
        /// The text, or its beginning.
        text: String,
    },
    /// A server cannot be reached.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// The address.
        url: String,
        /// The reason.
        reason: String,
    },
    /// A secure connection to a server cannot be made.
    #[error(
        "cannot agree on TLS with {url}: {reason}; see whether https is spoken there, and whether this \
         system trusts its certificate"
    )]
    Tls {
        /// The address.
        url: String,
        /// The problem.
        reason: String,
    },
    /// A server answered with an HTTP error.
    #[error("{url} answers with status {status}{}", with_output(.said))]
    Status {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The rest of the answer.
        said: String,
    },
    /// The answer of a server is not a translation.
    #[error("{url} does not answer as LibreTranslate does: {reason}")]
    BadAnswer {
        /// The address.
        url: String,
        /// The problem.
        reason: String,
    },
    /// A translation cannot be written to the cache.
    #[error("cannot write {path}: {source}")]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// The end of a message: the output of the program or server, if there is any.
fn with_output(words: &str) -> String {
    match words.trim() {
        "" => String::new(),
        words => format!(": {words}"),
    }
}

/// The beginning of `text` as one line.
pub(super) fn excerpt(text: &str) -> String {
    let mut words: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = words.char_indices().nth(SHOWN) {
        words.truncate(end);
        words.push('…');
    }
    words
}
