//! A line chart as SVG.

use std::fmt::Write;

use super::record::Series;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 28.0;
const TOP: f64 = 12.0;
const RIGHT: f64 = 12.0;
/// Points of a line at most: about two a pixel.
const POINTS: usize = 1200;
/// Told apart by people who see few colours too (Okabe and Ito 2008).
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// The lines under their names, over steps.
pub(super) fn chart(title: &str, lines: &[(&str, &Series)]) -> String {
    let points = || lines.iter().flat_map(|(_, points)| points.iter());
    let (x0, x1) = range(points().map(|point| point.0));
    let (y0, y1) = range(points().map(|point| point.1));
    let x = |step: f64| LEFT + (step - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - (value - y0) / (y1 - y0) * (HEIGHT - BOTTOM - TOP);
    let mut svg = format!(
        "<figure><figcaption>{title}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">"
    );
    for value in ticks(y0, y1) {
        let at = y(value);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            short(value)
        );
    }
    for step in ticks(x0, x1) {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            x(step),
            HEIGHT - 8.0,
            short(step)
        );
    }
    for (i, (_, points)) in lines.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        if let [(step, value)] = points[..] {
            let _ = write!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>",
                x(step),
                y(value)
            );
            continue;
        }
        let every = points.len().div_ceil(POINTS).max(1);
        let last = points.len().saturating_sub(1);
        let kept = points.iter().enumerate().filter(|(i, _)| i % every == 0 || *i == last);
        let path: Vec<String> =
            kept.map(|(_, (step, value))| format!("{:.1},{:.1}", x(*step), y(*value))).collect();
        let _ = write!(svg, "<polyline stroke=\"{colour}\" points=\"{}\"/>", path.join(" "));
    }
    svg += "</svg>";
    if lines.len() > 1 {
        svg += "<p class=\"legend\">";
        for (i, (name, _)) in lines.iter().enumerate() {
            let colour = COLOURS[i % COLOURS.len()];
            let _ = write!(svg, "<span style=\"color:{colour}\">&#9632;</span> {name} ");
        }
        svg += "</p>";
    }
    svg + "</figure>"
}

/// The least and the largest, a little apart in any case.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    match high - low {
        span if span > 0.0 => (low, high),
        _ if low.is_finite() => (low - 0.5 * low.abs().max(1e-6), low + 0.5 * low.abs().max(1e-6)),
        _ => (0.0, 1.0),
    }
}

/// Three to seven round numbers from `low` to `high`.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let raw = (high - low) / 5.0;
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|f| f * power).find(|s| *s >= raw);
    let step = step.unwrap_or(10.0 * power);
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

/// A number in few characters.
pub(super) fn short(value: f64) -> String {
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
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 10.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(3.4, 8.3), [4.0, 5.0, 6.0, 7.0, 8.0]);
        for (low, high) in [(0.0, 1e-9), (1e6, 3.7e6), (-5.0, 0.1)] {
            let found = ticks(low, high);
            assert!((2..=8).contains(&found.len()), "{low} {high}: {found:?}");
            assert!(found.iter().all(|tick| (low..=high).contains(tick)), "{found:?}");
        }
    }

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
        let svg = chart("loss", &[("train", &falling), ("held out", &one)]);
        assert!(svg.contains("held out") && svg.contains("<circle") && svg.len() < 60_000);
        let points = svg.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        for point in points.split(' ') {
            let (x, y) = point.split_once(',').unwrap();
            let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
            assert!((LEFT..=WIDTH - RIGHT).contains(&x) && (TOP..=HEIGHT - BOTTOM).contains(&y));
        }
        let flat = vec![(1.0, 2.0), (2.0, 2.0)];
        assert!(!chart("flat", &[("a", &flat)]).contains("NaN"));
    }
}
