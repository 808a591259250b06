//! A long row as several short ones, none of its tokens lost.

use super::DatasetError;
use crate::example::{Example, Field};
use crate::tokenize::Frame;

/// The field that rows of tokens have.
const INPUT_IDS: &str = "input_ids";
/// Piece `p` of row `i` is example `i + (p << 40)`. Rows below 2^40 and pieces below 2^24 therefore
/// never share an index with each other or with a row, and each piece gets draws of its own. The
/// first piece has the index of the row, which is not drawn whole beside its pieces.
const ROW_BITS: u32 = 40;

/// The pieces of `row` of at most `max_length` tokens, each in `frame` again: as few as can be, and
/// equal to a token, so that the last one is no scrap. A row that is short enough stays as it is.
pub(crate) fn split(
    row: Example,
    frame: &Frame,
    max_length: usize,
) -> Result<Vec<Example>, DatasetError> {
    let Frame { prefix, suffix, .. } = frame;
    let framing = prefix.len() + suffix.len();
    let ids = row.tokens(INPUT_IDS).unwrap_or_default();
    if ids.len() <= max_length {
        return Ok(vec![row]);
    }
    if max_length <= framing {
        return Err(DatasetError::NoRoomInPiece { max_length, frame: framing });
    }
    let tokens = &ids[prefix.len()..ids.len() - suffix.len()];
    let count = tokens.len().div_ceil(max_length - framing);
    if row.index >> ROW_BITS != 0 || count as u64 >> (u64::BITS - ROW_BITS) != 0 {
        let reason = "it has too many pieces or too many rows stand before it: raise \
                      train.length_warmup.from or remove the warm-up";
        return Err(DatasetError::Unreadable { key: row.key, reason: reason.to_owned() });
    }
    let bound = |piece: usize| tokens.len() * piece / count;
    let piece = |number: usize| {
        let own = &tokens[bound(number)..bound(number + 1)];
        let mut piece = row.clone();
        let ids = [prefix.as_slice(), own, suffix.as_slice()].concat();
        piece.fields.insert(INPUT_IDS.into(), Field::Tokens(ids));
        piece.index |= (number as u64) << ROW_BITS;
        piece
    };
    Ok((0..count).map(piece).collect())
}
