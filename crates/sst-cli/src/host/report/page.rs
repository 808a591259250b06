//! The page itself.

use std::fmt::Write;

use serde_json::Value;

use super::chart::{chart, short};
use super::record::Record;

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#222}\
h1,h2{line-height:1.2}table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;text-align:left}\
td.n{text-align:right;font-variant-numeric:tabular-nums}figure{margin:1rem 0}figcaption{font-weight:600}\
svg{width:100%;height:auto}svg text{font-size:11px;fill:#555}.grid{stroke:#ddd}\
polyline{fill:none;stroke-width:1.5}.legend{margin:0;font-size:13px}\
pre{background:#f6f6f6;padding:.8rem;overflow-x:auto;font-size:13px}";

/// The page of a run: what it came to, its curves, its ledger, what it ran on, and its recipe.
pub(super) fn page(record: &Record) -> String {
    let name = escaped(&record.name);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{name}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\
         <h1>{name}</h1><p>{} steps</p>",
        record.last_step()
    );
    html += "<h2>Evaluation</h2>";
    html += &evaluation(record);
    html += "<h2>Curves</h2>";
    html += &curves(record);
    html += "<h2>Ledger</h2>";
    html += &ledger(record.ledger.as_ref());
    html += "<h2>Environment</h2>";
    html += &environment(&record.environment);
    let _ = writeln!(html, "<h2>Recipe</h2><pre>{}</pre></body></html>", escaped(&record.recipe));
    html
}

/// The last and the best of every held-out figure.
fn evaluation(record: &Record) -> String {
    let mut rows = String::new();
    for (name, points) in &record.series {
        let Some(short_name) = name.strip_prefix("eval/") else { continue };
        let Some((step, last)) = points.last() else { continue };
        let _ = write!(
            rows,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{step}</td></tr>",
            escaped(short_name),
            short(*last)
        );
    }
    match rows.is_empty() {
        true => "<p>Nothing was evaluated.</p>".to_owned(),
        false => format!("<table><tr><th>figure</th><th>last</th><th>step</th></tr>{rows}</table>"),
    }
}

/// One chart a figure of training; a held-out figure of the same name lies in the same chart.
fn curves(record: &Record) -> String {
    let mut html = String::new();
    let mut drawn = Vec::new();
    for (name, points) in &record.series {
        if let Some(figure) = name.strip_prefix("train/") {
            let mut lines = vec![(name.as_str(), points)];
            // `train/loss` has `eval/mlm/loss` beside it, `train/TASK/loss` has `eval/TASK/mlm/loss`.
            let (task, last) = figure.rsplit_once('/').map_or(("", figure), |(t, l)| (t, l));
            let held_out = |other: &str| {
                let parts: Vec<_> = other.split('/').collect();
                match parts[..] {
                    ["eval", _, figure] => task.is_empty() && figure == last,
                    ["eval", of, _, figure] => of == task && figure == last,
                    _ => false,
                }
            };
            let others = record.series.iter().filter(|(other, _)| held_out(other));
            lines.extend(others.map(|(other, points)| (other.as_str(), points)));
            drawn.extend(lines.iter().map(|(name, _)| *name));
            html += &chart(&escaped(figure), &lines);
        }
    }
    for (name, points) in &record.series {
        if !drawn.contains(&name.as_str()) {
            html += &chart(&escaped(name), &[(name.as_str(), points)]);
        }
    }
    html
}

fn ledger(ledger: Option<&Value>) -> String {
    let entries = match ledger.and_then(Value::as_object) {
        None => return "<p>The run has not ended.</p>".to_owned(),
        Some(entries) if entries.is_empty() => {
            return "<p>Nothing was dropped, cut or skipped.</p>".to_owned();
        }
        Some(entries) => entries,
    };
    let mut rows = String::new();
    for (name, entry) in entries {
        let first = entry["first"].as_str().unwrap_or_default();
        let _ = write!(
            rows,
            "<tr><td>{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
            escaped(name),
            entry["count"],
            escaped(first)
        );
    }
    format!("<table><tr><th>what</th><th>how often</th><th>first at</th></tr>{rows}</table>")
}

fn environment(environment: &Value) -> String {
    fn rows(prefix: &str, value: &Value, html: &mut String) {
        match value {
            Value::Object(object) => {
                for (name, value) in object {
                    let dot = if prefix.is_empty() { "" } else { "." };
                    rows(&format!("{prefix}{dot}{name}"), value, html);
                }
            }
            other => {
                let text = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
                let _ = write!(
                    html,
                    "<tr><td>{}</td><td>{}</td></tr>",
                    escaped(prefix),
                    escaped(&text)
                );
            }
        }
    }
    let mut html = String::new();
    rows("", environment, &mut html);
    format!("<table>{html}</table>")
}

/// Text as HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_holds_everything_and_asks_for_nothing() {
        let series = BTreeMap::from([
            ("train/loss".to_owned(), vec![(1.0, 5.0), (2.0, 4.0)]),
            ("eval/mlm/loss".to_owned(), vec![(2.0, 4.25)]),
            ("perf/seconds".to_owned(), vec![(1.0, 0.5), (2.0, 0.25)]),
        ]);
        let mut record = Record {
            name: "a<b>".to_owned(),
            series,
            recipe: "[run]\nname = \"a&b\"".to_owned(),
            ledger: Some(json!({"clean.dropped": {"count": 3, "first": "c.txt:7"}})),
            environment: json!({"data": {"rows": 5}, "os": "linux"}),
        };
        let html = page(&record);
        for part in [
            "a&lt;b&gt;",
            "2 steps",
            "mlm/loss",
            "4.25",
            "clean.dropped",
            "c.txt:7",
            "data.rows",
            "name = &quot;a&amp;b&quot;",
        ] {
            assert!(html.contains(part), "{part}");
        }
        assert!(!html.contains("http") && !html.contains("<script"), "asks for something");
        // The held-out loss lies in the chart of the loss, so there are two charts.
        assert_eq!(html.matches("<svg").count(), 2);
        record.ledger = None;
        assert!(page(&record).contains("has not ended"));
    }
}
