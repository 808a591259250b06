//! The parts of HTML pages that need no network and no other file.

mod chart;
mod heat_map;
mod html;
mod intervals;

use serde_json::Value;

pub use chart::{chart, short};
pub use heat_map::{HeatMap, heat_map};
pub use html::{Cell, Html};
pub use intervals::{Bar, intervals};

/// The points of a line: (x, y) in the order of x.
pub type Series = Vec<(f64, f64)>;

/// The style of every page.
pub const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#222}\
h1,h2{line-height:1.2}table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;text-align:left}\
td.n{text-align:right;font-variant-numeric:tabular-nums}figure{margin:1rem 0}figcaption{font-weight:600}\
svg{width:100%;height:auto}svg text{font-size:11px;fill:#555}.grid{stroke:#ddd}\
polyline{fill:none;stroke-width:1.5}.legend{margin:0;font-size:13px}\
pre{background:#f6f6f6;padding:.8rem;overflow-x:auto;font-size:13px}";

/// The largest number of charts, and of rows of a table. A page with more is hard to read and takes minutes to
/// display.
pub const MOST: usize = 200;

/// Says how many of `count` entries are not shown, if there are any.
pub fn more(html: &mut Html, count: usize, what: &'static str) {
    if let Some(left) = count.checked_sub(MOST).filter(|left| *left > 0) {
        html.raw("<p>").text(left).raw(" more ").raw(what).raw("</p>");
    }
}

/// The rows of a table, up to the limit.
#[derive(Default)]
pub struct Rows {
    html: Html,
    count: usize,
}

impl Rows {
    /// Adds a row.
    pub fn add(&mut self, cells: &[Cell<'_>]) {
        self.count += 1;
        if self.count <= MOST {
            self.html.row(cells);
        }
    }

    /// The table with the head `head`, or the sentence `nothing` if it has no rows.
    #[must_use]
    pub fn table(self, head: &'static str, nothing: &'static str) -> Html {
        let mut html = Html::default();
        if self.html.is_empty() {
            html.raw("<p>").raw(nothing).raw("</p>");
            return html;
        }
        html.raw("<table>").raw(head).html(&self.html).raw("</table>");
        more(&mut html, self.count, "rows are left out.");
        html
    }
}

/// The table of what was dropped, cut or skipped: the entries of a ledger as JSON.
pub fn ledger(entries: &Value) -> Html {
    let mut rows = Rows::default();
    for (name, entry) in entries.as_object().into_iter().flatten() {
        let items = entry["items"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let items: Vec<&str> = items.take(MOST).collect();
        let place = entry["first"].as_str().map_or_else(|| items.join(", "), str::to_owned);
        rows.add(&[
            Cell::Text(name),
            Cell::Number(&entry["count"].to_string()),
            Cell::Text(&place),
        ]);
    }
    let head = "<tr><th>what</th><th>how often</th><th>first at</th></tr>";
    rows.table(head, "Nothing was dropped, cut or skipped.")
}
