//! The common part of decoders: a stack of layers with causal attention over ragged rows. The rows are whole, or
//! continue rows in a cache.
//!
//! Shapes: b batch, l length, t tokens of all rows, d hidden size.

use sst_core::nn::{Attention, AttentionOutput, KvCache, NewTokens, Rotation, RowPart, Rows};
use sst_core::{
    EncoderOutput, Error, Forward, ParamStore, RaggedRows, Result, RowLayout, pad_to_kernel_rows,
};
use tch::{Device, Kind, Tensor};

/// A layer of a decoder.
pub(crate) trait DecoderLayer: Sized + Send + 'static {
    /// A second handle on the same parameters.
    fn handle(&self) -> Self;

    /// The next hidden states `[t, d]`, and the attention probabilities if wanted.
    fn forward(
        &self,
        hidden_td: &Tensor,
        layer_context: LayerContext<'_>,
    ) -> Result<(Tensor, Option<Tensor>)>;
}

/// The keys and values that the queries of a layer attend to.
pub(crate) struct LayerContext<'a> {
    keys: Keys<'a>,
    rotation: Option<&'a Rotation>,
    /// How the forward pass is run.
    pub(crate) forward: Forward,
}

enum Keys<'a> {
    /// Keys and values are those of the same rows.
    Rows(&'a RaggedRows),
    /// Keys and values are those in a layer of the cache, with the new tokens added.
    Cached { cache: &'a mut KvCache, layer: usize, new: &'a NewTokens },
}

impl LayerContext<'_> {
    /// Rotates queries and keys, if the model has rotary position embeddings, and attends.
    pub(crate) fn attend(
        self,
        attention: &Attention,
        [query, key, value]: [&Tensor; 3],
    ) -> Result<AttentionOutput> {
        let turned = self.rotation.map(|by| Ok::<_, Error>([by.apply(query)?, by.apply(key)?]));
        let turned = turned.transpose()?;
        let [query, key] = turned.as_ref().map_or([query, key], |[query, key]| [query, key]);
        match self.keys {
            Keys::Rows(rows) => {
                let Forward { train, want } = self.forward;
                let rows = Rows::Ragged(rows);
                attention.forward([query, key, value], rows, train, want.attentions)
            }
            Keys::Cached { cache, layer, new } => {
                let context = new.attend(cache, layer, attention, [query, key, value])?;
                Ok(AttentionOutput { context, probabilities: None })
            }
        }
    }

    /// The rows, if the attention can read queries, keys and values from one joint tensor; `None` if not.
    pub(crate) fn joint_rows(&self) -> Option<&RaggedRows> {
        match &self.keys {
            Keys::Rows(rows) if self.rotation.is_none() && !self.forward.want.attentions => {
                Some(rows)
            }
            _ => None,
        }
    }
}

/// The layers of a decoder.
#[derive(Debug)]
pub(crate) struct Stack<L> {
    layers: Vec<L>,
    /// Which layers use activation checkpointing, and so run again in the backward pass.
    checkpointed: Vec<bool>,
}

impl<L: DecoderLayer> Stack<L> {
    pub(crate) fn new(layers: Vec<L>) -> Self {
        let checkpointed = vec![false; layers.len()];
        Self { layers, checkpointed }
    }

    /// Turns on activation checkpointing for the layers that `select` returns true for. Returns their number.
    pub(crate) fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> usize {
        for (i, checkpointed) in self.checkpointed.iter_mut().enumerate() {
            *checkpointed = select(i);
        }
        self.checkpointed.iter().filter(|on| **on).count()
    }

    /// Runs all layers on whole rows. `hidden_states`, if wanted, are the inputs of the layers.
    pub(crate) fn run(
        &self,
        hidden_td: Tensor,
        rows: &RaggedRows,
        rotation: Option<&Rotation>,
        forward: Forward,
    ) -> Result<EncoderOutput> {
        let mut hidden_td = hidden_td;
        let mut hidden_states = forward.want.hidden_states.then(Vec::new);
        let mut attentions = forward.want.attentions.then(Vec::new);
        for i in 0..self.layers.len() {
            if let Some(states) = &mut hidden_states {
                states.push(hidden_td.shallow_clone());
            }
            let (next, probabilities) = self.layer(i, &hidden_td, rows, rotation, forward)?;
            hidden_td = next;
            if let (Some(all), Some(probabilities)) = (&mut attentions, probabilities) {
                all.push(probabilities);
            }
        }
        let rows = RowLayout::Ragged(rows.clone());
        Ok(EncoderOutput { hidden_bld: hidden_td, rows, attentions, hidden_states })
    }

