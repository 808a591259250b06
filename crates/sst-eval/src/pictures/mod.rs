//! Vectors of pictures and of captions.
//!
//! Shapes: n pictures or captions, b of a batch, h height, w width, l patches and class token, p patches, d width of a vector.

mod caption;
mod encode;
mod pool;

pub use crate::normalize::normalize_rows;
pub use caption::CaptionEncoder;
pub use encode::{PictureEncoder, pixel_values};
pub use pool::PictureVector;
pub(crate) use pool::pool;
pub use sst_core::has_class_token;
