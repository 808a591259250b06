//! Reads the score of a record, which is one of its fields as a number.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ReadError;
use crate::example::{Field, Key};

/// The name of the score field of an example, whatever it is called in the file.
pub(crate) const SCORE: &str = "score";

/// Copies the score of a record from its field `field` to [`SCORE`].
pub(super) fn add(
    key: &Key,
    fields: &mut BTreeMap<Arc<str>, Field>,
    field: &str,
) -> Result<(), ReadError> {
    match number(fields.get(field)) {
        Ok(score) => {
            fields.insert(Arc::from(SCORE), Field::Float(score));
            Ok(())
        }
        Err(found) => Err(ReadError::BadScore { key: key.clone(), field: field.to_owned(), found }),
    }
}

/// Parses the number in a field; the error describes what is there instead. The number must also be finite as `f32`,
/// which is how it is stored.
fn number(field: Option<&Field>) -> Result<f64, String> {
    let (number, shown) = match field {
        // Nulls, arrays and objects are not kept as fields, so they count as missing here.
        None => return Err("missing or null".to_owned()),
        Some(Field::Tokens(_) | Field::Ints(_) | Field::Spans(_)) => {
            return Err("a list".to_owned());
        }
        Some(Field::Bytes(_) | Field::Pixels(_)) => return Err("a file".to_owned()),
        Some(Field::Int(number)) => (*number as f64, number.to_string()),
        Some(Field::Float(number)) => (*number, number.to_string()),
        Some(Field::Text(text)) => match text.trim().parse::<f64>() {
            Ok(number) => (number, text.trim().to_owned()),
            Err(_) => return Err("text".to_owned()),
        },
    };
    if (number as f32).is_finite() { Ok(number) } else { Err(shown) }
}
