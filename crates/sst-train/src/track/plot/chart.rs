//! A line chart with its axes and a legend, lettered with digits and letters of its own, so that no font
//! has to be installed.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Room around the lines for numbers and legend: left, top, right, bottom.
const MARGIN: (i32, i32, i32, i32) = (90, 50, 30, 60);
/// Edge of a letter's dot in pixels.
const DOT: i32 = 3;
const GREY: RGBColor = RGBColor(225, 225, 225);
const INK: RGBColor = RGBColor(70, 70, 70);
const COLORS: [RGBColor; 4] =
    [RGBColor(214, 96, 20), RGBColor(31, 119, 180), RGBColor(44, 140, 60), RGBColor(140, 70, 160)];

/// Draws `lines` (steps and values by name) as a PNG.
pub(super) fn draw(
    path: &Path,
    size: (u32, u32),
    lines: &BTreeMap<String, Vec<(f64, f64)>>,
) -> io::Result<()> {
    let mut pixels = vec![0; (size.0 * size.1 * 3) as usize];
    let area = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
    let drawn = area.fill(&WHITE).and_then(|()| {
        let frame = Frame::around(lines, (size.0 as i32, size.1 as i32));
        frame.axes(&area)?;
        let mut left = MARGIN.0;
        for ((name, points), color) in lines.iter().zip(COLORS.iter().cycle()) {
            frame.line(&area, points, *color)?;
            left = text(&area, (left, 20), name, *color)? + 10 * DOT;
        }
        area.present()
    });
    drawn.map_err(|error| io::Error::other(error.to_string()))?;
    drop(area);
    write(path, size, &pixels)
}

/// Writes pixels, three bytes of red, green and blue each, row by row.
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

/// Maps steps and values to pixels.
struct Frame {
    size: (i32, i32),
    x: (f64, f64),
    y: (f64, f64),
}

impl Frame {
    fn around(lines: &BTreeMap<String, Vec<(f64, f64)>>, size: (i32, i32)) -> Self {
        let range = |values: &mut dyn Iterator<Item = f64>| {
            let (low, high) = values.fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
            // A single value still needs a range.
            if high > low { (low, high) } else { (low - 0.5, low + 0.5) }
        };
        let points = || lines.values().flatten();
        let (_, last) = range(&mut points().map(|point| point.0));
        Self { size, x: (0.0, last), y: range(&mut points().map(|point| point.1)) }
    }

    fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        let (left, top, right, bottom) = MARGIN;
        let width = f64::from(self.size.0 - left - right);
        let height = f64::from(self.size.1 - top - bottom);
        let across = (x - self.x.0) / (self.x.1 - self.x.0) * width;
        let down = (self.y.1 - y) / (self.y.1 - self.y.0) * height;
        (left + across.round() as i32, top + down.round() as i32)
    }

    fn axes(&self, area: &Area<'_>) -> Drawn<()> {
        let rule = |from, to| area.draw(&PathElement::new(vec![from, to], GREY));
        for tick in ticks(self.y) {
            rule(self.at((self.x.0, tick.0)), self.at((self.x.1, tick.0)))?;
            let (x, y) = self.at((self.x.0, tick.0));
            text(area, (x - 10 - width(&tick.1), y - 5 * DOT / 2), &tick.1, INK)?;
        }
        for tick in ticks(self.x) {
            rule(self.at((tick.0, self.y.0)), self.at((tick.0, self.y.1)))?;
            let (x, y) = self.at((tick.0, self.y.0));
            text(area, (x - width(&tick.1) / 2, y + 12), &tick.1, INK)?;
        }
        let corner = (self.size.0 - MARGIN.2 - width("step"), self.size.1 - 6 * DOT);
        text(area, corner, "step", INK).map(|_| ())
    }

    fn line(&self, area: &Area<'_>, points: &[(f64, f64)], color: RGBColor) -> Drawn<()> {
        let pixels: Vec<_> = points.iter().map(|point| self.at(*point)).collect();
        for (x, y) in &pixels {
            area.draw(&Rectangle::new([(x - 2, y - 2), (x + 3, y + 3)], color.filled()))?;
        }
        area.draw(&PathElement::new(pixels, color.stroke_width(2)))
    }
}

/// Round numbers within `range`, four to ten of them, with their texts.
fn ticks((low, high): (f64, f64)) -> Vec<(f64, String)> {
    let rough = (high - low) / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0].map(|m| m * power).into_iter().rfind(|s| *s <= rough);
    let step = step.unwrap_or(power);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last).map(|i| i as f64 * step).map(|v| (v, format!("{v:.decimals$}"))).collect()
}

/// The width of `content` in pixels.
fn width(content: &str) -> i32 {
    content.chars().count() as i32 * 4 * DOT
}

/// Writes `content` with its upper left corner at `at`; returns where it ends.
fn text(area: &Area<'_>, at: (i32, i32), content: &str, color: RGBColor) -> Drawn<i32> {
    for (i, letter) in (0..).zip(content.chars()) {
        for (row, bits) in (0..).zip(glyph(letter)) {
            for column in (0..3).filter(|column| bits >> (2 - column) & 1 == 1) {
                let (x, y) = (at.0 + (i * 4 + column) * DOT, at.1 + row * DOT);
                let dot = Rectangle::new([(x, y), (x + DOT, y + DOT)], color.filled());
                area.draw(&dot)?;
            }
        }
    }
    Ok(at.0 + width(content))
}

/// Five rows of three dots, the left one the highest bit. Letters without a picture are a blank box.
fn glyph(letter: char) -> [u8; 5] {
    const PICTURES: [(&str, [[u8; 5]; 13]); 3] = [
        (
            "0123456789.-_",
            [
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
            ],
        ),
        (
            "abcdefghijklm",
            [
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
            [
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