    /// Runs all layers but the last one. Returns its input, the layer, and whether it uses activation checkpointing; `None`
    /// if there are no layers.
    pub(crate) fn run_to_last(
        &self,
        hidden_td: Tensor,
        rows: &RaggedRows,
        forward: Forward,
    ) -> Result<Option<(Tensor, &L, bool)>> {
        let Some((last, others)) = self.layers.split_last() else { return Ok(None) };
        let mut hidden_td = hidden_td;
        for i in 0..others.len() {
            hidden_td = self.layer(i, &hidden_td, rows, None, forward)?.0;
        }
        Ok(Some((hidden_td, last, self.checkpointed[others.len()])))
    }

    fn layer(
        &self,
        i: usize,
        hidden_td: &Tensor,
        rows: &RaggedRows,
        rotation: Option<&Rotation>,
        forward: Forward,
    ) -> Result<(Tensor, Option<Tensor>)> {
        if !(self.checkpointed[i] && forward.train && !forward.want.attentions) {
            let layer_context = LayerContext { keys: Keys::Rows(rows), rotation, forward };
            return self.layers[i].forward(hidden_td, layer_context);
        }
        let (layer, rows) = (self.layers[i].handle(), rows.clone());
        let rotation = rotation.map(Rotation::handle);
        let next_td = sst_kernels::checkpoint(hidden_td, move |hidden_td| -> Result<_> {
            let layer_context =
                LayerContext { keys: Keys::Rows(&rows), rotation: rotation.as_ref(), forward };
            Ok(layer.forward(hidden_td, layer_context)?.0)
        })?;
        Ok((next_td, None))
    }

    /// Runs all layers on new tokens, which also attend to the tokens in the cache.
    pub(crate) fn extend(
        &self,
        hidden_td: Tensor,
        cache: &mut KvCache,
        new: &NewTokens,
        rotation: Option<&Rotation>,
    ) -> Result<Tensor> {
        let mut hidden_td = hidden_td;
        for (layer, body) in self.layers.iter().enumerate() {
            let keys = Keys::Cached { cache, layer, new };
            let layer_context = LayerContext { keys, rotation, forward: Forward::EVAL };
            hidden_td = body.forward(&hidden_td, layer_context)?.0;
        }
        Ok(hidden_td)
    }
}

/// The rows of an input as ragged rows, and how to convert results back to the shape of the input.
pub(crate) struct Flat {
    pub(crate) rows: RaggedRows,
    shape: Shape,
}

enum Shape {
    Ragged,
    Padded { size: [i64; 2], places_t: Option<Tensor> },
}

impl Flat {
    /// The ragged rows of an input whose first dimensions are `[b, l]` or `[t]`. Padding is dropped and does not
    /// count in the positions of other tokens.
    pub(crate) fn new(layout: &RowLayout, x: &Tensor) -> Result<Self> {
        let mask_bl = match layout {
            RowLayout::Ragged(rows) => {
                return Ok(Self { rows: rows.clone(), shape: Shape::Ragged });
            }
            RowLayout::Padded { mask_bl } => mask_bl,
        };
        let (rows, length) = match x.size()[..] {
            [rows, length, ..] => (rows, length),
            ref size => {
                return Err(Error::Contract(format!("{size:?} is not a shape of padded rows")));
            }
        };
        let (size, device) = ([rows, length], x.device());
        let Some(mask_bl) = mask_bl else {
            let rows = RaggedRows::new(&vec![length as usize; rows as usize], device);
            return Ok(Self { rows, shape: Shape::Padded { size, places_t: None } });
        };
        let counts = mask_bl.f_sum_dim_intlist(1, false, Kind::Int64)?;
        let counts = Vec::<i64>::try_from(counts.f_to_device(Device::Cpu)?)?;
        let counts: Vec<usize> = counts.into_iter().map(|count| count as usize).collect();
        let places_t = mask_bl.f_flatten(0, 1)?.f_nonzero()?.f_squeeze_dim(1)?;
        let rows = RaggedRows::new(&counts, device);
        Ok(Self { rows, shape: Shape::Padded { size, places_t: Some(places_t) } })
    }

