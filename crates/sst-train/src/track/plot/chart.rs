//! A line chart with axes and a legend. It draws its own digits and letters, so that no font has to be installed.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use sst_data::axis;

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// The margins in pixels for the numbers of the axes and the legend: left, top, right, bottom.
const MARGIN: (i32, i32, i32, i32) = (90, 50, 30, 60);
/// The top of the first row of the legend, in pixels.
const LEGEND_TOP: i32 = 14;
/// The height of a row of the legend, in pixels.
const LEGEND_ROW: i32 = 24;
/// The largest number of rows of the legend.
const LEGEND_ROWS: i32 = 5;
/// The width of the coloured line before a name in the legend, in pixels.
const MARK: i32 = 24;
/// The width and height of the dots that letters consist of, in pixels.
const DOT: i32 = 3;
const GREY: RGBColor = RGBColor(225, 225, 225);
const INK: RGBColor = RGBColor(70, 70, 70);
const COLORS: [RGBColor; 4] =
    [RGBColor(214, 96, 20), RGBColor(31, 119, 180), RGBColor(44, 140, 60), RGBColor(140, 70, 160)];

/// Draws `lines`, which are points (step, value) by name, as a PNG of `size` pixels.
pub(super) fn draw(
    path: &Path,
    size: (u32, u32),
    lines: &BTreeMap<String, Vec<(f64, f64)>>,
) -> io::Result<()> {
    let mut pixels = vec![0; (size.0 * size.1 * 3) as usize];
    let area = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
    let drawn = area.fill(&WHITE).and_then(|()| {
        let names: Vec<&str> = lines.keys().map(String::as_str).collect();
        let (positions, rows) = legend(&names, size.0 as i32);
        let plot = PlotArea::new(lines, (size.0 as i32, size.1 as i32), rows);
        plot.axes(&area)?;
        for (points, color) in lines.values().zip(COLORS.iter().cycle()) {
            plot.line(&area, points, *color)?;
        }
        let labels = positions.iter().zip(&names).zip(COLORS.iter().cycle());
        for (((left, top), name), color) in labels {
            let line = [(*left, top + 2 * DOT), (left + MARK, top + 3 * DOT)];
            area.draw(&Rectangle::new(line, color.filled()))?;
            text(&area, (left + MARK + 2 * DOT, *top), name, *color)?;
        }
        if let Some(more) = names.len().checked_sub(positions.len()).filter(|more| *more > 0) {
            let top = LEGEND_TOP + rows * LEGEND_ROW - LEGEND_ROW / 4;
            text(&area, (MARGIN.0, top), &format!("{more} more"), INK)?;
        }
        area.present()
    });
    drawn.map_err(|error| io::Error::other(error.to_string()))?;
    drop(area);
    write(path, size, &pixels)
}

/// The position (left, top) of each name in the legend of a picture that is `picture_width` pixels wide, and the number
/// of rows of the legend. There are fewer positions than names if not all names fit into the rows.
fn legend(names: &[&str], picture_width: i32) -> (Vec<(i32, i32)>, i32) {
    let (mut positions, mut left, mut row) = (Vec::new(), MARGIN.0, 0);
    for name in names {
        let label_width = MARK + 2 * DOT + width(name);
        if left > MARGIN.0 && left + label_width > picture_width - MARGIN.2 {
            (left, row) = (MARGIN.0, row + 1);
        }
        if row == LEGEND_ROWS {
            break;
        }
        positions.push((left, LEGEND_TOP + row * LEGEND_ROW));
        left += label_width + 8 * DOT;
    }
    (positions, (row + 1).min(LEGEND_ROWS))
}

