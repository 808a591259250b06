//! The parts of a label.

/// The part of an entity that a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    /// The token is part of no entity.
    Outside,
    /// The first token of an entity.
    Begin,
    /// A token within an entity; in some schemes also the first or the last one.
    Inside,
    /// The last token of an entity of several tokens.
    End,
    /// The only token of an entity.
    Single,
}

/// A label: the part of an entity that the token is, and the type of the entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label<'a> {
    pub(super) position: Position,
    /// The type, such as `PER`; empty for the label `O` and for labels without a type (`B`, `I`).
    pub(super) kind: &'a str,
}

impl<'a> Label<'a> {
    /// The label of a token that is part of no entity. It also stands before the first label and after the last one.
    pub(super) const OUTSIDE: Self = Self { position: Position::Outside, kind: "" };

    /// Whether `next` is a further token of an entity that this label began or continued: the same type, after `B` or
    /// `I`, and no new beginning.
    pub(super) fn goes_on_in(self, next: Label<'_>) -> bool {
        let is_open = matches!(self.position, Position::Begin | Position::Inside);
        let is_further = matches!(next.position, Position::Inside | Position::End);
        is_open && is_further && self.kind == next.kind
    }
}
