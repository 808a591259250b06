//! Reads entities out of sequences of labels.

use super::error::EntityError;
use super::label::{Label, Position};
use super::parse::parse_all;
use super::scheme::EntityScheme;

/// An entity of a sequence: its type, and its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entity<'a> {
    /// The first token.
    pub start: usize,
    /// The position after the last token.
    pub end: usize,
    /// The type, such as `PER`; empty where the labels have none (`B`, `I`).
    pub label: &'a str,
}

/// The entities of a sequence by the lenient rule, which finds an entity wherever a label is not `O`. The letters of all
/// schemes are read.
///
/// An entity ends before `O`, `B` and `S`, before a label of another type, and after `E` and `S`. So `I-X I-X` and
/// `B-X I-X` are the same entity, and every token that is not `O` is part of one. This is the rule of the script
/// `conlleval` and of seqeval 1.2.2 without `mode="strict"`, which knows the letters B, I, E and S alone.
///
/// # Errors
/// [`EntityError::BadLabel`] for a label of no scheme.
pub fn read_lenient<S: AsRef<str>>(labels: &[S]) -> Result<Vec<Entity<'_>>, EntityError> {
    let labels = parse_all(labels)?;
    let mut entities: Vec<Entity<'_>> = Vec::new();
    let mut previous = Label::OUTSIDE;
    for (at, label) in labels.into_iter().enumerate() {
        match entities.last_mut() {
            Some(last) if previous.goes_on_in(label) => last.end = at + 1,
            _ if label.position == Position::Outside => {}
            _ => entities.push(Entity { start: at, end: at + 1, label: label.kind }),
        }
        previous = label;
    }
    Ok(entities)
}

/// The entities of a sequence by the strict rule: an entity counts only if it is labelled as the scheme says, and labels
/// that do not fit are skipped.
///
/// In BIOES and its kin an entity is `S`, or `B`, any number of `I`, and `E`, all of one type. In IOB2 it begins with
/// `B`. In IOB1 a `B` begins an entity only after a token of the same type; a `B` elsewhere is skipped, and one that is
/// followed by a `B` of another type is no entity. In IO all labels fit. For IOB1, IOB2, BIOES and BILOU this is
/// `mode="strict"` of seqeval 1.2.2, also where labels do not fit. On a [legal](super::is_legal) sequence both rules
/// find the same entities.
///
/// # Errors
/// [`EntityError::BadLabel`] and [`EntityError::OtherScheme`] for labels that the scheme does not have.
pub fn read_strict<S: AsRef<str>>(
    labels: &[S],
    scheme: EntityScheme,
) -> Result<Vec<Entity<'_>>, EntityError> {
    let labels = scheme.parse_all(labels)?;
    let mut entities = Vec::new();
    let mut previous = Label::OUTSIDE;
    let mut start = 0;
    while start < labels.len() {
        let mut end = start + 1;
        if begins(scheme, previous, labels[start]) {
            while end < labels.len() && labels[end - 1].goes_on_in(labels[end]) {
                end += 1;
            }
            let next = labels.get(end).copied().unwrap_or(Label::OUTSIDE);
            if is_complete(scheme, labels[end - 1], next) {
                entities.push(Entity { start, end, label: labels[start].kind });
            }
        }
        previous = labels[end - 1];
        start = end;
    }
    Ok(entities)
}

/// Whether `label`, which stands after `previous`, begins an entity.
fn begins(scheme: EntityScheme, previous: Label<'_>, label: Label<'_>) -> bool {
    let is_same = previous.kind == label.kind;
    match scheme {
        EntityScheme::Io | EntityScheme::Iob1 => match (previous.position, label.position) {
            (Position::Outside | Position::Begin, Position::Inside) => true,
            (Position::Inside, Position::Inside) => !is_same,
            (Position::Begin | Position::Inside, Position::Begin) => is_same,
            _ => false,
        },
        _ => matches!(label.position, Position::Begin | Position::Single),
    }
}

/// Whether an entity may end with `last` where `next` follows, which is not a further token of it.
fn is_complete(scheme: EntityScheme, last: Label<'_>, next: Label<'_>) -> bool {
    if scheme.marks_ends() {
        return matches!(last.position, Position::End | Position::Single);
    }
    let are_begins = last.position == Position::Begin && next.position == Position::Begin;
    !(scheme == EntityScheme::Iob1 && are_begins && last.kind != next.kind)
}
