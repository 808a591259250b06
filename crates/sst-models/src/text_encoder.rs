//! The text encoder of CLIP and SigLIP.
//!
//! Shapes: b batch, l length, m the most tokens of a row, t tokens of all rows, d hidden size.

use sst_core::nn::{Embedding, LayerNorm};
use sst_core::{
    Embedded, Encoder, EncoderOutput, Error, Forward, HeadInput, Init, Input, InputSpec, Result,
    RowLayout, Scope, Tokens,
};
use tch::{Device, Kind, Tensor};

use crate::block::{Block, BlockConfig, CLIP_NAMES, run, run_for};
use crate::decoder::{Flat, Stack, check_length};
use crate::tower::TowerEncoder;

/// The sizes and initial values of a text encoder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextConfig {
    pub(crate) vocab_size: i64,
    pub(crate) max_length: i64,
    pub(crate) depth: i64,
    pub(crate) block: BlockConfig,
    /// The id of the token that every row is padded with, to `max_length` tokens, and that other tokens attend to
    /// (SigLIP). `None` for rows of their own lengths (CLIP).
    pub(crate) padding_id: Option<i64>,
    /// The standard deviation of the initial embeddings.
    pub(crate) std: f64,
}

/// Token and position embeddings, layers and a last norm.
#[derive(Debug)]
pub(crate) struct TextEncoder {
    tokens: Embedding,
    positions: Embedding,
    layers: Stack<Block>,
    norm: LayerNorm,
    padding_id: Option<i64>,
}

impl TextEncoder {
    /// Makes the parameters in `scope`.
    pub(crate) fn new(scope: &Scope<'_>, config: TextConfig) -> Result<Self> {
        let embeddings = scope.sub("embeddings");
        let (block, init) = (config.block, Init::Normal(config.std));
        let table = |name: &str, count: i64| {
            Embedding::new(&embeddings.sub(name), count, block.width, None, init)
        };
        let layers = scope.sub("encoder").sub("layers");
        Ok(Self {
            tokens: table("token_embedding", config.vocab_size)?,
            positions: table("position_embedding", config.max_length)?,
            layers: Block::stack(&layers, &CLIP_NAMES, block, config.depth)?,
            norm: LayerNorm::new(&scope.sub("final_layer_norm"), block.width, block.eps)?,
            padding_id: config.padding_id,
        })
    }

    fn max_length(&self) -> i64 {
        self.positions.weight.size()[0]
    }

    /// The ids `[b, m]` of rows that are padded with this id.
    fn padded(&self, flat: &Flat, ids_t: &Tensor, padding_id: i64) -> Result<Tensor> {
        let (m, device) = (self.max_length(), ids_t.device());
        let rows = &flat.rows;
        let starts = (0..).zip(rows.lengths()).flat_map(|(row, length)| {
            let start: i64 = row * m;
            start..start + length
        });
        let places_t = Tensor::f_from_slice(&starts.collect::<Vec<i64>>())?.f_to_device(device)?;
        let all = Tensor::f_full([rows.num_rows() * m], padding_id, (Kind::Int64, device))?;
        let ids_t = ids_t.f_narrow(0, 0, rows.num_tokens())?;
        Ok(all.f_index_copy(0, &places_t, &ids_t)?.f_reshape([rows.num_rows(), m])?)
    }

    /// The places in the padded `[b, m]` of the tokens at `positions_n` of the caller's rows.
    fn places(&self, tokens: Tokens<'_>, positions_n: &Tensor) -> Result<Tensor> {
        let flat = Flat::new(&tokens.layout(), tokens.input_ids)?;
        let m = self.max_length();
        let places = (0..).zip(flat.rows.lengths()).flat_map(|(row, length)| {
            let start: i64 = row * m;
            start..start + length
        });
        let mut places = places.collect::<Vec<i64>>().into_iter();
        // The place of each position of the caller's rows; `None` for padding.
        let of_positions: Vec<Option<i64>> = match tokens.attention_mask {
            Some(mask_bl) if tokens.rows.is_none() => {
                let mask = mask_bl.f_flatten(0, -1)?.f_to_device(Device::Cpu)?;
                let mask = Vec::<bool>::try_from(mask)?.into_iter();
                mask.map(|is_token| if is_token { places.next() } else { None }).collect()
            }
            _ => places.map(Some).collect(),
        };
        let positions = Vec::<i64>::try_from(positions_n.f_to_device(Device::Cpu)?)?;
        let places = positions.iter().map(|at| {
            let place = usize::try_from(*at).ok().and_then(|at| of_positions.get(at).copied());
            place.flatten().ok_or_else(|| {
                Error::Contract(format!("the position {at} is outside the rows, or padding"))
            })
        });
        let places = places.collect::<Result<Vec<i64>>>()?;
        Ok(Tensor::f_from_slice(&places)?.f_to_device(positions_n.device())?)
    }
}

impl Encoder for TextEncoder {
    fn spec(&self) -> InputSpec {
        InputSpec::Text {
            vocab_size: self.tokens.weight.size()[0] as usize,
            max_length: self.max_length() as usize,
        }
    }

    fn hidden_size(&self) -> i64 {
        self.tokens.weight.size()[1]
    }

    /// The sum of token and position embeddings. The rows of SigLIP are padded to m tokens, whatever layout they come in.
    fn embed(&self, input: Input<'_>, _forward: Forward) -> Result<Embedded> {
        let tokens = input.tokens()?;
        let rows = tokens.layout();
        let flat = Flat::new(&rows, tokens.input_ids)?;
        check_length(flat.rows.longest(), self.max_length())?;
        let ids_t = flat.take(tokens.input_ids)?;
        let sum = |ids: &Tensor, positions: &Tensor| {
            Embedding::sum(&[(&self.tokens, ids), (&self.positions, positions)])
        };
        if let Some(padding_id) = self.padding_id {
            let ids_bm = self.padded(&flat, &ids_t, padding_id)?;
            let places = Tensor::f_arange(self.max_length(), (Kind::Int64, ids_bm.device()))?;
            let hidden = sum(&ids_bm, &places.f_expand_as(&ids_bm)?)?;
            return Ok(Embedded { hidden, rows: RowLayout::Padded { mask_bl: None } });
        }
        let hidden_td = sum(&ids_t, &flat.rows.positions()?)?;
        Ok(Embedded { hidden: flat.restore(&hidden_td)?, rows })
    }

    /// The last of the hidden states, if wanted, is the output of the last layer, before the last norm.
    fn encode_embedded(&self, embedded: Embedded, forward: Forward) -> Result<EncoderOutput> {
        run(&self.layers, Some(&self.norm), embedded, forward)
    }

    /// Heads read SigLIP's padded rows by their last position, and so without ids.
    fn encode_for(
        &self,
        input: Input<'_>,
        head_input: HeadInput,
        forward: Forward,
    ) -> Result<Tensor> {
        let ids = input.ids().filter(|_| self.padding_id.is_none());
        let embedded = self.embed(input, forward)?;
        run_for(&self.layers, Some(&self.norm), embedded, (head_input, ids), forward)
    }

    fn encode_at(
        &self,
        input: Input<'_>,
        positions_n: &Tensor,
        forward: Forward,
    ) -> Result<Tensor> {
        let output = self.encode(input, forward)?;
        match self.padding_id {
            Some(_) => output.at(&self.places(input.tokens()?, positions_n)?),
            None => output.at(positions_n),
        }
    }
}

impl TowerEncoder for TextEncoder {
    fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> usize {
        self.layers.checkpoint_layers(select)
    }
}
