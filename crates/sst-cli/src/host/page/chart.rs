//! Draws a line chart as SVG.

use std::fmt;

use sst_data::axis;

use super::Series;
use super::html::Html;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 28.0;
const TOP: f64 = 12.0;
const RIGHT: f64 = 12.0;
/// The largest number of points of a line: about two per pixel.
const POINTS: usize = 1200;
/// A palette that colour-blind readers can distinguish (Okabe and Ito 2008).
pub(super) const COLOURS: [&str; 6] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// The lines by name, over training steps or layers.
pub fn chart(title: &str, lines: &[(&str, &Series)]) -> Html {
    let points = || lines.iter().flat_map(|(_, points)| points.iter());
    let (x0, x1) = axis::range(points().map(|point| point.0));
    let (y0, y1) = axis::range(points().map(|point| point.1));
    let share = |value: f64, low: f64, high: f64| ((value - low) / (high - low)).clamp(0.0, 1.0);
    let x = |step: f64| LEFT + share(step, x0, x1) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - share(value, y0, y1) * (HEIGHT - BOTTOM - TOP);
    let mut svg = Html::default();
    svg.raw("<figure><figcaption>").text(title).raw("</figcaption><svg viewBox=\"0 0 ");
    svg.text(WIDTH).raw(" ").text(HEIGHT).raw("\" role=\"img\">");
    for value in axis::ticks((y0, y1)).0 {
        let at = y(value);
        svg.raw("<line class=\"grid\" x1=\"").text(LEFT).raw("\" x2=\"").text(WIDTH - RIGHT);
        svg.raw("\" y1=\"").text(Pixel(at)).raw("\" y2=\"").text(Pixel(at)).raw("\"/><text x=\"");
        svg.text(LEFT - 6.0).raw("\" y=\"").text(Pixel(at + 4.0)).raw("\" text-anchor=\"end\">");
        svg.text(short(value)).raw("</text>");
    }
    for step in axis::ticks((x0, x1)).0 {
        svg.raw("<text x=\"").text(Pixel(x(step))).raw("\" y=\"").text(HEIGHT - 8.0);
        svg.raw("\" text-anchor=\"middle\">").text(short(step)).raw("</text>");
    }
    for ((_, points), colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        if let [(step, value)] = points[..] {
            svg.raw("<circle cx=\"").text(Pixel(x(step))).raw("\" cy=\"").text(Pixel(y(value)));
            svg.raw("\" r=\"3\" fill=\"").raw(colour).raw("\"/>");
            continue;
        }
        let every = points.len().div_ceil(POINTS).max(1);
        let last = points.len().saturating_sub(1);
        let kept = points.iter().enumerate().filter(|(i, _)| i % every == 0 || *i == last);
        svg.raw("<polyline stroke=\"").raw(colour).raw("\" points=\"");
        for (i, (_, (step, value))) in kept.enumerate() {
            svg.raw(if i > 0 { " " } else { "" })
                .text(Pixel(x(*step)))
                .raw(",")
                .text(Pixel(y(*value)));
        }
        svg.raw("\"/>");
    }
    svg.raw("</svg>");
    if lines.len() > 1 {
        svg.raw("<p class=\"legend\">");
        for ((name, _), colour) in lines.iter().zip(COLOURS.iter().cycle()) {
            svg.raw("<span style=\"color:")
                .raw(colour)
                .raw("\">&#9632;</span> ")
                .text(name)
                .raw(" ");
        }
        svg.raw("</p>");
    }
    svg.raw("</figure>");
    svg
}

/// A coordinate of the picture, rounded to a tenth.
pub(super) struct Pixel(pub(super) f64);

impl fmt::Display for Pixel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}", self.0)
    }
}

/// Formats a number in few characters.
pub fn short(value: f64) -> String {
    let size = value.abs();
    let trim = |text: String| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    };
    match size {
        0.0 => "0".to_owned(),
        _ if size >= 1e9 => trim(format!("{:.2}", value / 1e9)) + "G",
        _ if size >= 1e6 => trim(format!("{:.2}", value / 1e6)) + "M",
        _ if size >= 1e4 => trim(format!("{:.1}", value / 1e3)) + "k",
        _ if size >= 1e-2 => trim(format!("{value:.4}")),
        _ => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (1500.0, "1500"),
            (12_345.0, "12.3k"),
            (2_000_000.0, "2M"),
            (0.25, "0.25"),
            (0.0003, "3.0e-4"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn a_chart_holds_every_line_inside_its_frame() {
        let (falling, one): (Series, Series) =
            ((0..5000).map(|i| (f64::from(i), 9.0 / f64::from(i + 1))).collect(), vec![(7.0, 3.0)]);
        let svg = chart("loss", &[("train", &falling), ("held out", &one)]).into_string();
        assert!(svg.contains("held out") && svg.contains("<circle") && svg.len() < 60_000);
        let points = svg.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        for point in points.split(' ') {
            let (x, y) = point.split_once(',').unwrap();
            let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
            assert!((LEFT..=WIDTH - RIGHT).contains(&x) && (TOP..=HEIGHT - BOTTOM).contains(&y));
        }
        let flat = vec![(1.0, 2.0), (2.0, 2.0)];
        assert!(!chart("flat", &[("a", &flat)]).into_string().contains("NaN"));
        let tiny = vec![(1.0, 0.0), (2.0, f64::from_bits(1))];
        assert!(!chart("tiny", &[("a", &tiny)]).into_string().contains("NaN"));
    }
}
