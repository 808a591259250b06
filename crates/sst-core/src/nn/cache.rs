//! The key-value cache of a decoder: keys and values of earlier tokens, so that each token is computed once.
//!
//! Shapes: b rows, c capacity of a row in tokens, t new tokens of all rows, n new tokens of the row that has most, k
//! tokens of the longest row including the new ones, h query heads, h' key and value heads, e width of a head.

use std::cell::OnceCell;

use tch::{Device, Tensor};

use super::attention::{Attention, has_attention_kernel};
use super::rotary::RowPart;
use crate::error::{Error, Result};
use crate::ragged::RaggedRows;

/// The keys and values of growing rows, in all layers.
#[derive(Debug)]
pub struct KvCache {
    /// Keys and values `[b c, h' e]` of each layer that has computed a token.
    layers: Vec<[Tensor; 2]>,
    lengths: Vec<usize>,
    capacity: usize,
    /// The token ids of each row. Only [`KvCache::renew`] fills them.
    ids: Vec<Vec<i64>>,
}

/// The tokens that a model has to compute, so that the cache holds what the whole rows would give.
#[derive(Debug)]
pub struct Renewed {
    /// Token ids `[t']`.
    pub input_ids: Tensor,
    /// The layout of `input_ids`.
    pub rows: RaggedRows,
    /// The positions of the new tokens in `input_ids`, `[t]`.
    pub new_t: Tensor,
}

/// Tokens that are being added to the ends of the rows of a cache.
#[derive(Debug)]
pub struct NewTokens {
    rows: RaggedRows,
    /// The cache slot of each token, `[t]`, an index into `b c`.
    places_t: Tensor,
    /// The position of each token in its row, `[t]`.
    positions_t: Tensor,
    /// The range of cache slots of each row, including the new tokens.
    keys: Vec<[i64; 2]>,
    /// The number of tokens of each row before the new ones.
    before: Vec<usize>,
    /// The result of [`NewTokens::mask`], which is computed once.
    mask_bnk: OnceCell<Tensor>,
}

impl KvCache {
    /// An empty cache of `rows` rows with a capacity of `capacity` tokens each. The capacity grows when it is
    /// exceeded.
    pub fn new(rows: usize, capacity: usize) -> Self {
        let (lengths, ids) = (vec![0; rows], vec![Vec::new(); rows]);
        Self { layers: Vec::new(), lengths, capacity: capacity.max(1), ids }
    }

    /// The number of cached tokens of each row.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Allocates slots for new tokens of each row, whose layout is `rows`. [`NewTokens::attend`] then adds their keys
    /// and values layer by layer, and [`KvCache::finish`] completes them.
    ///
    /// # Errors
    /// If the number of rows differs, or libtorch fails.
    pub fn begin(&mut self, rows: &RaggedRows) -> Result<NewTokens> {
        self.check_rows(rows)?;
        let counts: Vec<usize> = rows.lengths().map(|length| length as usize).collect();
        let after = self.lengths.iter().zip(&counts).map(|(length, new)| length + new);
        let after: Vec<usize> = after.collect();
        let longest = after.iter().copied().max().unwrap_or(0);
        if longest > self.capacity {
            self.grow(longest.next_power_of_two())?;
        }
        let starts = || (0..after.len()).map(|row| row * self.capacity);
        let positions: Vec<i64> = self
            .lengths
            .iter()
            .zip(&after)
            .flat_map(|(from, to)| (*from..*to).map(|at| at as i64))
            .collect();
        let places: Vec<i64> = starts()
            .zip(self.lengths.iter().zip(&after))
            .flat_map(|(start, (from, to))| (*from..*to).map(move |at| (start + at) as i64))
            .collect();
        let keys = starts().zip(&after);
        let keys = keys.map(|(start, length)| [start as i64, (start + length) as i64]).collect();
        let device = rows.device();
        let on_device = |numbers: &[i64]| Tensor::f_from_slice(numbers)?.f_to_device(device);
        Ok(NewTokens {
            rows: rows.clone(),
            places_t: on_device(&places)?,
            positions_t: on_device(&positions)?,
            keys,
            before: self.lengths.clone(),
            mask_bnk: OnceCell::new(),
        })
    }

