//! Sizes in configurations: a number for a square, or height and width.

use serde::{Deserialize, Serialize};

/// The largest side that a transform makes.
const MAX_SIDE: u32 = 8192;

/// The size of a result: a number for a square, or `{height, width}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sides {
    /// Both sides.
    Square(u32),
    /// Each side.
    Each {
        /// The number of rows.
        height: u32,
        /// The number of columns.
        width: u32,
    },
}

impl Sides {
    /// The width and height.
    pub fn width_height(self) -> (u32, u32) {
        match self {
            Self::Square(side) => (side, side),
            Self::Each { height, width } => (width, height),
        }
    }

    /// What is wrong with the size.
    pub(super) fn problem(self) -> Option<String> {
        let (width, height) = self.width_height();
        let is_valid = |side: u32| (1..=MAX_SIDE).contains(&side);
        (!is_valid(width) || !is_valid(height)).then(|| {
            format!("the size is {width} x {height}, and both must be from 1 to {MAX_SIDE}")
        })
    }
}
