//! `sst evaluate`: several evaluators on one or several models, as one page.

mod harness;
mod leaks;
mod page;
mod result;
mod subject;
mod words;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use sst_cli::args::EvaluateArgs;
use sst_cli::exit::Exit;
use sst_cli::{files, render};
use sst_core::Modality;
use sst_data::Ledger;
use sst_data::pictures::PictureSource;
use sst_eval::Report;
use sst_run::model::{self, ModelLocation};
use sst_run::{Evaluation, Measurement};

use self::leaks::{Compared, LeakLedger};
use self::result::{Grid, Measured, Row};
use self::subject::{Subject, Tuned, Who, tune};
use self::words::Words;
use super::eval;
use super::show::check_finite;
use crate::error::with_exit_code;

/// What a section of the recipe gave.
struct Section {
    name: String,
    evaluator: &'static str,
    summary: &'static str,
    /// The recipe of the run that is measured in place of a model, if there is one.
    train: Option<String>,
    /// The overrides of that recipe.
    set: Vec<String>,
    /// The keys of the evaluator.
    arguments: Map<String, Value>,
    measured: Vec<Measured>,
    rows: Vec<Row>,
    leaks: Vec<Compared>,
    seconds: f64,
}

/// Measures the models of the recipe and writes the page.
///
/// # Errors
/// If the recipe is wrong, a model or data cannot be read, a measurement fails, or a file cannot be written.
pub(crate) fn run(args: &EvaluateArgs) -> Result<Exit> {
    let page = Evaluation::read(&args.recipe, &args.set, &args.model)?;
    // Everything that can be found without a model is checked before the first measurement.
    let words: Vec<Words> = page
        .measurements
        .iter()
        .map(|section| Words::read(&page, section))
        .collect::<Result<_>>()?;
    let find = |(name, path): &(String, PathBuf)| {
        let refuse = |error| page.refuse("evaluate.models", format!("{name}: {error}"));
        model::find(path).map_err(refuse)
    };
    let found = page.evaluate.models.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    for (section, words) in page.measurements.iter().zip(&words) {
        check(&page, section, words, &found[0])?;
    }
    if args.dry_run {
        return dry_run(&page, &words);
    }
    let out = &page.evaluate.out;
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    // A page that cannot be finished must not look like an older one that could, which is kept under another name.
    for name in [REPORT, PAGE] {
        let path = out.join(name);
        if path.is_file() {
            let kept = out.join(previous(name));
            std::fs::rename(&path, &kept).with_context(|| path.display().to_string())?;
        }
    }
    // Twins of an earlier page that was interrupted may be those of other models.
    let scratch = out.join(SCRATCH);
    remove(&scratch)?;
    let subjects = Subject::find_all(&page, &scratch)?;
    let (mut sections, mut ledger) = (Vec::new(), LeakLedger::default());
    for (section, words) in page.measurements.iter().zip(&words) {
        let started = Instant::now();
        render::note(&format!("[eval.{}] {}", section.name, words.entry().summary));
        let measured = match measure(&page, section, words, (&subjects, &scratch), args)? {
            Ok(measured) => measured,
            Err(exit) => return Ok(exit),
        };
        let rows = result::rows(words.entry(), &measured, page.evaluate.seed)?;
        let leaks = ledger.compare(&page, section, &subjects);
        sections.push(Section {
            name: section.name.clone(),
            evaluator: words.entry().name,
            summary: words.entry().summary,
            train: section.train.as_ref().map(|path| path.display().to_string()),
            set: section.set.clone(),
            arguments: section.arguments.clone(),
            measured,
            rows,
            leaks,
            seconds: started.elapsed().as_secs_f64(),
        });
    }
    remove(&scratch)?;
    let exit = write(&page, args, &subjects, &sections)?;
    for name in [REPORT, PAGE] {
        let kept = out.join(previous(name));
        if kept.is_file() {
            std::fs::remove_file(&kept).with_context(|| kept.display().to_string())?;
        }
    }
    Ok(exit)
}

/// The name of an earlier page while a new one is made.
fn previous(name: &str) -> String {
    format!("previous-{name}")
}

/// The files of the page.
const REPORT: &str = "report.json";
const PAGE: &str = "report.html";

