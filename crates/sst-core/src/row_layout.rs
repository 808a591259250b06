//! The layout of rows, which are padded to one length or follow each other.
//!
//! Shapes: t tokens of all rows, b rows, l tokens of the longest, d width.

use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::head::HeadInput;
use crate::ragged::RaggedRows;

/// The layout of the rows of hidden states.
#[derive(Debug)]
pub enum RowLayout {
    /// Rows of one length: hidden states are `[b, l, d]`.
    Padded {
        /// True at tokens and false at padding, `[b, l]`, bool; `None` when no row is padded.
        mask_bl: Option<Tensor>,
    },
    /// Rows that follow each other without padding: hidden states are `[t, d]`.
    Ragged(RaggedRows),
}

impl Clone for RowLayout {
    fn clone(&self) -> Self {
        match self {
            Self::Padded { mask_bl } => {
                Self::Padded { mask_bl: mask_bl.as_ref().map(Tensor::shallow_clone) }
            }
            Self::Ragged(rows) => Self::Ragged(rows.clone()),
        }
    }
}

impl RowLayout {
    /// The hidden state of the first position of each row, `[b, d]`.
    ///
    /// # Errors
    /// If a ragged row is empty, or libtorch fails.
    pub fn first(&self, hidden: &Tensor) -> Result<Tensor> {
        match self {
            Self::Padded { .. } => Ok(hidden.f_select(1, 0)?),
            Self::Ragged(rows) => rows.first(hidden),
        }
    }

    /// The hidden state of the last token of each row that is not padding, `[b, d]`. Padding may be on either side.
    ///
    /// # Errors
    /// If a ragged row is empty, or libtorch fails.
    pub fn last(&self, hidden: &Tensor) -> Result<Tensor> {
        match self {
            Self::Padded { mask_bl: None } => Ok(hidden.f_select(1, -1)?),
            Self::Padded { mask_bl: Some(mask_bl) } => last_of_mask(hidden, mask_bl),
            Self::Ragged(rows) => rows.last(hidden),
        }
    }

    /// The hidden state of the last token of each row that is neither padding nor `padding_id`, `[b, d]`; that of the
    /// first position of a row without such a token. `input_ids` are the tokens, `[b, l]` or `[t]`.
    ///
    /// # Errors
    /// If a ragged row is empty, or libtorch fails.
    pub fn last_but(&self, hidden: &Tensor, input_ids: &Tensor, padding_id: i64) -> Result<Tensor> {
        match self {
            Self::Padded { mask_bl } => {
                let is_text_bl = input_ids.f_ne(padding_id)?;
                let mask_bl = match mask_bl {
                    Some(mask_bl) => is_text_bl.f_logical_and(mask_bl)?,
                    None => is_text_bl,
                };
                last_of_mask(hidden, &mask_bl)
            }
            Self::Ragged(rows) => {
                let ids: Vec<i64> = Vec::try_from(input_ids.f_to_device(Device::Cpu)?)?;
                rows.one_of_each(hidden, |[start, end]| {
                    let is_text = |place: &i64| ids[*place as usize] != padding_id;
                    (start..end).rev().find(is_text).unwrap_or(start)
                })
            }
        }
    }

    /// The hidden state `[b, d]` of the token that ends the text of each row: the first one with id `token_id`, or with the
    /// highest id of the row if that is `None`; that of the first token of a row without it. Padding does not count.
    /// `input_ids` are the tokens, `[b, l]` or `[t]`.
    ///
    /// # Errors
    /// If a ragged row is empty, or libtorch fails.
    pub fn end_of_text(
        &self,
        hidden: &Tensor,
        input_ids: &Tensor,
        token_id: Option<i64>,
    ) -> Result<Tensor> {
        let host = |x: &Tensor| -> Result<Vec<i64>> {
            let flat = x.f_flatten(0, -1)?.f_to_kind(Kind::Int64)?;
            Ok(Vec::try_from(flat.f_to_device(Device::Cpu)?)?)
        };
        let mut ids = host(input_ids)?;
        match self {
            Self::Ragged(rows) => rows.one_of_each(hidden, |[start, end]| {
                start + end_of_text_in(&ids[start as usize..end as usize], token_id) as i64
            }),
            Self::Padded { mask_bl } => {
                if let Some(mask_bl) = mask_bl {
                    let is_token = host(mask_bl)?;
                    ids.iter_mut().zip(is_token).for_each(|(id, is_token)| {
                        *id = if is_token == 0 { PADDING } else { *id };
                    });
                }
                let length = input_ids.size2()?.1 as usize;
                let rows = (0..).zip(ids.chunks(length.max(1)));
                let ends = rows
                    .map(|(row, ids)| (row * length + end_of_text_in(ids, token_id)) as i64)
                    .collect::<Vec<_>>();
                let ends_b = Tensor::f_from_slice(&ends)?.f_to_device(hidden.device())?;
                Ok(hidden.f_flatten(0, 1)?.f_index_select(0, &ends_b)?)
            }
        }
    }

