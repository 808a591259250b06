//! Builds the HTML page.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::record::Record;
use crate::host::page::{Cell, Html, MOST, Rows, STYLE, chart, ledger, more, short};

/// Builds the page of a run: final metrics, curves, ledger, environment and recipe.
pub(super) fn page(record: &Record) -> String {
    let mut html = Html::default();
    html.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>");
    html.text(&record.name)
        .raw("</title><meta name=\"viewport\" content=\"width=device-width\"><style>");
    html.raw(STYLE).raw("</style></head><body><h1>").text(&record.name).raw("</h1><p>");
    html.text(record.last_step()).raw(" steps</p>");
    if let Some(line) = record.cut_off {
        html.raw("<p>Line ")
            .text(line)
            .raw(" of metrics.jsonl, its last, is cut off and left out.</p>");
    }
    html.raw("<h2>Evaluation</h2>").html(&evaluation(record));
    html.raw("<h2>Curves</h2>").html(&curves(record));
    html.raw("<h2>Ledger</h2>");
    match &record.ledger {
        Some(entries) => html.html(&ledger(entries)),
        None => html.raw("<p>The run has not ended.</p>"),
    };
    html.raw("<h2>Environment</h2>").html(&environment(&record.environment));
    html.raw("<h2>Recipe</h2><pre>").text(&record.recipe).raw("</pre></body></html>\n");
    html.into_string()
}

/// The last value of every held-out metric.
fn evaluation(record: &Record) -> Html {
    let mut rows = Rows::default();
    for (name, points) in &record.series {
        let Some(short_name) = name.strip_prefix("eval/") else { continue };
        let Some((step, last)) = points.last() else { continue };
        rows.add(&[
            Cell::Text(short_name),
            Cell::Number(&short(*last)),
            Cell::Number(&step.to_string()),
        ]);
    }
    rows.table("<tr><th>figure</th><th>last</th><th>step</th></tr>", "Nothing was evaluated.")
}

/// One chart per training metric. A held-out metric of the same name is drawn in the same chart.
fn curves(record: &Record) -> Html {
    // `train/loss` is drawn with `eval/mlm/loss`, and `train/TASK/loss` with `eval/TASK/mlm/loss`.
    let mut held_out: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for name in record.series.keys() {
        match name.split('/').collect::<Vec<_>>()[..] {
            ["eval", _, figure] => held_out.entry(("", figure)).or_default().push(name),
            ["eval", task, _, figure] => held_out.entry((task, figure)).or_default().push(name),
            _ => {}
        }
    }
    let (mut html, mut charts, mut drawn) = (Html::default(), 0, BTreeSet::new());
    let mut draw = |title: &str, names: &[&str]| {
        charts += 1;
        if charts <= MOST {
            let line = |name: &&str| record.series.get_key_value(*name);
            let lines: Vec<_> =
                names.iter().filter_map(line).map(|(n, p)| (n.as_str(), p)).collect();
            html.html(&chart(title, &lines));
        }
    };
    for name in record.series.keys() {
        let Some(figure) = name.strip_prefix("train/") else { continue };
        let place = figure.rsplit_once('/').unwrap_or(("", figure));
        let mut names = vec![name.as_str()];
        names.extend(held_out.get(&place).into_iter().flatten());
        names.truncate(MOST);
        drawn.extend(names.iter().copied());
        draw(figure, &names);
    }
    for name in record.series.keys().filter(|name| !drawn.contains(name.as_str())) {
        draw(name, &[name]);
    }
    more(&mut html, charts, "figures of metrics.jsonl are not drawn.");
    html
}

fn environment(environment: &Value) -> Html {
    fn walk(prefix: &str, value: &Value, rows: &mut Rows) {
        match value {
            Value::Object(object) => {
                for (name, value) in object {
                    let dot = if prefix.is_empty() { "" } else { "." };
                    walk(&format!("{prefix}{dot}{name}"), value, rows);
                }
            }
            other => {
                let text = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
                rows.add(&[Cell::Text(prefix), Cell::Text(&text)]);
            }
        }
    }
    let mut rows = Rows::default();
    walk("", environment, &mut rows);
    rows.table("", "Nothing is known of it.")
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
            cut_off: None,
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
        // The held-out loss is drawn in the chart of the training loss, so there are two charts.
        assert_eq!(html.matches("<svg").count(), 2);
        record.ledger = None;
        assert!(page(&record).contains("has not ended"));
    }
    #[test]
    fn no_text_of_a_run_is_markup_and_long_lists_are_cut_and_told() {
        let evil = "<img src=x onerror=alert(1)>";
        let names =
            [format!("train/{evil}/loss"), format!("eval/{evil}/mlm/loss"), evil.to_owned()];
        let mut series: BTreeMap<_, _> =
            names.into_iter().map(|name| (name, vec![(1.0, 2.0), (2.0, 1.0)])).collect();
        let record = |series| Record {
            name: evil.to_owned(),
            series,
            recipe: evil.to_owned(),
            ledger: Some(
                json!({evil: {"count": evil, "first": evil}, "b": {"count": 1, "items": [evil]}}),
            ),
            environment: json!({evil: evil, "list": [evil]}),
            cut_off: Some(9),
        };
        let html = page(&record(series.clone()));
        assert!(!html.contains("<img") && html.contains("&lt;img") && html.contains("Line 9"));
        series.extend((0..20_000).map(|i| (format!("train/x{i}"), vec![(1.0, 2.0)])));
        let html = page(&record(series));
        assert!(html.contains("19802 more figures") && html.len() < 1_000_000, "{}", html.len());
    }
}
