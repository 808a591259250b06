//! A sheet of small pictures as a file in PNG.

use std::path::Path;

use anyhow::{Context, Result, bail};
use sst_cli::exit::Usage;
use sst_data::atomic;
use sst_data::pictures::Picture;

/// The shorter side that a picture has on the sheet at least.
const LEAST_SIDE: u32 = 96;
/// The width of a border, and of the white line around it.
const LINE: u32 = 2;
/// The most values of a sheet, 256 MiB.
const MOST_VALUES: u64 = 256 << 20;

/// A picture on a sheet.
pub(super) struct Tile {
    pub(super) picture: Picture,
    /// The colour of its border.
    pub(super) border: [u8; 3],
}

impl Tile {
    /// A picture without a border.
    pub(super) fn plain(picture: Picture) -> Self {
        Self { picture, border: [255; 3] }
    }
}

/// Refuses a file that is not named for PNG.
///
/// # Errors
/// If it is not.
pub(super) fn must_be_png(option: &str, path: &Path) -> Result<()> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
        return Ok(());
    }
    Err(Usage(format!("{option} {}: name a .png", path.display())).into())
}

/// Writes rows of pictures, which are all of the size of the first one. Small ones are enlarged by a whole number.
///
/// # Errors
/// If there is no picture, the sheet would be too large, or the file cannot be written.
pub(super) fn write(path: &Path, rows: &[Vec<Tile>]) -> Result<()> {
    let Some(first) = rows.iter().flatten().next() else { bail!("there is no picture to show") };
    let (width, height) = (first.picture.width(), first.picture.height());
    let factor = LEAST_SIDE.div_ceil(width.min(height)).max(1);
    let cell = [width, height].map(|side| side * factor + 4 * LINE);
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default() as u32;
    let size = [cell[0] * columns, cell[1] * rows.len() as u32];
    let values = 3 * u64::from(size[0]) * u64::from(size[1]);
    if values > MOST_VALUES {
        bail!("the sheet would have {} x {} pixels: show fewer pictures", size[0], size[1]);
    }
    let mut pixels = vec![255_u8; values as usize];
    let stride = size[0] as usize;
    for (row, tiles) in (0..).zip(rows) {
        for (column, tile) in (0..).zip(tiles) {
            let (left, top) = (column * cell[0], row * cell[1]);
            for y in LINE..cell[1] - LINE {
                for x in LINE..cell[0] - LINE {
                    let colour = tile.colour(x - LINE, y - LINE, factor);
                    let at = 3 * ((top + y) as usize * stride + (left + x) as usize);
                    pixels[at..at + 3].copy_from_slice(&colour);
                }
            }
        }
    }
    let sheet = Picture::new(size[0], size[1], pixels).context("there is no picture to show")?;
    let png = sheet.to_png().context("cannot encode the sheet")?;
    atomic::write(path, &png).with_context(|| format!("cannot write {}", path.display()))
}

impl Tile {
    /// The colour of the tile with its border, whose first pixel is (0, 0).
    fn colour(&self, x: u32, y: u32, factor: u32) -> [u8; 3] {
        let inside =
            |at: u32, side: u32| at.checked_sub(LINE).map(|at| at / factor).filter(|at| *at < side);
        let (width, height) = (self.picture.width(), self.picture.height());
        match (inside(x, width), inside(y, height)) {
            (Some(x), Some(y)) => {
                let at = 3 * (y as usize * width as usize + x as usize);
                let pixels = self.picture.pixels();
                [pixels[at], pixels[at + 1], pixels[at + 2]]
            }
            _ => self.border,
        }
    }
}
