//! `sst mine`.

use std::io::{BufWriter, Write};
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::json;
use sst_cli::args::{DocumentArgs, MineArgs};
use sst_cli::exit::{Exit, Usage};
use sst_cli::flags;
use sst_cli::host::output;
use sst_cli::host::source::source;
use sst_data::read::Format;
use sst_data::{Ledger, atomic};
use sst_eval::mine::{Corpus, MineError, MineOptions, Mined, Strategy, mine};
use sst_eval::{Report, TextRole};

use super::pairs::Pairs;
use super::show::show_with;
use super::vectors::{Prompts, TextEncoder};

/// Writes the hard negatives of each query.
///
/// # Errors
/// If the model or the data cannot be read, an option is out of range, or the file cannot be written.
pub(crate) fn run(args: &MineArgs) -> Result<Exit> {
    let ledger = Ledger::new();
    let options = MineOptions {
        range_min: args.range_min,
        range_max: args.range_max,
        max_score: args.max_score,
        min_score: args.min_score,
        absolute_margin: args.absolute_margin,
        relative_margin: args.relative_margin,
        num_negatives: args.num_negatives,
        strategy: args.random.map_or(Strategy::Top, |seed| Strategy::Random { seed }),
    };
    let refuse = |error: MineError| match error {
        MineError::Option { key, .. } => Usage(format!("{error}{}", flags::of_keys(&[key]))).into(),
        other => anyhow::Error::from(other),
    };
    options.check().map_err(refuse)?;
    if let Some(format) = Format::of(&args.out).filter(|format| *format != Format::Jsonl) {
        let message = format!(
            "--out {}: the lines are JSON, and the name says {}: name a .jsonl",
            args.out.display(),
            format.name()
        );
        return Err(Usage(message).into());
    }
    let documents = DocumentArgs {
        format: args.pairs.format.clone(),
        text_field: String::new(),
        skip_errors: false,
    };
    output::check(&args.out, &source(&args.pairs.data, &documents)?, &[])?;
    output::check_folder(&args.out, &args.pairs.model)?;
    let pairs = Pairs::read(&args.pairs, &ledger)?;
    let encoder = TextEncoder::of_pairs(&args.pairs, Prompts::Search, &ledger)?;
    let queries_qd = encoder.embed(&pairs.queries, TextRole::First)?;
    let corpus_cd = encoder.embed(&pairs.corpus, TextRole::Second)?;
    // No text is in the corpus twice.
    let corpus = Corpus { vectors_cd: &unit(&corpus_cd)?, groups: None };
    let start = Instant::now();
    let mined = mine(&unit(&queries_qd)?, corpus, &pairs.relevant, &options);
    let seconds = start.elapsed().as_secs_f64();
    let mined = mined.map_err(refuse)?;
    let mut lines = 0;
    atomic::write_with(&args.out, |file| {
        let mut file = BufWriter::new(file);
        lines = write(&mut file, &pairs, &mined, args.ntuple, &ledger)?;
        file.flush()
    })
    .with_context(|| format!("cannot write {}", args.out.display()))?;
    let mut counts = mined.counts.to_counts();
    counts.insert("lines".to_owned(), lines);
    let metrics = [("seconds".to_owned(), seconds)].into();
    let report = Report { name: "mine".to_owned(), metrics, counts, ..Report::default() };
    show_with(&report, &ledger, args.pairs.json, &encoder.told())
}

/// Normalizes each row to length 1.
fn unit(x_nd: &tch::Tensor) -> Result<tch::Tensor> {
    Ok(sst_objectives::contrastive::info_nce::normalized(x_nd)?)
}

/// Writes the lines and returns their number.
fn write(
    file: &mut impl Write,
    pairs: &Pairs,
    mined: &Mined,
    ntuple: bool,
    ledger: &Ledger,
) -> std::io::Result<u64> {
    let mut lines = 0;
    for ((anchor, found), positives) in
        pairs.queries.iter().zip(&mined.queries).zip(&pairs.relevant)
    {
        for positive in positives {
            let positive = &pairs.corpus[*positive];
            if found.negatives.is_empty() {
                ledger.add("mine.pairs_without_negatives", 1, None);
            } else if ntuple {
                let texts: Vec<&String> =
                    found.negatives.iter().map(|n| &pairs.corpus[n.index]).collect();
                let scores: Vec<f32> = found.negatives.iter().map(|n| n.score).collect();
                let line = json!({
                    "anchor": anchor, "positive": positive, "negatives": texts, "scores": scores,
                });
                writeln!(file, "{line}")?;
                lines += 1;
            } else {
                for negative in &found.negatives {
                    let text = &pairs.corpus[negative.index];
                    let line = json!({
                        "anchor": anchor, "positive": positive, "negative": text,
                        "score": negative.score,
                    });
                    writeln!(file, "{line}")?;
                    lines += 1;
                }
            }
        }
    }
    Ok(lines)
}
