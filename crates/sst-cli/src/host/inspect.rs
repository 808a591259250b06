//! `sst data inspect`.

use anyhow::Result;
use serde_json::json;
use sst_data::Ledger;
use sst_data::words::{Length, count_length};

use super::source::source;
use crate::args::InspectArgs;
use crate::exit::Exit;
use crate::render;

/// The number of characters that are shown of a document.
const SHOWN: usize = 200;

/// Totals over all documents.
#[derive(Default)]
struct Totals {
    bytes: u64,
    /// The number of documents that are measured in characters because they are mostly Chinese or Japanese.
    unspaced: u64,
    lengths: Vec<usize>,
}

/// Counts documents and their lengths, and shows the first few.
///
/// # Errors
/// If a document cannot be read or stdout cannot be written to.
pub fn run(args: &InspectArgs) -> Result<Exit> {
    let ledger = Ledger::new();
    let source = source(&args.paths, &args.documents)?;
    let files = source.files()?;
    let (mut totals, mut shown) = (Totals::default(), Vec::new());
    for example in source.read(&ledger)? {
        let example = example?;
        let text = example.text("text").unwrap_or_default();
        totals.add(text);
        if shown.len() < args.show {
            shown.push((example.key.to_string(), text.chars().take(SHOWN).collect::<String>()));
        }
    }
    totals.lengths.sort_unstable();
    if args.json {
        let documents: Vec<_> =
            shown.iter().map(|(key, text)| json!({"key": key, "text": text})).collect();
        render::json(&json!({
            "version": 1,
            "files": files.len(),
            "documents": totals.lengths.len(),
            "bytes": totals.bytes,
            "documents_in_characters": totals.unspaced,
            "length": {
                "min": totals.quantile(0.0), "median": totals.quantile(0.5),
                "p90": totals.quantile(0.9), "p99": totals.quantile(0.99),
                "max": totals.quantile(1.0), "sum": totals.lengths.iter().sum::<usize>(),
            },
            "ledger": ledger.entries(),
            "first": documents,
        }))?;
        return Ok(Exit::Done);
    }
    render::line(&totals.describe(files.len()))?;
    for (key, text) in shown {
        render::line(&format!("\n{key}\n{text}"))?;
    }
    render::ledger(&ledger.entries());
    Ok(Exit::Done)
}

impl Totals {
    fn add(&mut self, text: &str) {
        let length = count_length(text);
        self.bytes += text.len() as u64;
        self.unspaced += u64::from(matches!(length, Length::Characters(_)));
        self.lengths.push(length.count());
    }

    /// The quantile `q` of the document lengths; 0 if there are no documents.
    fn quantile(&self, q: f64) -> usize {
        let last = self.lengths.len().saturating_sub(1);
        self.lengths.get((last as f64 * q).round() as usize).copied().unwrap_or(0)
    }

    fn describe(&self, files: usize) -> String {
        let documents = self.lengths.len() as u64;
        let unit = match self.unspaced {
            0 => "words",
            n if n == documents => "characters",
            _ => "words, or characters where mostly Chinese",
        };
        let lengths = [0.0, 0.5, 0.9, 0.99, 1.0].map(|q| render::count(self.quantile(q) as u64));
        let [min, median, p90, p99, max] = lengths;
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        render::table(&[
            row("files", render::count(files as u64)),
            row("documents", render::count(documents)),
            row("bytes of text", render::count(self.bytes)),
            row("length", format!("min {min}, median {median}, 90 % {p90}, 99 % {p99}, max {max}")),
            row("", format!("in {unit}")),
        ])
    }
}
