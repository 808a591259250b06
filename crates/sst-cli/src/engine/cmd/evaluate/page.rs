//! The page of an evaluation as HTML.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sst_cli::host::page::{
    Bar, Cell, HeatMap, Html, Rows, STYLE, Series, chart, heat_map, intervals, ledger, short,
};
use sst_data::leaks::Leaks;
use sst_eval::{Better, Table};

use super::Section;
use super::leaks::Compared;
use super::result::{Estimate, Grid, Measured, OfModel, Row};
use super::subject::Subject;

/// Tables of figures with intervals need more room than the text.
const WIDE: &str = "body{max-width:70rem}td.n{white-space:nowrap}th.n{text-align:right}figure{max-width:44rem}img{max-width:100%}\
                    p{max-width:46rem}details{margin:.6rem 0}";

/// The table of a confusion matrix, and that of the layers.
const CONFUSION: &str = "confusion";
const LAYERS: &str = "layers";

/// What the page was made with.
pub(super) struct Made<'a> {
    /// The text of the recipe.
    pub(super) recipe: &'a str,
    /// The overrides of its keys.
    pub(super) sets: &'a [String],
    /// The seed of the twins and of the bootstrap.
    pub(super) seed: u64,
}

/// Builds the page.
pub(super) fn page(
    path: &Path,
    made: &Made<'_>,
    subjects: &[Subject],
    sections: &[Section],
) -> String {
    let mut html = Html::default();
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    html.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>");
    html.text(&name).raw("</title><meta name=\"viewport\" content=\"width=device-width\"><style>");
    html.raw(STYLE).raw(WIDE).raw("</style></head><body><h1>Evaluation: ").text(&name).raw("</h1>");
    html.html(&models(subjects));
    html.raw("<h2>Summary</h2>").html(&summary(sections));
    html.raw("<h2>Leak ledger</h2>").html(&leak_ledger(sections));
    for section in sections {
        html.html(&one(section));
    }
    html.raw("<h2>Recipe</h2><p>sst ").text(env!("CARGO_PKG_VERSION")).raw(", seed ");
    html.text(made.seed).raw(". The models are those of the first table.");
    for set in made.sets {
        html.raw(" Overridden: <code>").text(set).raw("</code>.");
    }
    html.raw("</p><pre>").text(made.recipe).raw("</pre></body></html>\n");
    html.into_string()
}

fn models(subjects: &[Subject]) -> Html {
    let mut rows = Rows::default();
    for subject in subjects {
        let path = subject.path.display().to_string();
        let twin = if subject.twin.is_some() { "yes" } else { "no" };
        rows.add(&[Cell::Text(&subject.name), Cell::Text(&path), Cell::Text(twin)]);
    }
    rows.table("<tr><th>model</th><th>folder</th><th>untrained twin</th></tr>", "No model.")
}

/// The most important figure of each section.
fn summary(sections: &[Section]) -> Html {
    let mut table =
        Columns::new(&["section", "model", "figure", "value", "twin", "baseline", "difference"], 3);
    let mut html = Html::default();
    html.raw(
        "<p>The most important figure of each section with its 95 % interval. The twin is a model of the same shape, with \
         the same tokenizer, that was never trained; the baseline is what can be reached without a model. The difference \
         is that of the model and its twin on the same examples, with the 95 % interval of a paired bootstrap.</p>",
    );
    for section in sections {
        let Some(row) = section.rows.first() else { continue };
        for of in &row.models {
            table.add(vec![
                section.name.clone(),
                of.model.clone(),
                row.figure.name.to_owned(),
                shown(of.estimate),
                of.twin.map_or(NONE.to_owned(), shown),
                of.baseline.map_or(NONE.to_owned(), figure),
                difference(of),
            ]);
        }
    }
    html.html(&table.html());
    html
}

/// A value with its interval.
fn shown(estimate: Estimate) -> String {
    match estimate.interval {
        Some((low, high)) => {
            format!("{} [{}, {}]", figure(estimate.value), figure(low), figure(high))
        }
        None => figure(estimate.value),
    }
}

fn difference(of: &OfModel) -> String {
    of.from_twin.as_ref().map_or(NONE.to_owned(), |found| {
        let interval = found.difference.interval;
        let (low, high) = (interval.low, interval.high);
        format!("{} [{}, {}]", figure(found.difference.estimate), figure(low), figure(high))
    })
}