    /// Gathers the tokens of `[b, l, ...]` into `[t, ...]`.
    pub(crate) fn take(&self, x: &Tensor) -> Result<Tensor> {
        match &self.shape {
            Shape::Ragged => Ok(x.shallow_clone()),
            Shape::Padded { places_t: None, .. } => Ok(x.f_flatten(0, 1)?),
            Shape::Padded { places_t: Some(places_t), .. } => {
                Ok(x.f_flatten(0, 1)?.f_index_select(0, places_t)?)
            }
        }
    }

    /// Pads embeddings with zero rows for faster products ([`pad_to_kernel_rows`]). Only if nothing but the last
    /// hidden state is wanted.
    pub(crate) fn pad_to_kernel_rows(&self, x_td: Tensor, forward: Forward) -> Result<Tensor> {
        match forward.want.attentions || forward.want.hidden_states {
            true => Ok(x_td),
            false => pad_to_kernel_rows(x_td),
        }
    }

    /// The position of each token in its row, `[count]`, and zero for padded rows at the end.
    pub(crate) fn positions(&self, count: i64) -> Result<Tensor> {
        let positions_t = self.rows.positions()?;
        let more = count - positions_t.size()[0];
        Ok(positions_t.f_constant_pad_nd([0, more])?)
    }

    /// The length of each row.
    pub(crate) fn parts(&self) -> impl Iterator<Item = RowPart> {
        self.rows.lengths().map(|length| RowPart { count: length, row_length: length })
    }

    /// Hidden states `[t, d]` in the shape of the input; zero at padding.
    pub(crate) fn restore(&self, x_td: &Tensor) -> Result<Tensor> {
        let x_td = x_td.f_narrow(0, 0, self.rows.num_tokens())?;
        match &self.shape {
            Shape::Ragged => Ok(x_td),
            Shape::Padded { size: [b, l], places_t } => {
                let width = x_td.size()[1];
                let all = match places_t {
                    None => x_td,
                    Some(places_t) => {
                        let zeros =
                            x_td.f_new_zeros([b * l, width], (x_td.f_kind()?, x_td.device()))?;
                        zeros.f_index_copy(0, places_t, &x_td)?
                    }
                };
                Ok(all.f_reshape([*b, *l, width])?)
            }
        }
    }
}

impl Flat {
    /// The result of a forward pass in the shape of the input. The last of the hidden states is the output after the
    /// last norm, as in transformers.
    pub(crate) fn restore_output(
        &self,
        output: EncoderOutput,
        rows: RowLayout,
    ) -> Result<EncoderOutput> {
        let hidden_bld = self.restore(&output.hidden_bld)?;
        let mut hidden_states = match output.hidden_states {
            None => None,
            Some(states) => {
                let states = states.iter().map(|state| self.restore(state));
                Some(states.collect::<Result<Vec<_>>>()?)
            }
        };
        if let Some(states) = &mut hidden_states {
            states.push(hidden_bld.shallow_clone());
        }
        Ok(EncoderOutput { hidden_bld, rows, hidden_states, ..output })
    }
}

/// The floating-point operations per token ([`sst_core::Model::flops_per_token`]). `part` occurs in the names of the
/// layers' parameters, `head` is the number of parameters of the projection, and `width` is the width of the queries
/// of all layers together.
pub(crate) fn flops_per_token(
    params: &ParamStore,
    part: &str,
    width: i64,
    length: usize,
    head: f64,
) -> f64 {
    let matrices = params.iter().filter(|(name, tensor)| name.contains(part) && tensor.dim() == 2);
    let body: usize = matrices.map(|(_, tensor)| tensor.numel()).sum();
    6.0 * (body as f64 + head) + 12.0 * width as f64 * length as f64
}

/// Refuses a row that is longer than the model's positions.
pub(crate) fn check_length(longest: i64, max_positions: i64) -> Result<()> {
    if longest > max_positions {
        return Err(Error::RowTooLong { length: longest, limit: max_positions });
    }
    Ok(())
}
