//! The schemes: which labels the tokens of an entity get, and which label may follow which.

use std::fmt;

use super::label::{Label, Position};

/// A way to write entities as one label a token. A token outside of every entity is `O` in all of them.
///
/// IOB1 is the scheme of Ramshaw and Marcus 1995, "Text Chunking using Transformation-Based Learning"; the names IOB1
/// and IOB2 are those of Tjong Kim Sang and Veenstra 1999, "Representing Text Chunks"; BILOU is described in Ratinov and
/// Roth 2009, "Design Challenges and Misconceptions in Named Entity Recognition".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntityScheme {
    /// `I` at every token of an entity. Two entities of one type that touch cannot be told apart.
    Io,
    /// `I` at every token, but `B` at the first one if it follows an entity of the same type directly.
    Iob1,
    /// `B` at the first token and `I` at the others. Also called BIO.
    Iob2,
    /// `B`, `I` and `E` at the first, the inner and the last tokens, and `S` at an only one. Also called IOBES.
    Bioes,
    /// As [`Bioes`](Self::Bioes), with `M` for the inner tokens.
    Bmes,
    /// As [`Bmes`](Self::Bmes), with `W` for an only token.
    Bmewo,
    /// As [`Bioes`](Self::Bioes), with `L` for the last token and `U` for an only one.
    Bilou,
}

impl EntityScheme {
    /// Every scheme. The order is that in which [`detect()`](super::detect()) prefers them.
    pub const ALL: [Self; 7] =
        [Self::Iob2, Self::Bioes, Self::Bmes, Self::Bmewo, Self::Bilou, Self::Iob1, Self::Io];

    /// The name, such as `IOB2`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Io => "IO",
            Self::Iob1 => "IOB1",
            Self::Iob2 => "IOB2",
            Self::Bioes => "BIOES",
            Self::Bmes => "BMES",
            Self::Bmewo => "BMEWO",
            Self::Bilou => "BILOU",
        }
    }

    /// The names of all schemes, for a message.
    pub(super) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// The letters that its labels begin with, for a message.
    pub(super) fn letters(self) -> &'static str {
        match self {
            Self::Io => "I and O",
            Self::Iob1 | Self::Iob2 => "B, I and O",
            Self::Bioes => "B, I, E, S and O",
            Self::Bmes => "B, M, E, S and O",
            Self::Bmewo => "B, M, E, W and O",
            Self::Bilou => "B, I, L, U and O",
        }
    }

    /// The letter of a label of this scheme.
    pub(super) fn letter(self, position: Position) -> char {
        match position {
            Position::Outside => 'O',
            Position::Begin => 'B',
            Position::Inside if matches!(self, Self::Bmes | Self::Bmewo) => 'M',
            Position::Inside => 'I',
            Position::End if self == Self::Bilou => 'L',
            Position::End => 'E',
            Position::Single if self == Self::Bilou => 'U',
            Position::Single if self == Self::Bmewo => 'W',
            Position::Single => 'S',
        }
    }

    /// Whether the scheme marks the first and the last token of every entity.
    pub(super) fn marks_ends(self) -> bool {
        matches!(self, Self::Bioes | Self::Bmes | Self::Bmewo | Self::Bilou)
    }

    /// Whether the scheme has labels of this position.
    pub(super) fn has(self, position: Position) -> bool {
        match position {
            Position::Outside | Position::Inside => true,
            Position::Begin => self != Self::Io,
            Position::End | Position::Single => self.marks_ends(),
        }
    }

    /// Whether `next` may stand directly after `previous`. [`Label::OUTSIDE`] stands for the begin and the end of the
    /// sequence. A sequence is legal if and only if every pair of it is, both ends included.
    pub(super) fn may_follow(self, previous: Label<'_>, next: Label<'_>) -> bool {
        let is_open = matches!(previous.position, Position::Begin | Position::Inside);
        let is_further = matches!(next.position, Position::Inside | Position::End);
        match self {
            Self::Io => true,
            Self::Iob1 if next.position == Position::Begin => is_open && previous.kind == next.kind,
            Self::Iob1 => true,
            Self::Iob2 => !is_further || previous.goes_on_in(next),
            Self::Bioes | Self::Bmes | Self::Bmewo | Self::Bilou => {
                is_open == is_further && (!is_open || previous.kind == next.kind)
            }
        }
    }
}

impl fmt::Display for EntityScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