    /// The hidden states that a head reads ([`crate::EncoderOutput::select`]).
    ///
    /// # Errors
    /// As for that function.
    pub fn select(
        &self,
        hidden: &Tensor,
        head_input: HeadInput,
        input_ids: Option<&Tensor>,
    ) -> Result<Tensor> {
        let ids = || {
            input_ids.ok_or_else(|| Error::Contract("this head needs the ids of the tokens".into()))
        };
        match head_input {
            HeadInput::EveryToken => Ok(hidden.f_flatten(0, -2)?),
            HeadInput::WholeRow => self.whole(hidden),
            HeadInput::FirstToken => self.first(hidden),
            HeadInput::LastToken { padding_id: None } => self.last(hidden),
            HeadInput::LastToken { padding_id: Some(id) } => self.last_but(hidden, ids()?, id),
            HeadInput::EndOfText { token_id } => self.end_of_text(hidden, ids()?, token_id),
        }
    }

    /// The places `[b]` (int64) in the flattened `[b * l]` or `[t]` of the hidden states that a head reads, for rows of this
    /// `size`, which is `[b, l]` or `[t]`; `None` if it reads more than one of each row.
    ///
    /// # Errors
    /// As for [`RowLayout::select`].
    pub fn places(
        &self,
        size: &[i64],
        head_input: HeadInput,
        input_ids: Option<&Tensor>,
        device: Device,
    ) -> Result<Option<Tensor>> {
        if matches!(head_input, HeadInput::EveryToken | HeadInput::WholeRow) {
            return Ok(None);
        }
        // Hidden states that are their own places.
        let count: i64 = size.iter().product();
        let places = Tensor::f_arange(count, (Kind::Int64, device))?.f_reshape(size)?;
        let found = self.select(&places.f_unsqueeze(-1)?, head_input, input_ids)?;
        Ok(Some(found.f_squeeze_dim(-1)?))
    }

    /// The hidden states `[b, l, d]` of rows that all have l tokens.
    ///
    /// # Errors
    /// If rows have different lengths, or libtorch fails.
    pub fn whole(&self, hidden: &Tensor) -> Result<Tensor> {
        let unequal = || Error::Contract("a head for whole rows needs rows of one length".into());
        match self {
            Self::Padded { mask_bl: None } => Ok(hidden.shallow_clone()),
            Self::Padded { mask_bl: Some(mask_bl) } => {
                let is_full = mask_bl.f_all()?.f_int64_value(&[])? != 0;
                if is_full { Ok(hidden.shallow_clone()) } else { Err(unequal()) }
            }
            Self::Ragged(rows) => {
                let longest = rows.longest();
                if rows.lengths().any(|length| length != longest) {
                    return Err(unequal());
                }
                let hidden_td = hidden.f_narrow(0, 0, rows.num_tokens())?;
                Ok(hidden_td.f_reshape([rows.num_rows(), longest, hidden.size()[1]])?)
            }
        }
    }
}

/// Stands for the id of padding.
const PADDING: i64 = i64::MIN;

/// The place of the token that ends a text of these ids: the first one with id `token_id`, or with the highest id if
/// that is `None`; that of the first token if there is none.
fn end_of_text_in(ids: &[i64], token_id: Option<i64>) -> usize {
    let wanted = token_id.or_else(|| ids.iter().max().copied());
    let end = ids.iter().position(|id| Some(*id) == wanted);
    end.or_else(|| ids.iter().position(|id| *id != PADDING)).unwrap_or(0)
}

