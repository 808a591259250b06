//! The formats of files, and their extensions.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One document a line. Blank lines are skipped and counted in the ledger as `read.blank_lines`. The extensions
    /// are `.txt` and `.text`.
    Text,
    /// Documents are separated by blank lines, and the lines of one document are joined by `\n`. No extension selects
    /// this format.
    Paragraphs,
    /// One JSON object a line. The extensions are `.jsonl` and `.ndjson`.
    Jsonl,
    /// Comma-separated values with a header line, quoted as in RFC 4180. The extension is `.csv`.
    Csv,
    /// Tab-separated values with a header line. Quotes are data, as in the IANA media type and in GLUE. There are
    /// three exceptions: fields with doubled quotes inside, empty fields (`""`), and all fields of a file whose whole
    /// header is quoted. Their quotes are removed and they are counted as `read.unquoted_fields`. Other fields in
    /// quotes are counted as `read.ambiguous_quotes`. The extension is `.tsv`.
    Tsv,
    /// Apache Parquet. The extension is `.parquet`.
    Parquet,
    /// Columns separated by tabs or spaces, as in CoNLL-2003: the first one has a word, another one its tag, and a blank
    /// line ends a sentence. A sentence is a record with the fields `text`, `entities` (a list of `start`, `end` and
    /// `label`, in characters of the text), `words` and `tags`. Words are joined by spaces, but not where Chinese or
    /// Japanese stands on both sides. Lines with `-DOCSTART-` are counted as `read.docstart_lines`. The extensions are
    /// `.conll`, `.iob`, `.iob2`, `.bio`, `.bioes` and `.bmes`.
    Conll,
    /// CoNLL-U, the format of Universal Dependencies, with the fields of [`Format::Conll`]. The text has spaces as
    /// `SpaceAfter=No` says. Ranges such as `3-4` are counted as `read.multiword_tokens`, and empty nodes as
    /// `read.empty_nodes`. The extension is `.conllu`.
    Conllu,
    /// The JSON of SQuAD 1.1 and 2.0, and of CMRC 2018 in both of its forms. A question is a record with the fields `id`,
    /// `question`, `context`, `answers` (as the `datasets` library has them), `title` and `is_impossible`. Its number is
    /// that of the question in the file, from 1, because such files have few lines. An answer without a start, as in a
    /// list of texts, gets the first place in the context that has its text, and is counted as
    /// `read.answers_without_start`; if there is none, its start is -1. No extension selects this format; in a folder it
    /// takes files in `.json`.
    Squad,
}

impl Format {
    /// The format that the extension of `path` names, apart from `.gz` or `.zst`.
    pub fn of(path: &Path) -> Option<Self> {
        match extension(path).as_str() {
            "txt" | "text" => Some(Self::Text),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            "tsv" => Some(Self::Tsv),
            "parquet" => Some(Self::Parquet),
            "conll" | "iob" | "iob2" | "bio" | "bioes" | "bmes" => Some(Self::Conll),
            "conllu" => Some(Self::Conllu),
            _ => None,
        }
    }

    /// The name of the format in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Paragraphs => "paragraphs",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Parquet => "parquet",
            Self::Conll => "conll",
            Self::Conllu => "conllu",
            Self::Squad => "squad",
        }
    }
}

/// The extension of `path` in lower case, without `.gz` or `.zst`; empty if there is none.
pub(super) fn extension(path: &Path) -> String {
    let lower = |path: &Path| path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match lower(path).as_str() {
        "gz" | "zst" => path.file_stem().map(Path::new).map(lower).unwrap_or_default(),
        other => other.to_owned(),
    }
}
