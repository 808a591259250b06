//! Draws figures with their intervals below each other, in SVG.

use super::chart::{COLOURS, Pixel, short};
use super::html::Html;

const WIDTH: f64 = 640.0;
const ROW: f64 = 22.0;
const NAMES: f64 = 190.0;
const NUMBERS: f64 = 70.0;

/// A figure in the picture.
pub struct Bar {
    /// What it is the figure of.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// The ends of its interval, if it has one.
    pub interval: Option<(f64, f64)>,
    /// The index of its colour. Figures of one kind have one colour.
    pub colour: usize,
}

/// Draws the figures on a common axis.
pub fn intervals(title: &str, bars: &[Bar]) -> Html {
    let ends = |bar: &Bar| {
        let (low, high) = bar.interval.unwrap_or((bar.value, bar.value));
        [bar.value, low, high]
    };
    let values = || bars.iter().flat_map(ends);
    let (low, high) = sst_data::axis::range(values().chain([0.0]));
    let share = |value: f64| ((value - low) / (high - low)).clamp(0.0, 1.0);
    let x = |value: f64| NAMES + share(value) * (WIDTH - NAMES - NUMBERS);
    let height = ROW * bars.len() as f64 + 8.0;
    let mut svg = Html::default();
    svg.raw("<figure><figcaption>").text(title).raw("</figcaption><svg viewBox=\"0 0 ");
    svg.text(WIDTH).raw(" ").text(Pixel(height)).raw("\" role=\"img\">");
    for (at, bar) in bars.iter().enumerate() {
        let (y, colour) = (ROW * at as f64 + 14.0, COLOURS[bar.colour % COLOURS.len()]);
        svg.raw("<text text-anchor=\"end\" x=\"").text(Pixel(NAMES - 8.0)).raw("\" y=\"");
        svg.text(Pixel(y + 4.0)).raw("\">").text(&bar.name).raw("</text>");
        if !bar.value.is_finite() {
            svg.raw("<text x=\"").text(WIDTH - NUMBERS + 12.0).raw("\" y=\"");
            svg.text(Pixel(y + 4.0)).raw("\">-</text>");
            continue;
        }
        line(&mut svg, (x(0.0), x(bar.value)), y, colour, "8", "0.35");
        if let Some((low, high)) = bar.interval {
            line(&mut svg, (x(low), x(high)), y, colour, "2", "1");
        }
        svg.raw("<circle r=\"3.5\" fill=\"").raw(colour).raw("\" cx=\"").text(Pixel(x(bar.value)));
        svg.raw("\" cy=\"").text(Pixel(y)).raw("\"/><text x=\"").text(WIDTH - NUMBERS + 12.0);
        svg.raw("\" y=\"").text(Pixel(y + 4.0)).raw("\">").text(short(bar.value)).raw("</text>");
    }
    svg.raw("</svg></figure>");
    svg
}

fn line(
    svg: &mut Html,
    (from, to): (f64, f64),
    y: f64,
    colour: &'static str,
    width: &'static str,
    opacity: &'static str,
) {
    svg.raw("<line stroke=\"").raw(colour).raw("\" stroke-width=\"").raw(width);
    svg.raw("\" stroke-opacity=\"").raw(opacity).raw("\" x1=\"").text(Pixel(from)).raw("\" x2=\"");
    svg.text(Pixel(to)).raw("\" y1=\"").text(Pixel(y)).raw("\" y2=\"").text(Pixel(y)).raw("\"/>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_lies_within_the_picture() {
        let bar = |value, interval| Bar { name: "<m>".to_owned(), value, interval, colour: 0 };
        let bars = [bar(0.5, Some((0.4, 0.6))), bar(-2.0, None), bar(f64::NAN, None)];
        let svg = intervals("accuracy", &bars).into_string();
        assert!(svg.contains("&lt;m&gt;") && svg.matches("<circle").count() == 2);
        for place in svg.split("cx=\"").skip(1) {
            let x: f64 = place.split('"').next().unwrap().parse().unwrap();
            assert!((NAMES..=WIDTH - NUMBERS).contains(&x), "{x}");
        }
    }
}