/// The folder within that of the page that holds twins and pictures while the page is made.
const SCRATCH: &str = ".sst-page-in-progress";
/// The picture there that an evaluator drew last.
const GRID: &str = "grid.png";

/// Removes a folder if it exists.
fn remove(folder: &Path) -> Result<()> {
    match folder.is_dir() {
        true => std::fs::remove_dir_all(folder).with_context(|| folder.display().to_string()),
        false => Ok(()),
    }
}

/// Checks what a section says beside the arguments of its evaluator. `found` is the first model.
fn check(
    page: &Evaluation,
    section: &Measurement,
    words: &Words,
    found: &ModelLocation,
) -> Result<()> {
    let key = format!("eval.{}", section.name);
    // Data that is not there is told now, and not after the measurements before it.
    let are_pictures = leaks::are_pictures(section, found);
    if are_pictures {
        for (name, paths) in leaks::picture_paths(section) {
            // It looks for every file.
            if let Err(error) = PictureSource::new(paths).fingerprint() {
                return Err(page.refuse(&format!("{key}.{name}"), error.to_string()).into());
            }
        }
    }
    let texts = if are_pictures { Vec::new() } else { leaks::files(section) };
    for (name, source) in texts {
        if let Err(error) = source.read(&Ledger::new()) {
            return Err(page.refuse(&format!("{key}.{name}"), error.to_string()).into());
        }
    }
    if let Some(recipe) = &section.train {
        // The model is set as it will be, because some keys exclude a model from a folder.
        let folder = json!(found.encoder()?);
        let of_model = ["model", "tokenizer"].map(|section| format!("{section}.path={folder}"));
        let set = [&section.set[..], &of_model[..]].concat();
        crate::recipe::check(recipe, &set)
            .map_err(|error| page.refuse(&format!("{key}.train"), format!("{error:#}")))?;
        if !words.has_data() {
            let message = "trains a model, so it needs the key data: what the model is measured on";
            return Err(page.refuse(&key, message).into());
        }
    }
    Ok(())
}

/// Prints what would be run.
fn dry_run(page: &Evaluation, words: &[Words]) -> Result<Exit> {
    for (section, words) in page.measurements.iter().zip(words) {
        let line: Vec<String> = words
            .line(Path::new("MODEL"), &[])
            .iter()
            .map(|word| render::shell_word(&word.to_string_lossy()).into_owned())
            .collect();
        let train = section.train.as_ref().map_or(String::new(), |recipe| {
            format!(" (MODEL is the result of {}, which starts from the model)", recipe.display())
        });
        render::line(&format!("[eval.{}] sst eval {}{train}", section.name, line.join(" ")))?;
    }
    Ok(Exit::Done)
}

/// Measures every model with one section. Pictures are drawn in the folder `scratch`. The inner `Err` has the exit code if a
/// run was stopped.
fn measure(
    page: &Evaluation,
    section: &Measurement,
    words: &Words,
    (subjects, scratch): (&[Subject], &Path),
    args: &EvaluateArgs,
) -> Result<Result<Vec<Measured>, Exit>> {
    let mut all = Vec::new();
    for subject in subjects {
        let mut reports: Vec<(Report, _)> = Vec::new();
        let mut grid = None;
        let draws = words.can_draw_grid() && subject.found.reads(Modality::Image);
        for who in [Who::Model, Who::Twin] {
            let Some(folder) = subject.folder(who) else { continue };
            let mut more = vec![
                OsString::from(format!("--device={}", args.device.device)),
                OsString::from(format!("--threads={}", args.device.threads)),
            ];
            let drawn = scratch.join(GRID);
            if draws && who == Who::Model {
                std::fs::create_dir_all(scratch).with_context(|| scratch.display().to_string())?;
                let mut word = OsString::from("--grid=");
                word.push(&drawn);
                more.extend([word, OsString::from("--json")]);
            }
            let mut folder = folder.to_owned();
            if let Some(recipe) = &section.train {
                match tune(page, section, recipe, (subject, who), &args.device)? {
                    Tuned::Run(run) => folder = run,
                    Tuned::Stopped(exit) => return Ok(Err(exit)),
                }
            }
            let line = words.line(&folder, &more);
            let measured = eval::measure_words(words.entry(), &line)
                .and_then(|measured| {
                    check_finite(&measured.report)?;
                    Ok(measured)
                })
                .map_err(with_exit_code)
                .with_context(|| format!("[eval.{}] on {}", section.name, folder.display()))?;
            if draws && who == Who::Model {
                let png = std::fs::read(&drawn).with_context(|| drawn.display().to_string())?;
                grid = Some(Grid { png, rows: measured.told["grid"]["rows"].clone() });
            }
            reports.push((measured.report, measured.ledger));
        }
        let mut reports = reports.into_iter();
        let Some((report, ledger)) = reports.next() else { continue };
        let twin = reports.next().map(|(report, _)| report);
        all.push(Measured { model: subject.name.clone(), report, twin, ledger, grid });
    }
    Ok(Ok(all))
}