/// A figure with as many digits as an interval of it can need.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 1e4 || size > 0.0 && size < 1e-3 => short(value),
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 10.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// What was found of the test sets.
fn leak_ledger(sections: &[Section]) -> Html {
    let mut html = Html::default();
    html.raw(
        "<p>How much of each test set stands in the training part, and in what a model was pretrained on. An exact \
         duplicate has all of its words there without a gap (those of fewer than 13 words may do so by chance); a near one shares at least 80 % of the runs of five words \
         with a passage of its length; the last columns count the texts with at least one run of 13 words that stands \
         there, and the texts that are too short to have one.</p>",
    );
    let mut rows = Rows::default();
    let mut why = Html::default();
    for section in sections {
        for Compared { reference, leaks } in &section.leaks {
            match leaks {
                Ok(leaks) => add_leaks(&mut rows, &section.name, reference, leaks),
                Err(reason) => {
                    why.raw("<li>").text(&section.name).raw(" was not compared with the ");
                    why.text(reference).raw(": ").text(reason).raw("</li>");
                }
            }
        }
    }
    let head = "<tr><th>section</th><th>compared with</th><th class=\"n\">texts</th><th class=\"n\">exact</th>\
                <th class=\"n\">of them short</th><th class=\"n\">near</th><th class=\"n\">13 words</th>\
                <th class=\"n\">too short</th></tr>";
    html.html(&rows.table(head, "No test set was compared."));
    if !why.is_empty() {
        html.raw("<ul>").html(&why).raw("</ul>");
    }
    html
}

fn add_leaks(rows: &mut Rows, section: &str, reference: &str, leaks: &Leaks) {
    let share = |count: u64, of: u64| match of {
        0 => "-".to_owned(),
        _ => format!("{count} ({:.1} %)", 100.0 * count as f64 / of as f64),
    };
    rows.add(&[
        Cell::Text(section),
        Cell::Text(reference),
        Cell::Number(&leaks.texts.to_string()),
        Cell::Number(&share(leaks.exact, leaks.texts)),
        Cell::Number(&leaks.exact_short.to_string()),
        Cell::Number(&share(leaks.near, leaks.texts)),
        Cell::Number(&share(leaks.any_ngram, leaks.texts - leaks.too_short)),
        Cell::Number(&share(leaks.too_short, leaks.texts)),
    ]);
}

/// The part of the page about one section.
fn one(section: &Section) -> Html {
    let mut html = Html::default();
    html.raw("<h2>").text(&section.name).raw("</h2><p>").text(section.evaluator).raw(": ");
    html.text(section.summary).raw(".");
    if let Some(recipe) = &section.train {
        html.raw(" Each model was first trained with ").text(recipe).raw(".");
    }
    html.raw("</p>");
    if let Some(row) = section.rows.first() {
        html.html(&picture(row));
    }
    html.html(&figures(&section.rows));
    for measured in &section.measured {
        let is_one_of_many = section.measured.len() > 1;
        html.html(&tables(measured, is_one_of_many));
        if let Some(grid) = &measured.grid {
            html.html(&nearest(grid, is_one_of_many.then_some(&*measured.model)));
        }
    }
    for measured in &section.measured {
        let entries = serde_json::json!(measured.ledger.entries());
        if entries.as_object().is_some_and(|entries| !entries.is_empty()) {
            html.raw("<details><summary>What was dropped, cut, skipped or chosen for ");
            html.text(&measured.model).raw("</summary>").html(&ledger(&entries)).raw("</details>");
        }
    }
    html
}

/// A grid of pictures, and what its rows are.
fn nearest(grid: &Grid, model: Option<&str>) -> Html {
    let mut html = Html::default();
    html.raw("<figure><figcaption>pictures that a caption finds");
    if let Some(model) = model {
        html.raw(" (").text(model).raw(")");
    }
    html.raw("</figcaption><p>Each row has a picture, then the nearest pictures to its caption, the nearest first: green if \
              they have the caption and red if not.</p><img alt=\"grid of pictures\" src=\"data:image/png;base64,");
    html.text(BASE64.encode(&grid.png)).raw("\"><ol>");
    for row in grid.rows.as_array().into_iter().flatten() {
        let text = |key: &str| row[key].as_str().unwrap_or_default();
        html.raw("<li>").text(text("key")).raw(": ").text(text("caption")).raw("</li>");
    }
    html.raw("</ol></figure>");
    html
}

/// The most important figure of all models with their twins and the baseline.
fn picture(row: &Row) -> Html {
    let mut bars = Vec::new();
    for of in &row.models {
        let Estimate { value, interval } = of.estimate;
        bars.push(Bar { name: of.model.clone(), value, interval, colour: 0 });
        if let Some(Estimate { value, interval }) = of.twin {
            bars.push(Bar { name: format!("twin of {}", of.model), value, interval, colour: 1 });
        }
    }
    let baseline = row.models.iter().find_map(|of| of.baseline);
    bars.extend(baseline.map(|value| {
        let name = row.figure.baseline.unwrap_or("baseline").replace('_', " ");
        Bar { name, value, interval: None, colour: 2 }
    }));
    let direction = match row.figure.better {
        Better::Higher => " (higher is better)",
        Better::Lower => " (lower is better)",
        Better::Neither => "",
    };
    intervals(&format!("{}{direction}", row.figure.name), &bars)
}

/// The table of all figures of a section.
fn figures(rows: &[Row]) -> Html {
    let names = ["figure", "model", "value", "twin", "baseline", "from twin", "from first model"];
    let mut table = Columns::new(&names, 2);
    for row in rows {
        for of in &row.models {
            let from_first = of.from_first.as_ref().map_or(NONE.to_owned(), |found| {
                format!("{} (p = {:.3})", figure(found.difference.estimate), found.p_value)
            });
            table.add(vec![
                row.figure.name.to_owned(),
                of.model.clone(),
                shown(of.estimate),
                of.twin.map_or(NONE.to_owned(), shown),
                of.baseline.map_or(NONE.to_owned(), figure),
                difference(of),
                from_first,
            ]);
        }
    }
    table.html()
}