    /// Drops rows whose cached keys and values have become invalid, for a model whose positions depend on the length
    /// of the row. `input_ids` `[t]` are the new tokens and `rows` their layout. If `is_stale(before, after)` is true
    /// for the lengths of a row, the row is dropped from the cache, and the result contains all of its tokens instead
    /// of the new ones. Call this for every token that is added to the cache.
    ///
    /// # Errors
    /// If the number of rows differs, or libtorch fails.
    pub fn renew(
        &mut self,
        input_ids: &Tensor,
        rows: &RaggedRows,
        is_stale: impl Fn(i64, i64) -> bool,
    ) -> Result<Renewed> {
        self.check_rows(rows)?;
        let given = Vec::<i64>::try_from(input_ids.f_to_device(Device::Cpu)?)?;
        if given.len() as i64 != rows.num_tokens() {
            let (found, expected) = (given.len(), rows.num_tokens());
            return Err(Error::Contract(format!("{found} ids for rows of {expected} tokens")));
        }
        let (mut ids, mut lengths, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (row, pair) in rows.offsets().windows(2).enumerate() {
            let (known, length) = (&mut self.ids[row], &mut self.lengths[row]);
            let before = *length;
            if known.len() != before {
                let message = "a cache that is renewed has tokens whose ids it was not given";
                return Err(Error::Contract(message.into()));
            }
            known.extend(&given[pair[0] as usize..pair[1] as usize]);
            if before > 0 && known.len() > before && is_stale(before as i64, known.len() as i64) {
                *length = 0;
            }
            let start = ids.len() + before - *length;
            ids.extend(&known[*length..]);
            lengths.push(known.len() - *length);
            places.extend((start..ids.len()).map(|place| place as i64));
        }
        let device = rows.device();
        let on_device = |numbers: &[i64]| Tensor::f_from_slice(numbers)?.f_to_device(device);
        Ok(Renewed {
            input_ids: on_device(&ids)?,
            rows: RaggedRows::new(&lengths, device),
            new_t: on_device(&places)?,
        })
    }

    fn check_rows(&self, rows: &RaggedRows) -> Result<()> {
        let (found, expected) = (rows.num_rows(), self.lengths.len());
        match found == expected as i64 {
            true => Ok(()),
            false => Err(Error::Contract(format!(
                "{found} rows of new tokens for a cache of {expected} rows"
            ))),
        }
    }

    /// Completes the new tokens, after every layer has added them.
    pub fn finish(&mut self, new: NewTokens) {
        for (length, added) in self.lengths.iter_mut().zip(new.rows.lengths()) {
            *length += added as usize;
        }
    }

    /// Keeps the given rows, in this order. A row may occur several times.
    ///
    /// # Errors
    /// If a row is out of range, or libtorch fails.
    pub fn select(&mut self, rows: &[usize]) -> Result<()> {
        if let Some(row) = rows.iter().find(|row| **row >= self.lengths.len()) {
            let message = format!("there is no row {row} in a cache of {}", self.lengths.len());
            return Err(Error::Contract(message));
        }
        let index: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
        for tensor in self.layers.iter_mut().flatten() {
            let index = Tensor::f_from_slice(&index)?.f_to_device(tensor.device())?;
            let by_row = tensor.f_unflatten(0, [self.lengths.len() as i64, -1])?;
            *tensor = by_row.f_index_select(0, &index)?.f_flatten(0, 1)?;
        }
        self.lengths = rows.iter().map(|row| self.lengths[*row]).collect();
        self.ids = rows.iter().map(|row| self.ids[*row].clone()).collect();
        Ok(())
    }

    fn grow(&mut self, capacity: usize) -> Result<()> {
        let more = (capacity - self.capacity) as i64;
        for tensor in self.layers.iter_mut().flatten() {
            let by_row = tensor.f_unflatten(0, [self.lengths.len() as i64, -1])?;
            *tensor = by_row.f_constant_pad_nd([0, 0, 0, more])?.f_flatten(0, 1)?;
        }
        self.capacity = capacity;
        Ok(())
    }
}

impl NewTokens {
    /// The position of each token in its row, `[t]`, int64.
    pub fn positions(&self) -> &Tensor {
        &self.positions_t
    }

