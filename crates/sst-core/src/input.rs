//! The inputs of encoders: tokens of a text, or pixels of an image.
//!
//! Shapes: b batch, l length, t tokens of all rows, c channels, h height, w width.

use tch::Tensor;

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::kind::Modality;
use crate::ragged::RaggedRows;
use crate::row_layout::RowLayout;

/// The inputs that an encoder accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputSpec {
    /// Rows of token ids.
    Text {
        /// The number of token ids; every id is smaller than this.
        vocab_size: usize,
        /// The largest number of tokens in a row, special tokens included.
        max_length: usize,
    },
    /// Images of one size, which are cut into square patches.
    Image {
        /// Height and width in pixels.
        size: [i64; 2],
        /// The number of channels: 3 for RGB.
        channels: i64,
        /// Height and width of a patch in pixels.
        patch: i64,
    },
}

impl InputSpec {
    /// The modality of these inputs.
    pub fn modality(&self) -> Modality {
        match self {
            Self::Text { .. } => Modality::Text,
            Self::Image { .. } => Modality::Image,
        }
    }
}

/// The input of an encoder.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// The input of a text encoder.
    Tokens(Tokens<'a>),
    /// The input of an image encoder.
    Pixels(Pixels<'a>),
}

impl<'a> Input<'a> {
    /// The modality of this input.
    pub fn modality(&self) -> Modality {
        match self {
            Self::Tokens(_) => Modality::Text,
            Self::Pixels(_) => Modality::Image,
        }
    }

    /// The tokens, for a text encoder.
    ///
    /// # Errors
    /// If the input is an image.
    pub fn tokens(self) -> Result<Tokens<'a>> {
        match self {
            Self::Tokens(tokens) => Ok(tokens),
            Self::Pixels(_) => Err(self.not_for(Modality::Text)),
        }
    }

    /// The pixels, for an image encoder.
    ///
    /// # Errors
    /// If the input is text.
    pub fn pixels(self) -> Result<Pixels<'a>> {
        match self {
            Self::Pixels(pixels) => Ok(pixels),
            Self::Tokens(_) => Err(self.not_for(Modality::Image)),
        }
    }

    /// The ids of the tokens; `None` for images.
    pub fn ids(&self) -> Option<&'a Tensor> {
        match self {
            Self::Tokens(tokens) => Some(tokens.input_ids),
            Self::Pixels(_) => None,
        }
    }

    fn not_for(&self, encoder: Modality) -> Error {
        Error::WrongModality { encoder, input: self.modality() }
    }
}

impl<'a> From<Tokens<'a>> for Input<'a> {
    fn from(tokens: Tokens<'a>) -> Self {
        Self::Tokens(tokens)
    }
}

impl<'a> From<Pixels<'a>> for Input<'a> {
    fn from(pixels: Pixels<'a>) -> Self {
        Self::Pixels(pixels)
    }
}

/// The tokens that a text encoder reads.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a> {
    /// Token ids `[b, l]`, or `[t]` of ragged rows, int64.
    pub input_ids: &'a Tensor,
    /// The layout of ragged rows; `None` for padded rows.
    pub rows: Option<&'a RaggedRows>,
    /// True at tokens and false at padding, `[b, l]`, bool; `None` when no row is padded.
    pub attention_mask: Option<&'a Tensor>,
    /// Segment ids in the shape of `input_ids`, int64; `None` for all zero.
    pub token_type_ids: Option<&'a Tensor>,
}

impl<'a> Tokens<'a> {
    /// Rows of equal length `[b, l]`, without padding, all in segment 0.
    pub fn new(input_ids: &'a Tensor) -> Self {
        Self { input_ids, rows: None, attention_mask: None, token_type_ids: None }
    }

    /// Ragged rows `[t]`, all in segment 0.
    pub fn ragged(input_ids: &'a Tensor, rows: &'a RaggedRows) -> Self {
        Self { rows: Some(rows), ..Self::new(input_ids) }
    }

    /// The arrays `input_ids`, `attention_mask` and `token_type_ids` of a batch.
    ///
    /// # Errors
    /// If the batch has no `input_ids`.
    pub fn from_batch(batch: &'a Batch) -> Result<Self> {
        Ok(Self {
            input_ids: batch.get("input_ids")?,
            rows: batch.rows.as_ref(),
            attention_mask: batch.find("attention_mask"),
            token_type_ids: batch.find("token_type_ids"),
        })
    }

    /// The layout of the rows: ragged, or padded with this mask.
    pub fn layout(&self) -> RowLayout {
        match self.rows {
            Some(rows) => RowLayout::Ragged(rows.clone()),
            None => RowLayout::Padded { mask_bl: self.attention_mask.map(Tensor::shallow_clone) },
        }
    }
}

/// The images that an image encoder reads.
#[derive(Debug, Clone, Copy)]
pub struct Pixels<'a> {
    /// Normalised pixel values `[b, c, h, w]`, fp32.
    pub pixel_values: &'a Tensor,
    /// The numbers `[b, k]` (int64) of the patches that the encoder gets, in the order of its rows: patches are
    /// numbered row by row from the top left. `None` for all patches in their order.
    pub visible: Option<&'a Tensor>,
}

impl<'a> Pixels<'a> {
    /// Whole images `[b, c, h, w]`.
    pub fn new(pixel_values: &'a Tensor) -> Self {
        Self { pixel_values, visible: None }
    }

    /// The arrays `pixel_values` and, if there is one, `visible_patches` of a batch.
    ///
    /// # Errors
    /// If the batch has no `pixel_values`.
    pub fn from_batch(batch: &'a Batch) -> Result<Self> {
        let visible = batch.find("visible_patches");
        Ok(Self { pixel_values: batch.get("pixel_values")?, visible })
    }
}
