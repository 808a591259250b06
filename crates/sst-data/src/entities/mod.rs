//! Entities in sequences of labels such as `B-PER I-PER O`, one label a token.
//!
//! An [`EntityScheme`] says which label a token of an entity gets. [`read_lenient`] and [`read_strict`] find the entities
//! of a sequence of labels, [`write()`] does the reverse, and [`convert()`] goes from one scheme to another and counts the
//! sequences that it had to repair. [`detect()`] finds the scheme of a data set, and a [`EntityLabels`] that of a model. [`Constraints`] say which label may follow
//! which, and find the best sequence of labels that a scheme allows.
//!
//! ```
//! use sst_data::entities::{ConversionCounts, EntityScheme, convert, read_lenient};
//!
//! # fn main() -> Result<(), sst_data::entities::EntityError> {
//! let labels = ["I-PER", "I-PER", "O", "I-LOC"];
//! let entities = read_lenient(&labels)?;
//! assert_eq!((entities[0].label, entities[0].start, entities[0].end), ("PER", 0, 2));
//!
//! let mut counts = ConversionCounts::default();
//! let (from, to) = (EntityScheme::Iob1, EntityScheme::Bioes);
//! assert_eq!(convert(&labels, from, to, &mut counts)?, ["B-PER", "E-PER", "O", "S-LOC"]);
//! assert_eq!((counts.sequences, counts.repaired), (1, 0));
//! # Ok(())
//! # }
//! ```

mod constraints;
mod convert;
mod detect;
mod error;
mod label;
mod labels;
mod legal;
mod parse;
mod read;
mod scheme;
mod write;

pub use constraints::Constraints;
pub use convert::{ConversionCounts, convert};
pub use detect::{SchemeFit, detect, scheme_fits};
pub use error::EntityError;
pub use labels::EntityLabels;
pub use legal::is_legal;
pub use read::{Entity, read_lenient, read_strict};
pub use scheme::EntityScheme;
pub use write::write;