    /// The number of new tokens of each row, and the length of the row including them.
    pub fn parts(&self) -> impl Iterator<Item = RowPart> {
        let lengths = self.keys.iter().map(|[start, end]| end - start);
        let rows = self.rows.lengths().zip(lengths);
        rows.map(|(count, row_length)| RowPart { count, row_length })
    }

    /// The length of the longest row, including the new tokens.
    pub fn longest(&self) -> i64 {
        self.keys.iter().map(|[start, end]| end - start).max().unwrap_or(0)
    }

    /// Adds the keys and values `[t, h' e]` of the new tokens to layer `layer` of the cache that [`KvCache::begin`]
    /// was called on. Then attends with their queries `[t, h e]` to their whole rows. Returns `[t, h e]`.
    ///
    /// # Errors
    /// If layers come out of order, shapes do not fit, or libtorch fails.
    pub fn attend(
        &self,
        cache: &mut KvCache,
        layer: usize,
        attention: &Attention,
        [query, key, value]: [&Tensor; 3],
    ) -> Result<Tensor> {
        if layer > cache.layers.len() {
            return Err(Error::Contract(format!("layer {layer} comes too early for the cache")));
        }
        if layer == cache.layers.len() {
            let places = (cache.lengths.len() * cache.capacity) as i64;
            let empty =
                |x: &Tensor| x.f_new_zeros([places, x.size()[1]], (x.f_kind()?, x.device()));
            cache.layers.push([empty(key)?, empty(value)?]);
        }
        let [keys, values] = &mut cache.layers[layer];
        let _ = keys.f_index_copy_(0, &self.places_t, key)?;
        let _ = values.f_index_copy_(0, &self.places_t, value)?;
        if has_attention_kernel(query)? {
            let offsets = self.rows.offsets();
            return attention.kernel_at([query, keys, values], offsets, &self.keys, false);
        }
        let mask = self.mask()?;
        let longest = mask.size()[3];
        let by_row = |x: &Tensor| {
            x.f_unflatten(0, [cache.lengths.len() as i64, -1])?.f_narrow(1, 0, longest)
        };
        let (keys, values) = (by_row(keys)?, by_row(values)?);
        // The mask already excludes later tokens.
        let attention = Attention { causal: false, ..*attention };
        let query = self.rows.pad(query)?;
        let output = attention.padded([&query, &keys, &values], Some(mask), false, false)?;
        self.rows.unpad(&output.context)
    }

