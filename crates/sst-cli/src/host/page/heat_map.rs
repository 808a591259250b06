//! Draws a matrix as a grid of coloured cells, in SVG.

use super::chart::{Pixel, short};
use super::html::Html;

/// The edge of a cell, and the room for names.
const CELL: f64 = 44.0;
const NAMES: f64 = 130.0;
/// The largest number of rows or columns that are drawn with their names and numbers.
const NAMED: usize = 24;
/// The width of the picture of a larger matrix.
const WIDTH: f64 = 640.0;

/// A matrix with the names of its rows and columns.
pub struct HeatMap<'a> {
    /// The caption.
    pub title: &'a str,
    /// What the rows and the columns are.
    pub axes: (&'a str, &'a str),
    /// The names of the columns.
    pub columns: &'a [String],
    /// The name and the values of each row. A NaN is drawn as an empty cell.
    pub rows: &'a [(String, Vec<f64>)],
    /// Whether colours compare the values of a row with their sum, as for a confusion matrix, and not with the greatest
    /// value.
    pub by_row: bool,
}

/// Draws the matrix.
pub fn heat_map(map: &HeatMap<'_>) -> Html {
    let HeatMap { title, axes, columns, rows, by_row } = map;
    let is_named = rows.len().max(columns.len()) <= NAMED;
    let count = columns.len().max(1) as f64;
    let cell = if is_named { CELL } else { ((WIDTH - NAMES) / count).max(1.0) };
    let width = NAMES + cell * count + 8.0;
    let height = 28.0 + cell * rows.len() as f64 + if is_named { NAMES * 0.6 } else { 8.0 };
    let values = || rows.iter().flat_map(|(_, row)| row).copied().filter(|v| v.is_finite());
    let (least, greatest) =
        (values().fold(0.0, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let mut svg = Html::default();
    svg.raw("<figure><figcaption>").text(title).raw("</figcaption><svg viewBox=\"0 0 ");
    svg.text(Pixel(width)).raw(" ").text(Pixel(height)).raw("\" style=\"max-width:");
    svg.text(Pixel(width))
        .raw("px\" role=\"img\"><text x=\"")
        .text(Pixel(NAMES))
        .raw("\" y=\"14\">");
    svg.text(format!("columns: {}, rows: {}", axes.1, axes.0)).raw("</text>");
    for (at, (name, row)) in rows.iter().enumerate() {
        let y = 24.0 + cell * at as f64;
        if is_named {
            svg.raw("<text text-anchor=\"end\" x=\"").text(Pixel(NAMES - 6.0)).raw("\" y=\"");
            svg.text(Pixel(y + cell / 2.0 + 4.0)).raw("\">").text(cut(name)).raw("</text>");
        }
        let sum: f64 = row.iter().filter(|value| value.is_finite()).sum();
        for (column, value) in row.iter().enumerate() {
            let share = match by_row {
                true => value / sum,
                false => (value - least) / (greatest - least),
            };
            let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
            let x = NAMES + cell * column as f64;
            svg.raw("<rect fill=\"#0072b2\" fill-opacity=\"").text(format!("{share:.3}"));
            svg.raw("\" stroke=\"#ddd\" x=\"").text(Pixel(x)).raw("\" y=\"").text(Pixel(y));
            svg.raw("\" width=\"")
                .text(Pixel(cell))
                .raw("\" height=\"")
                .text(Pixel(cell))
                .raw("\"/>");
            if is_named && value.is_finite() {
                let dark = share > 0.55;
                svg.raw("<text text-anchor=\"middle\" style=\"fill:");
                svg.raw(if dark { "#fff" } else { "#222" }).raw("\" x=\"");
                svg.text(Pixel(x + cell / 2.0)).raw("\" y=\"").text(Pixel(y + cell / 2.0 + 4.0));
                svg.raw("\">").text(number(*value)).raw("</text>");
            }
        }
    }
    if is_named {
        let y = 24.0 + cell * rows.len() as f64 + 12.0;
        for (column, name) in columns.iter().enumerate() {
            let x = NAMES + cell * (column as f64 + 0.5);
            svg.raw("<text text-anchor=\"end\" transform=\"translate(")
                .text(Pixel(x + 4.0))
                .raw(" ");
            svg.text(Pixel(y)).raw(") rotate(-35)\">").text(cut(name)).raw("</text>");
        }
    }
    svg.raw("</svg></figure>");
    svg
}

/// A number that fits into a cell.
fn number(value: f64) -> String {
    match value.fract() == 0.0 && value.abs() >= 1.0 {
        true => short(value),
        false => format!("{value:.2}"),
    }
}

/// A name that fits beside the cells.
fn cut(name: &str) -> String {
    match name.chars().count() > 18 {
        true => name.chars().take(17).chain(['\u{2026}']).collect(),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_a_cell_whose_colour_is_its_share_of_the_row() {
        let rows = [("a".to_owned(), vec![3.0, 1.0]), ("<b>".to_owned(), vec![0.0, 0.0])];
        let columns = ["a".to_owned(), "<b>".to_owned()];
        let (title, axes) = ("confusion", ("label", "prediction"));
        let map = HeatMap { title, axes, columns: &columns, rows: &rows, by_row: true };
        let svg = heat_map(&map).into_string();
        assert!(svg.contains("fill-opacity=\"0.750\"") && svg.contains(">3</text>"), "{svg}");
        assert!(svg.contains("&lt;b&gt;") && !svg.contains("NaN"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 4);
    }

    #[test]
    fn a_large_matrix_has_no_names() {
        let columns: Vec<String> = (0..100).map(|at| format!("c{at}")).collect();
        let rows: Vec<_> = columns.iter().map(|name| (name.clone(), vec![f64::NAN; 100])).collect();
        let (title, axes) = ("large", ("row", "column"));
        let map = HeatMap { title, axes, columns: &columns, rows: &rows, by_row: false };
        let svg = heat_map(&map).into_string();
        assert!(!svg.contains("c17") && !svg.contains("NaN"));
    }
}
