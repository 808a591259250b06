//! Pictures: read, decoded, kept in a store of resized pixels, and transformed each time that they are drawn.
//!
//! 1. A [`PictureSource`] names folders of pictures, tables that name or hold them, and tar files. Each picture has a
//!    [`Key`](crate::Key).
//! 2. [`decode()`] turns a file into 8-bit RGB by a stated rule, within [`PictureLimits`].
//! 3. A [`PicturePreparation`] decodes and resizes every picture once, on all cores, into a [`PictureStore`].
//! 4. [`transform`]s change a picture each time that it is drawn.
//! 5. [`Pictures`] are the rows over a store: a [`Dataset`](crate::rows::Dataset) like any other.
//! 6. An [`ImageProcessor`] does with a picture what the class of the same name in transformers does, and is read from and
//!    written to `preprocessor_config.json`.

mod captions;
mod decode;
mod error;
pub mod limits;
mod picture;
pub mod processor;
pub mod resize;
mod rows;
mod skip;
mod source;
mod store;
pub mod transform;

pub use captions::CaptionTokens;
pub use decode::{Decoded, PictureFormat, decode};
pub use error::{PictureError, PictureProblem};
pub use limits::PictureLimits;
pub use picture::Picture;
pub use processor::ImageProcessor;
pub use resize::Resample;
pub use rows::{CaptionChoice, INPUT_IDS, LABEL, PIXEL_VALUES, Pictures};
pub use source::{EncodedPicture, PictureSource, RawPicture};
pub use store::{PicturePreparation, PictureRecord, PictureStore, StoredPictures, StoredSize};