    /// True where a new token attends to a key, `[b, 1, n, k]`. For devices without the kernel.
    fn mask(&self) -> Result<&Tensor> {
        if let Some(mask) = self.mask_bnk.get() {
            return Ok(mask);
        }
        let most = self.rows.longest();
        let rows = self.before.iter().map(|before| *before as i64).zip(self.rows.lengths());
        let longest = self.longest();
        let sees = rows.flat_map(|(before, count)| {
            (0..most).flat_map(move |query| {
                // A padding query attends to the first key, as the softmax of no scores is NaN.
                let last = if query < count { before + query } else { 0 };
                (0..longest).map(move |key| key <= last)
            })
        });
        let sees: Vec<bool> = sees.collect();
        let mask = Tensor::f_from_slice(&sees)?
            .f_reshape([self.rows.num_rows(), 1, most, longest])?
            .f_to_device(self.rows.device())?;
        Ok(self.mask_bnk.get_or_init(|| mask))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(shape: &[i64]) -> Tensor {
        let count = shape.iter().product::<i64>();
        let mut rng = sst_data::SeqRng::new(3, "cache", count as u64, 0);
        let values: Vec<f32> = (0..count).map(|_| rng.normal() as f32).collect();
        Tensor::from_slice(&values).reshape(shape)
    }

    /// Rows that grow by unequal steps, rows that do not grow, more tokens than the capacity, and rows that change
    /// places give the same as attention over whole rows.
    #[test]
    fn rows_that_grow_see_what_whole_rows_see() {
        let attention =
            Attention { num_heads: 4, num_kv_heads: 2, scale: None, causal: true, dropout: 0.0 };
        let whole = [
            [normal(&[9, 16]), normal(&[9, 8]), normal(&[9, 8])],
            [normal(&[9, 16]) * 2.0, normal(&[9, 8]) * 3.0, normal(&[9, 8]) - 1.0],
        ];
        let expected: Vec<Tensor> = whole
            .iter()
            .map(|[q, k, v]| {
                let rows = RaggedRows::new(&[9], Device::Cpu);
                let rows = super::super::Rows::Ragged(&rows);
                attention.forward([q, k, v], rows, false, false).unwrap().context
            })
            .collect();
        let mut cache = KvCache::new(2, 4);
        let mut order = [0, 1];
        for (step, counts) in [[3, 1], [0, 2], [1, 1], [4, 4]].into_iter().enumerate() {
            if step == 2 {
                cache.select(&[1, 0]).unwrap();
                order = [1, 0];
            }
            let before = cache.lengths().to_vec();
            let rows = RaggedRows::new(&counts, Device::Cpu);
            let new = cache.begin(&rows).unwrap();
            let part = |which: usize| {
                let parts = (0..2).map(|row| {
                    whole[order[row]][which].narrow(0, before[row] as i64, counts[row] as i64)
                });
                Tensor::cat(&parts.collect::<Vec<_>>(), 0)
            };
            let (q, k, v) = (part(0), part(1), part(2));
            let found = new.attend(&mut cache, 0, &attention, [&q, &k, &v]).unwrap();
            // The same by the padded attention, which devices without the kernel use; half precision is not tested
            // here.
            let slow = {
                let (mask, [keys, values]) = (new.mask().unwrap(), &cache.layers[0]);
                let by_row = |x: &Tensor| x.unflatten(0, [2, -1]).narrow(1, 0, mask.size()[3]);
                let not_causal = Attention { causal: false, ..attention };
                let query = rows.pad(&q).unwrap();
                let tensors = [&query, &by_row(keys), &by_row(values)];
                let output = not_causal.padded(tensors, Some(mask), false, false).unwrap();
                rows.unpad(&output.context).unwrap()
            };
            let want = (0..2)
                .map(|row| expected[order[row]].narrow(0, before[row] as i64, counts[row] as i64));
            let want = Tensor::cat(&want.collect::<Vec<_>>(), 0);
            for (way, found) in [("kernel", found), ("padded", slow)] {
                let error = (&found - &want).abs().max().double_value(&[]);
                assert!(error < 1e-6, "step {step}, {way}: {error}");
            }
            cache.finish(new);
        }
        assert_eq!(cache.lengths(), [8, 8]);
        assert_eq!(cache.capacity, 8);
        assert!(cache.select(&[2]).is_err());
        assert!(cache.begin(&RaggedRows::new(&[1], Device::Cpu)).is_err());
    }

    #[test]
    fn a_stale_row_is_read_again_and_others_are_not() {
        let mut cache = KvCache::new(2, 4);
        let add = |cache: &mut KvCache, ids: &[i64], counts: &[usize]| {
            let rows = RaggedRows::new(counts, Device::Cpu);
            // Rows of more than three tokens have other frequencies.
            let stale = |before: i64, after: i64| (before > 3) != (after > 3);
            let read = cache.renew(&Tensor::from_slice(ids), &rows, stale).unwrap();
            let new = cache.begin(&read.rows).unwrap();
            cache.finish(new);
            let numbers = |x: &Tensor| Vec::<i64>::try_from(x).unwrap();
            (numbers(&read.input_ids), numbers(&read.new_t))
        };
        assert_eq!(add(&mut cache, &[1, 2, 3, 7], &[3, 1]), (vec![1, 2, 3, 7], vec![0, 1, 2, 3]));
        assert_eq!(add(&mut cache, &[4, 8], &[1, 1]), (vec![1, 2, 3, 4, 8], vec![3, 4]));
        assert_eq!(cache.lengths(), [4, 2]);
        cache.select(&[1, 0]).unwrap();
        assert_eq!(add(&mut cache, &[9, 10, 5], &[2, 1]), (vec![7, 8, 9, 10, 5], vec![2, 3, 4]));
        assert_eq!(cache.lengths(), [4, 5]);
        let rows = RaggedRows::new(&[1], Device::Cpu);
        assert!(cache.renew(&Tensor::from_slice(&[1_i64]), &rows, |_, _| false).is_err());
    }
}
