//! Splits a long row into several short ones without losing tokens.

use super::DatasetError;
use crate::example::{Example, Field};
use crate::tokenize::SpecialTokenTemplate;

/// The field that holds the tokens of a row.
const INPUT_IDS: &str = "input_ids";
/// Piece `p` of row `i` is example `i + (p << 40)`. As long as there are fewer than 2^40 rows and 2^24 pieces, all
/// indices differ, so each piece gets random draws of its own. The first piece has the index of the row, which is
/// never used whole beside its pieces.
const ROW_BITS: u32 = 40;

/// Splits `row` into as few pieces of at most `max_length` tokens as possible, each with the special tokens of
/// `template`. Their lengths differ by at most one token, so that the last one is not short. A row that is short
/// enough is returned as it is.
pub(crate) fn split(
    row: Example,
    template: &SpecialTokenTemplate,
    max_length: usize,
) -> Result<Vec<Example>, DatasetError> {
    let SpecialTokenTemplate { prefix, suffix, .. } = template;
    let num_special = prefix.len() + suffix.len();
    let ids = row.tokens(INPUT_IDS).unwrap_or_default();
    if ids.len() <= max_length {
        return Ok(vec![row]);
    }
    if max_length <= num_special {
        return Err(DatasetError::NoRoomInPiece { max_length, num_special });
    }
    let tokens = &ids[prefix.len()..ids.len() - suffix.len()];
    let count = tokens.len().div_ceil(max_length - num_special);
    if row.index >> ROW_BITS != 0 || count as u64 >> (u64::BITS - ROW_BITS) != 0 {
        return Err(DatasetError::TooManyPieces(row.key));
    }
    let bound = |piece: usize| tokens.len() * piece / count;
    let piece = |number: usize| {
        let piece_ids = &tokens[bound(number)..bound(number + 1)];
        let mut piece = row.clone();
        let ids = [prefix.as_slice(), piece_ids, suffix.as_slice()].concat();
        piece.fields.insert(INPUT_IDS.into(), Field::Tokens(ids));
        piece.index |= (number as u64) << ROW_BITS;
        piece
    };
    Ok((0..count).map(piece).collect())
}
