//! What other sections take from `[model]`.

/// What other sections take from the model.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfModel {
    /// The context length of the text encoder, if it has a limit.
    pub(super) positions: Option<usize>,
    /// Height and width of the pictures that it reads, if it reads any.
    pub(super) image_size: Option<[u32; 2]>,
}