impl Section {
    /// The number of examples of the first figure that has examples; `None` if no figure is known for each example.
    fn examples_of(&self, model: &str) -> Option<usize> {
        let report = &self.measured.iter().find(|measured| measured.model == model)?.report;
        let of_figure = |row: &Row| report.examples.get(row.figure.name).map(Vec::len);
        self.rows.iter().find_map(of_figure)
    }

    fn to_json(&self) -> Value {
        let reports: BTreeMap<&str, Value> = self
            .measured
            .iter()
            .map(|of| {
                let mut value = of.report.to_json();
                value["ledger"] = json!(of.ledger.entries());
                if let Some(grid) = &of.grid {
                    value["grid"] = grid.rows.clone();
                }
                (of.model.as_str(), value)
            })
            .collect();
        let twins: BTreeMap<&str, Value> = self
            .measured
            .iter()
            .filter_map(|of| Some((of.model.as_str(), of.twin.as_ref()?.to_json())))
            .collect();
        json!({
            "name": self.name, "evaluator": self.evaluator, "train": self.train, "set": self.set,
            "arguments": self.arguments,
            "figures": self.rows.iter().map(Row::to_json).collect::<Vec<_>>(),
            "leaks": self.leaks.iter().map(Compared::to_json).collect::<Vec<_>>(),
            "reports": reports, "twins": twins, "seconds": self.seconds,
        })
    }
}

/// Writes report.json, report.html and the result files, and prints where they are.
fn write(
    page: &Evaluation,
    args: &EvaluateArgs,
    subjects: &[Subject],
    sections: &[Section],
) -> Result<Exit> {
    let out = &page.evaluate.out;
    let models = subjects.iter().map(|subject| {
        json!({"name": subject.name, "path": subject.path, "folder": subject.found.folder})
    });
    let report = json!({
        "version": 1, "sst": env!("CARGO_PKG_VERSION"), "recipe": args.recipe, "set": args.set, "seed": page.evaluate.seed,
        "models": models.collect::<Vec<_>>(),
        "sections": sections.iter().map(Section::to_json).collect::<Vec<_>>(),
    });
    files::write_json(&out.join(REPORT), &report)?;
    let recipe =
        std::fs::read_to_string(&args.recipe).with_context(|| args.recipe.display().to_string())?;
    let html = out.join(PAGE);
    let made = page::Made { recipe: &recipe, sets: &args.set, seed: page.evaluate.seed };
    files::write(&html, &page::page(&args.recipe, &made, subjects, sections))?;
    for subject in subjects {
        harness::write(out, subject, sections, page.evaluate.seed)?;
    }
    if args.json {
        render::json(&report)?;
    } else {
        render::line(&render::table(&summary(sections)))?;
        render::line(&html.display().to_string())?;
    }
    Ok(Exit::Done)
}

/// The most important figure of each section.
fn summary(sections: &[Section]) -> Vec<Vec<String>> {
    let head = ["section", "model", "figure", "value", "95 % interval", "twin", "baseline"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for section in sections {
        let Some(row) = section.rows.first() else { continue };
        for of in &row.models {
            let number = |value: f64| format!("{value:.4}");
            let interval = of.estimate.interval;
            let interval =
                interval.map_or("-".to_owned(), |(low, high)| format!("{low:.4} to {high:.4}"));
            rows.push(vec![
                section.name.clone(),
                of.model.clone(),
                row.figure.name.to_owned(),
                number(of.estimate.value),
                interval,
                of.twin.map_or("-".to_owned(), |twin| number(twin.value)),
                of.baseline.map_or("-".to_owned(), number),
            ]);
        }
    }
    rows
}
