//! Writes entities as a sequence of labels.

use super::error::EntityError;
use super::label::Position;
use super::read::Entity;
use super::scheme::EntityScheme;

/// The labels of a sequence of `length` tokens with these entities, in any order.
///
/// # Errors
/// [`EntityError::OutOfRange`] for an entity without tokens or beyond the end, and [`EntityError::Overlap`] for two that
/// share a token.
pub fn write(
    entities: &[Entity<'_>],
    length: usize,
    scheme: EntityScheme,
) -> Result<Vec<String>, EntityError> {
    let mut sorted = entities.to_vec();
    sorted.sort_unstable();
    let mut labels = vec!["O".to_owned(); length];
    let mut before: Option<Entity<'_>> = None;
    for entity in sorted {
        let Entity { start, end, label } = entity;
        if start >= end || end > length {
            return Err(EntityError::OutOfRange { start, end, length });
        }
        if let Some(before) = before.filter(|before| before.end > start) {
            return Err(EntityError::Overlap { first: before.start, second: start });
        }
        let touches = before.is_some_and(|before| before.end == start && before.label == label);
        for (at, text) in (start..end).zip(&mut labels[start..end]) {
            let position = position(scheme, at == start, at + 1 == end, touches);
            *text = match label {
                "" => scheme.letter(position).to_string(),
                _ => format!("{}-{label}", scheme.letter(position)),
            };
        }
        before = Some(entity);
    }
    Ok(labels)
}

/// The position of a token of an entity. `touches` says that an entity of the same type ends where this one begins.
fn position(scheme: EntityScheme, is_first: bool, is_last: bool, touches: bool) -> Position {
    match (scheme.marks_ends(), is_first, is_last) {
        (true, true, true) => Position::Single,
        (true, true, false) => Position::Begin,
        (true, false, true) => Position::End,
        (false, true, _) => match scheme {
            EntityScheme::Iob2 => Position::Begin,
            EntityScheme::Iob1 if touches => Position::Begin,
            _ => Position::Inside,
        },
        _ => Position::Inside,
    }
}