/// Writes a PNG. `pixels` are rows of pixels with three bytes each: red, green and blue.
fn write(path: &Path, size: (u32, u32), pixels: &[u8]) -> io::Result<()> {
    let file = io::BufWriter::new(std::fs::File::create(path)?);
    let mut encoder = png::Encoder::new(file, size.0, size.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(())
}

type Drawn<T> =
    Result<T, DrawingAreaErrorKind<<BitMapBackend<'static> as DrawingBackend>::ErrorType>>;

/// The part of the picture that the lines are drawn in. It maps steps and values to pixels.
struct PlotArea {
    /// The width and height of the picture.
    size: (i32, i32),
    /// The distance from the top of the picture.
    top: i32,
    /// The smallest and the largest step.
    x: (f64, f64),
    /// The smallest and the largest value.
    y: (f64, f64),
}

impl PlotArea {
    /// The area for `lines` in a picture of `size` pixels, below a legend of `rows` rows.
    fn new(lines: &BTreeMap<String, Vec<(f64, f64)>>, size: (i32, i32), rows: i32) -> Self {
        let points = || lines.values().flatten();
        let (_, last) = axis::range(points().map(|point| point.0));
        let top = MARGIN.1 + (rows.saturating_sub(1) * LEGEND_ROW);
        Self { size, top, x: (0.0, last), y: axis::range(points().map(|point| point.1)) }
    }

    /// The pixel of a step and a value.
    fn pixel(&self, (x, y): (f64, f64)) -> (i32, i32) {
        let (left, _, right, bottom) = MARGIN;
        let top = self.top;
        let width = f64::from(self.size.0 - left - right);
        let height = f64::from(self.size.1 - top - bottom);
        let across = ((x - self.x.0) / (self.x.1 - self.x.0)).clamp(0.0, 1.0) * width;
        let down = ((self.y.1 - y) / (self.y.1 - self.y.0)).clamp(0.0, 1.0) * height;
        (left + across.round() as i32, top + down.round() as i32)
    }

    /// Draws the grid, the numbers of its lines, and the names of the axes.
    fn axes(&self, area: &Area<'_>) -> Drawn<()> {
        let grid_line = |from, to| area.draw(&PathElement::new(vec![from, to], GREY));
        for (value, label) in ticks(self.y) {
            grid_line(self.pixel((self.x.0, value)), self.pixel((self.x.1, value)))?;
            let (x, y) = self.pixel((self.x.0, value));
            text(area, (x - 10 - width(&label), y - 5 * DOT / 2), &label, INK)?;
        }
        for (step, label) in ticks(self.x) {
            grid_line(self.pixel((step, self.y.0)), self.pixel((step, self.y.1)))?;
            let (x, y) = self.pixel((step, self.y.0));
            text(area, (x - width(&label) / 2, y + 12), &label, INK)?;
        }
        let corner = (self.size.0 - MARGIN.2 - width("step"), self.size.1 - 6 * DOT);
        text(area, corner, "step", INK)?;
        text(area, (10, self.top - 8 * DOT), "loss", INK).map(|_| ())
    }

    /// Draws a line with a mark at each point.
    fn line(&self, area: &Area<'_>, points: &[(f64, f64)], color: RGBColor) -> Drawn<()> {
        let pixels: Vec<_> = points.iter().map(|point| self.pixel(*point)).collect();
        for (x, y) in &pixels {
            area.draw(&Rectangle::new([(x - 2, y - 2), (x + 3, y + 3)], color.filled()))?;
        }
        area.draw(&PathElement::new(pixels, color.stroke_width(2)))
    }
}

/// Round numbers within `range`, with their labels.
fn ticks(range: (f64, f64)) -> Vec<(f64, String)> {
    let (ticks, step) = axis::ticks(range);
    let largest = range.0.abs().max(range.1.abs());
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let label = |tick: f64| match largest {
        _ if (1e-4..1e7).contains(&largest) => format!("{tick:.decimals$}"),
        _ => format!("{tick:.1e}"),
    };
    ticks.into_iter().map(|tick| (tick, label(tick))).collect()
}

/// The width of `content` in pixels.
fn width(content: &str) -> i32 {
    content.chars().count() as i32 * 4 * DOT
}

/// Draws `content` with its upper left corner at `corner`. Returns the x coordinate of its end.
fn text(area: &Area<'_>, corner: (i32, i32), content: &str, color: RGBColor) -> Drawn<i32> {
    for (i, letter) in (0..).zip(content.chars()) {
        for (row, bits) in (0..).zip(glyph(letter)) {
            for column in (0..3).filter(|column| bits >> (2 - column) & 1 == 1) {
                let (x, y) = (corner.0 + (i * 4 + column) * DOT, corner.1 + row * DOT);
                let dot = Rectangle::new([(x, y), (x + DOT, y + DOT)], color.filled());
                area.draw(&dot)?;
            }
        }
    }
    Ok(corner.0 + width(content))
}

/// The dots of a letter: five rows of three bits, of which the highest is the left dot. A letter that is not in the
/// table is drawn as an empty box.
fn glyph(letter: char) -> [u8; 5] {
    const PICTURES: [(&str, &[[u8; 5]]); 3] = [
        (
            "0123456789.-_/+",
            &[
                [7, 5, 5, 5, 7],
                [2, 6, 2, 2, 7],
                [7, 1, 7, 4, 7],
                [7, 1, 7, 1, 7],
                [5, 5, 7, 1, 1],
                [7, 4, 7, 1, 7],
                [7, 4, 7, 5, 7],
                [7, 1, 1, 2, 2],
                [7, 5, 7, 5, 7],
                [7, 5, 7, 1, 7],
                [0, 0, 0, 0, 2],
                [0, 0, 7, 0, 0],
                [0, 0, 0, 0, 7],
                [1, 1, 2, 4, 4],
                [0, 2, 7, 2, 0],
            ],
        ),
        (
            "abcdefghijklm",
            &[
                [2, 5, 7, 5, 5],
                [6, 5, 6, 5, 6],
                [3, 4, 4, 4, 3],
                [6, 5, 5, 5, 6],
                [7, 4, 6, 4, 7],
                [7, 4, 6, 4, 4],
                [3, 4, 5, 5, 3],
                [5, 5, 7, 5, 5],
                [7, 2, 2, 2, 7],
                [1, 1, 1, 5, 2],
                [5, 5, 6, 5, 5],
                [4, 4, 4, 4, 7],
                [5, 7, 7, 5, 5],
            ],
        ),
        (
            "nopqrstuvwxyz",
            &[
                [6, 5, 5, 5, 5],
                [2, 5, 5, 5, 2],
                [6, 5, 6, 4, 4],
                [2, 5, 5, 6, 3],
                [6, 5, 6, 5, 5],
                [3, 4, 2, 1, 6],
                [7, 2, 2, 2, 2],
                [5, 5, 5, 5, 7],
                [5, 5, 5, 5, 2],
                [5, 5, 7, 7, 5],
                [5, 5, 2, 5, 5],
                [5, 5, 2, 2, 2],
                [7, 1, 2, 4, 7],
            ],
        ),
    ];
    if letter == ' ' {
        return [0; 5];
    }
    let letter = letter.to_ascii_lowercase();
    PICTURES
        .iter()
        .find_map(|(letters, pictures)| letters.find(letter).map(|i| pictures[i]))
        .unwrap_or([7, 5, 5, 5, 7])
}