/// What stands in a cell without a value.
const NONE: &str = "-";

/// A table without the columns that have no value in any row.
struct Columns {
    names: Vec<&'static str>,
    /// The number of columns with texts; the others have numbers.
    texts: usize,
    rows: Vec<Vec<String>>,
}

impl Columns {
    fn new(names: &[&'static str], texts: usize) -> Self {
        Self { names: names.to_vec(), texts, rows: Vec::new() }
    }

    fn add(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    fn html(&self) -> Html {
        let has_value = |at: &usize| self.rows.iter().any(|row| row[*at] != NONE);
        let kept: Vec<usize> = (0..self.names.len()).filter(has_value).collect();
        let mut html = Html::default();
        html.raw("<table><tr>");
        for at in &kept {
            html.raw(if *at < self.texts { "<th>" } else { "<th class=\"n\">" });
            html.text(self.names[*at]).raw("</th>");
        }
        html.raw("</tr>");
        for row in &self.rows {
            let cell = |at: &usize| match *at < self.texts {
                true => Cell::Text(&row[*at]),
                false => Cell::Number(&row[*at]),
            };
            html.row(&kept.iter().map(cell).collect::<Vec<_>>());
        }
        html.raw("</table>");
        html
    }
}

/// The tables of a report: layers as a chart, matrices as heat maps, others as tables.
fn tables(measured: &Measured, is_one_of_many: bool) -> Html {
    let mut html = Html::default();
    for (name, table) in &measured.report.tables {
        let title = match is_one_of_many {
            true => format!("{name} ({})", measured.model),
            false => name.clone(),
        };
        let names: Vec<&String> = table.rows.iter().map(|(name, _)| name).collect();
        let is_square = table.columns.iter().collect::<Vec<_>>() == names;
        if name == CONFUSION || is_square {
            html.html(&matrix(&title, table, name == CONFUSION));
        } else if name == LAYERS {
            let twin = measured.twin.as_ref().and_then(|twin| twin.tables.get(name));
            html.html(&layers(&title, table, twin)).html(&plain(&title, table));
        } else {
            html.html(&plain(&title, table));
        }
    }
    html
}

fn matrix(title: &str, table: &Table, is_confusion: bool) -> Html {
    let axes = if is_confusion { ("labels", "predictions") } else { ("layers", "layers") };
    let (columns, rows) = (&table.columns, &table.rows);
    heat_map(&HeatMap { title, axes, columns, rows, by_row: is_confusion })
}

/// The first column of a table of layers, of the model and of its twin.
fn layers(title: &str, table: &Table, twin: Option<&Table>) -> Html {
    let line = |table: &Table| -> Series {
        let first = table.rows.iter().map(|(_, row)| row.first().copied().unwrap_or(f64::NAN));
        first.enumerate().map(|(layer, value)| (layer as f64, value)).collect()
    };
    let (model, twin) = (line(table), twin.map(line));
    let mut lines = vec![("model", &model)];
    lines.extend(twin.as_ref().map(|twin| ("twin", twin)));
    let column = table.columns.first().map_or("", String::as_str);
    chart(&format!("{title}: {column} by layer (0: embeddings)"), &lines)
}

fn plain(title: &str, table: &Table) -> Html {
    let mut html = Html::default();
    html.raw("<details><summary>").text(title).raw("</summary><table><tr><th></th>");
    // A column that has no value anywhere says nothing.
    let kept: Vec<usize> = (0..table.columns.len())
        .filter(|at| table.rows.iter().any(|(_, row)| row.get(*at).is_some_and(|v| !v.is_nan())))
        .collect();
    for column in &kept {
        html.raw("<th>").text(&table.columns[*column]).raw("</th>");
    }
    html.raw("</tr>");
    for (name, row) in &table.rows {
        let cells: Vec<String> = kept
            .iter()
            .map(|at| row.get(*at).copied().filter(|value| !value.is_nan()))
            .map(|value| value.map_or("-".to_owned(), short))
            .collect();
        let cells = cells.iter().map(|cell| Cell::Number(cell));
        html.row(&std::iter::once(Cell::Text(name)).chain(cells).collect::<Vec<_>>());
    }
    html.raw("</table></details>");
    html
}

#[cfg(test)]
mod tests {
    use super::figure;

    #[test]
    fn figures_have_few_digits() {
        for (value, expected) in [
            (0.4956, "0.496"),
            (0.0, "0.000"),
            (-0.0241, "-0.024"),
            (12.345, "12.35"),
            (2852.31, "2852.3"),
            (12_560_450.0, "12.56M"),
            (0.000_47, "4.7e-4"),
        ] {
            assert_eq!(figure(value), expected);
        }
    }
}
