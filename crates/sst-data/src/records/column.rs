//! The columns of records: the fields that are used, and the kind of value of each.

use serde::{Deserialize, Serialize};

use super::RecordsError;
use crate::setting::{self, Setting};
use crate::transform::{TransformError, Transforms};

/// A field of a record that an objective uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The name in the example, by which the objective finds it.
    pub name: String,
    /// The name of the field in the files.
    pub field: String,
    /// The kind of its values.
    pub kind: ColumnKind,
}

/// The kind of the values of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ColumnKind {
    /// A text, which is tokenized into a sequence of its own: `input_ids` for the first text column, `input_ids.1` for
    /// the second, and so on. The text itself is kept under the name of the column.
    Text,
    /// The second text of a pair. It shares one sequence with the text of column `first`, as premise and hypothesis or
    /// question and context do. The sequence then also has `token_type_ids` (or `token_type_ids.1`, ...).
    SecondText {
        /// The column with the first text.
        first: String,
    },
    /// One class: a string, an integer or a boolean. In the example it is an integer, the index into the table of
    /// labels.
    Label,
    /// Any number of classes, as a list; in CSV and TSV a list in JSON. In the example they are sorted integers.
    Labels,
    /// A finite number, or text that can be parsed as one. In the example it is a floating-point number.
    Number,
    /// Spans of the text in column `text`, with or without a class. In the files they are a list of `[start, end]`,
    /// `[start, end, label]` or `{"start": .., "end": .., "label": ..}`, or the `{"text": [..], "answer_start": [..]}`
    /// of SQuAD. Start and end count characters (Unicode code points, as in Python), and the end is the position after
    /// the last character. In the example, start and end count tokens of the text's sequence, special tokens included.
    /// The field `NAME.characters` has all of them in characters, as in the file, and `NAME.index` says which of these
    /// the sequence has: one whose tokens are not all there is left out.
    Spans {
        /// The column with the text.
        text: String,
    },
    /// Named entities of the text in column `text`, in the forms of [`ColumnKind::Spans`]. Each has a class, and no two of
    /// them overlap. In the example they are in the order of the text. An entity has every token that overlaps it, so
    /// two entities that touch may share a token; the ledger counts these as `records.entities_sharing_tokens`. Of an
    /// entity that the sequence cuts off, the part inside is kept. The field `NAME.cut` has a number for each entity:
    /// 0 for a whole one, plus 1 if tokens are missing at its beginning, plus 2 if they are missing at its end. The
    /// field `NAME.characters` has all of them, in characters. In windows, the field `NAME.cut_words` counts words in the
    /// same way: plus 1 if the first word of the entity begins before the window, plus 2 if its last one begins after it.
    Entities {
        /// The column with the text.
        text: String,
    },
}

impl Column {
    /// A column whose field in the files has the same name.
    pub fn new(name: impl Into<String>, kind: ColumnKind) -> Self {
        let name = name.into();
        Self { field: name.clone(), name, kind }
    }

    /// The same column, read from `field`.
    #[must_use]
    pub fn from_field(self, field: impl Into<String>) -> Self {
        Self { field: field.into(), ..self }
    }

    /// Whether its values are texts.
    pub fn is_text(&self) -> bool {
        matches!(self.kind, ColumnKind::Text | ColumnKind::SecondText { .. })
    }

    /// The setting that names its field.
    pub(super) fn setting(&self) -> Option<Setting> {
        match self.kind {
            ColumnKind::Text => Some(setting::TEXT_FIELD),
            ColumnKind::Label | ColumnKind::Labels => Some(setting::LABEL_FIELD),
            ColumnKind::SecondText { .. }
            | ColumnKind::Number
            | ColumnKind::Spans { .. }
            | ColumnKind::Entities { .. } => None,
        }
    }

    /// Whether its values have classes, which are collected in a table of labels.
    pub fn has_labels(&self) -> bool {
        matches!(
            self.kind,
            ColumnKind::Label
                | ColumnKind::Labels
                | ColumnKind::Spans { .. }
                | ColumnKind::Entities { .. }
        )
    }

    /// The column with the text that its spans or entities belong to; `None` if its values are neither.
    pub(super) fn spanned_text(&self) -> Option<&str> {
        match &self.kind {
            ColumnKind::Spans { text } | ColumnKind::Entities { text } => Some(text),
            _ => None,
        }
    }
}

/// Checks that columns are compatible with each other.
pub(super) fn check(columns: &[Column]) -> Result<(), RecordsError> {
    let refuse = |column: &Column, reason: String| {
        Err(RecordsError::BadColumn { column: column.name.clone(), reason })
    };
    let kind_of = |name: &str| columns.iter().find(|other| other.name == name).map(|c| &c.kind);
    for (place, column) in columns.iter().enumerate() {
        if columns[..place].iter().any(|other| other.name == column.name) {
            return refuse(column, "it occurs twice among the columns".to_owned());
        }
        if column.name.starts_with("input_ids") || column.name.starts_with("token_type_ids") {
            return refuse(column, "the tokens of the record have this name".to_owned());
        }
        match &column.kind {
            ColumnKind::SecondText { first } => {
                if kind_of(first) != Some(&ColumnKind::Text) {
                    return refuse(
                        column,
                        format!("`{first}`, its first text, is no column of texts"),
                    );
                }
                let same = |other: &&Column| other.kind == column.kind;
                if columns.iter().filter(same).count() > 1 {
                    return refuse(column, format!("`{first}` has two second texts"));
                }
            }
            ColumnKind::Spans { text } | ColumnKind::Entities { text }
                if !columns.iter().any(|other| other.name == *text && other.is_text()) =>
            {
                return refuse(column, format!("`{text}`, its text, is no column of texts"));
            }
            _ => {}
        }
    }
    match columns.iter().any(|column| column.kind == ColumnKind::Text) {
        true => Ok(()),
        false => Err(RecordsError::NoText),
    }
}

/// The index among the texts of `columns` of the text that the spans of `column` belong to.
pub(super) fn text_of(column: &Column, columns: &[Column]) -> usize {
    let mut texts = columns.iter().filter(|other| other.is_text());
    let is_text = |other: &Column| column.spanned_text() == Some(&other.name);
    // [`check`] has made sure that this column exists.
    texts.position(is_text).unwrap_or(0)
}

/// Checks that transforms are compatible with the columns: each changes text columns, and no text that has spans.
pub(super) fn check_transforms(
    transforms: &Transforms,
    columns: &[Column],
) -> Result<(), TransformError> {
    for (name, changed) in transforms.columns() {
        let is_text =
            |name: &String| columns.iter().any(|column| column.is_text() && column.name == *name);
        if let Some(column) = changed.iter().find(|column| !is_text(column)) {
            let known = columns.iter().filter(|column| column.is_text());
            let known: Vec<String> = known.map(|column| format!("`{}`", column.name)).collect();
            return Err(TransformError::NoSuchColumn {
                transform: name.to_owned(),
                column: column.clone(),
                known: known.join(", "),
            });
        }
        for column in columns {
            let Some(text) = column.spanned_text() else { continue };
            if changed.is_empty() || changed.iter().any(|changed| changed == text) {
                return Err(TransformError::HasSpans {
                    transform: name.to_owned(),
                    text: text.to_owned(),
                    spans: column.name.clone(),
                });
            }
        }
    }
    Ok(())
}