/// The hidden state `[b, d]` of the last position of each row where `mask_bl` is true; of the first position where it is
/// true nowhere.
fn last_of_mask(hidden_bld: &Tensor, mask_bl: &Tensor) -> Result<Tensor> {
    let (rows, length) = mask_bl.size2()?;
    let places_l = Tensor::f_arange(length, (Kind::Int64, mask_bl.device()))?;
    let last_b = places_l.f_mul(mask_bl)?.f_amax([1_i64], false)?;
    let starts_b = Tensor::f_arange(rows, (Kind::Int64, mask_bl.device()))?.f_mul_scalar(length)?;
    Ok(hidden_bld.f_flatten(0, 1)?.f_index_select(0, &starts_b.f_add(&last_b)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_token_is_found_before_padding_and_before_the_padding_id() {
        // Two rows, 5 6 9 9 and 7 9, where 9 is the padding id, and a row of 9 alone.
        let hidden_td = Tensor::arange(7, (Kind::Float, Device::Cpu)).unsqueeze(1);
        let ids_t = Tensor::from_slice(&[5_i64, 6, 9, 9, 7, 9, 9]);
        let numbers = |rows: Tensor| Vec::<f32>::try_from(rows.flatten(0, -1)).unwrap();
        let ragged = RowLayout::Ragged(RaggedRows::new(&[4, 2, 1], Device::Cpu));
        assert_eq!(numbers(ragged.last(&hidden_td).unwrap()), [3.0, 5.0, 6.0]);
        assert_eq!(numbers(ragged.last_but(&hidden_td, &ids_t, 9).unwrap()), [1.0, 4.0, 6.0]);
        // The same rows padded to four tokens: the hidden state of a position is its number.
        let ids_bl = Tensor::from_slice(&[5_i64, 6, 9, 9, 7, 9, 0, 0, 9, 0, 0, 0]).reshape([3, 4]);
        let hidden_bld = Tensor::arange(12, (Kind::Float, Device::Cpu)).reshape([3, 4, 1]);
        let padded = RowLayout::Padded { mask_bl: Some(ids_bl.ne(0)) };
        assert_eq!(numbers(padded.last(&hidden_bld).unwrap()), [3.0, 5.0, 8.0]);
        assert_eq!(numbers(padded.last_but(&hidden_bld, &ids_bl, 9).unwrap()), [1.0, 4.0, 8.0]);
    }

    #[test]
    fn the_end_of_a_text_is_its_first_such_token_or_the_highest_id() {
        // 5 9 9 has its end at 9; 7 4 8 has no 9 and its highest id last; 9 1 begins with it.
        let hidden_td = Tensor::arange(8, (Kind::Float, Device::Cpu)).unsqueeze(1);
        let ids_t = Tensor::from_slice(&[5_i64, 9, 9, 7, 4, 8, 9, 1]);
        let numbers = |rows: Tensor| Vec::<f32>::try_from(rows.flatten(0, -1)).unwrap();
        let ragged = RowLayout::Ragged(RaggedRows::new(&[3, 3, 2], Device::Cpu));
        let of = |id| numbers(ragged.end_of_text(&hidden_td, &ids_t, id).unwrap());
        assert_eq!(of(Some(9)), [1.0, 3.0, 6.0]);
        assert_eq!(of(None), [1.0, 5.0, 6.0]);
        let padded = RowLayout::Padded { mask_bl: None };
        let hidden_bld = Tensor::arange(6, (Kind::Float, Device::Cpu)).reshape([2, 3, 1]);
        let ids_bl = ids_t.narrow(0, 0, 6).reshape([2, 3]);
        let of = |id| numbers(padded.end_of_text(&hidden_bld, &ids_bl, id).unwrap());
        assert_eq!(of(Some(9)), [1.0, 3.0]);
        assert_eq!(of(None), [1.0, 5.0]);
        // The first position of the first row and the last of the second are padding.
        let mask = Tensor::from_slice(&[false, true, true, true, true, false]).reshape([2, 3]);
        let masked = RowLayout::Padded { mask_bl: Some(mask) };
        let of = |id| numbers(masked.end_of_text(&hidden_bld, &ids_bl, id).unwrap());
        assert_eq!(of(Some(9)), [1.0, 3.0]);
        assert_eq!(of(None), [1.0, 3.0]);
        assert_eq!(of(Some(1)), [1.0, 3.0]);
    }

    #[test]
    fn whole_rows_have_one_length() {
        let hidden_td = Tensor::arange(6, (Kind::Float, Device::Cpu)).unsqueeze(1);
        let ragged = |lengths: &[usize]| RowLayout::Ragged(RaggedRows::new(lengths, Device::Cpu));
        assert_eq!(ragged(&[3, 3]).whole(&hidden_td).unwrap().size(), [2, 3, 1]);
        assert!(ragged(&[2, 4]).whole(&hidden_td).is_err());
        let mask_bl = Some(Tensor::from_slice(&[true, false]).reshape([1, 2]));
        let hidden_bld = hidden_td.narrow(0, 0, 2).reshape([1, 2, 1]);
        assert!(RowLayout::Padded { mask_bl }.whole(&hidden_bld).is_err());
    }

    #[test]
    fn the_last_token_is_the_same_on_whichever_side_a_row_is_padded() {
        let hidden_bld = Tensor::arange(6, (Kind::Float, Device::Cpu)).reshape([2, 3, 1]);
        let mask = |values: [bool; 6]| Some(Tensor::from_slice(&values).reshape([2, 3]));
        for (mask_bl, expected) in [
            (mask([true, true, false, true, false, false]), [1.0, 3.0]),
            (mask([false, true, true, false, false, true]), [2.0, 5.0]),
            (None, [2.0, 5.0]),
        ] {
            let last_bd = RowLayout::Padded { mask_bl }.last(&hidden_bld).unwrap();
            assert_eq!(Vec::<f32>::try_from(last_bd.flatten(0, -1)).unwrap(), expected);
        }
    }
}
