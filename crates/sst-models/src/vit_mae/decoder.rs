//! The decoder, which reconstructs all patches of an image from the visible ones.
//!
//! Shapes: b batch, n patches of an image, k visible ones, d hidden size, e hidden size of the decoder.

use sst_core::nn::{LayerNorm, Linear};
use sst_core::{
    Error, Forward, Init, PatchDecoder, PatchGrid, RaggedRows, Result, Scope, pad_to_kernel_rows,
};
use tch::{Kind, Tensor};

use super::config::VitMaeConfig;
use crate::block::{Block, VIT_NAMES};
use crate::decoder::Stack;

/// The decoder of ViTMAE (He et al. 2021, section 3).
#[derive(Debug)]
pub(super) struct Decoder {
    embed: Linear,
    /// `[1, 1, e]`, for each masked patch.
    mask_token: Tensor,
    /// `[1, n + 1, e]`, fixed sinusoids.
    positions: Tensor,
    layers: Stack<Block>,
    norm: LayerNorm,
    prediction: Linear,
    num_patches: i64,
    norm_pix: bool,
}

impl Decoder {
    /// Makes the parameters in `scope`.
    pub(super) fn new(scope: &Scope<'_>, config: &VitMaeConfig) -> Result<Self> {
        let (width, std) = (config.decoder_hidden_size, config.initializer_range);
        let grid = PatchGrid::new(config.embeddings().spec)?;
        let n = grid.num_patches();
        let (block, depth) = (config.decoder_block(), config.decoder_num_hidden_layers);
        let pixels = grid.patch * grid.patch * grid.channels;
        let positions = Init::Grid { size: grid.size };
        Ok(Self {
            embed: Linear::new(&scope.sub("decoder_embed"), config.hidden_size, width, std)?,
            mask_token: scope.param("mask_token", &[1, 1, width], Init::Normal(std))?,
            positions: scope.fixed("decoder_pos_embed", &[1, n + 1, width], positions)?,
            layers: Block::stack(&scope.sub("decoder_layers"), &VIT_NAMES, block, depth)?,
            norm: LayerNorm::new(&scope.sub("decoder_norm"), width, config.layer_norm_eps)?,
            prediction: Linear::new(&scope.sub("decoder_pred"), width, pixels, std)?,
            num_patches: n,
            norm_pix: config.norm_pix_loss,
        })
    }

    pub(super) fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> usize {
        self.layers.checkpoint_layers(select)
    }

    /// The input of the layers, `[b * (n + 1), e]`: the class token, then each patch in its place.
    fn embed(&self, hidden_bkd: &Tensor, visible_bk: &Tensor, train: bool) -> Result<Tensor> {
        let (b, l, d) = hidden_bkd.size3()?;
        let (n, k) = (self.num_patches, visible_bk.size()[1]);
        if visible_bk.size() != [b, k] || l != k + 1 {
            let (hidden, visible) = (hidden_bkd.size(), visible_bk.size());
            return Err(Error::Contract(format!(
                "hidden states of shape {hidden:?} are not those of a class token and of visible patches {visible:?}"
            )));
        }
        let width = self.mask_token.size()[2];
        // The places of the class token and of the visible patches.
        let places_bl = visible_bk.f_add_scalar(1)?.f_constant_pad_nd([1, 0])?;
        let starts_b = Tensor::f_arange(b, (Kind::Int64, visible_bk.device()))?;
        let rows_bl = places_bl.f_add(&starts_b.f_mul_scalar(n + 1)?.f_unsqueeze(1)?)?;
        let positions = self.positions.f_reshape([n + 1, width])?;
        let seen = self.embed.forward(&hidden_bkd.f_reshape([b * l, d])?, train)?;
        let seen = seen.f_add(&positions.f_index_select(0, &places_bl.f_flatten(0, 1)?)?)?;
        let masked = self.mask_token.f_add(&self.positions)?.f_expand([b, n + 1, width], false)?;
        let masked = masked.f_reshape([b * (n + 1), width])?.f_to_kind(seen.f_kind()?)?;
        Ok(masked.f_index_copy(0, &rows_bl.f_flatten(0, 1)?, &seen)?)
    }
}

impl PatchDecoder for Decoder {
    fn decode(&self, hidden_bkd: &Tensor, visible_bk: &Tensor, forward: Forward) -> Result<Tensor> {
        let (b, n) = (hidden_bkd.size()[0], self.num_patches);
        let hidden_td = self.embed(hidden_bkd, visible_bk, forward.train)?;
        let tokens = b * (n + 1);
        let rows = RaggedRows::new(&vec![n as usize + 1; b as usize], hidden_td.device());
        let forward = Forward { train: forward.train, ..Forward::EVAL };
        let hidden_td = pad_to_kernel_rows(hidden_td)?;
        let hidden_td = self.layers.run(hidden_td, &rows, None, forward)?.hidden_bld;
        let normal_td = self.norm.before(&hidden_td)?;
        let pixels = self.prediction.forward(&normal_td, forward.train)?.f_narrow(0, 0, tokens)?;
        let pixels = pixels.f_reshape([b, n + 1, self.prediction.num_outputs()])?;
        Ok(pixels.f_narrow(1, 1, n)?)
    }

    fn norm_pix(&self) -> bool {
        self.norm_pix
    }
}
