//! `cargo xtask bench peers`: compares the speed of sst and of the usual Python libraries, in alternating runs.
//!
//! A workload is a script `tests/peers/NAME.py`. It gets `--sst` (the release binary), `--out` (a folder for its
//! files), `--repeats`, `--result` (the JSON file for its measurements) and optionally `--quick` and `--only CASE`.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Parser;
use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::repo::Repo;
use crate::{exec, libtorch, python};

/// Compare the speed of sst and the Hugging Face libraries on the same work and the same machine
#[derive(Debug, Parser)]
#[command(name = "peers", bin_name = "cargo xtask bench peers")]
pub(super) struct Args {
    /// The number of pairs of runs of each workload
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
    /// Make short runs, to test that everything works; their measurements mean little
    #[arg(long)]
    quick: bool,
    /// A virtual environment (or interpreter) to use instead of the one that xtask creates
    #[arg(long, value_name = "VENV")]
    python: Option<PathBuf>,
    /// Run only this case of a workload with several cases, such as "384 x 6" of mlm; may be given more than once
    #[arg(long, value_name = "CASE", requires = "names")]
    only: Vec<String>,
    /// The workloads to run, by the names of their scripts; all if none is given
    names: Vec<String>,
}

/// The result that the script of a workload writes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Workload {
    name: String,
    /// The library that sst is compared with, its version and its settings.
    peer: String,
    /// The processor, its CPU level and the number of threads, which are the same for both.
    processor: String,
    rows: Vec<Row>,
}

/// One measurement, with a value per repeat for each side. `peer` is empty if only sst is measured.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    what: String,
    unit: String,
    /// Whether larger is better. Otherwise the ratio is inverted, so that sst is better if the ratio is above 1.
    higher_is_better: bool,
    sst: Vec<f64>,
    peer: Vec<f64>,
}

pub(super) fn run(repo: &Repo, args: &Args) -> Result<()> {
    let folder = repo.path("tests/peers");
    let names = workloads(&folder, &args.names)?;
    libtorch::ensure(repo)?;
    let python = match &args.python {
        Some(venv) => python::existing(venv)?,
        None => {
            let requirements = repo.path("tests/requirements.txt");
            python::environment(&Cache::open()?, "python", &requirements)?
        }
    };
    exec::run(&mut repo.cargo(&["build", "--release", "--package", "sst-cli"]))?;
    let out = repo.path("target/bench");
    let mut all = Vec::new();
    for name in &names {
        let work = out.join(name);
        fs::create_dir_all(&work)?;
        let result = work.join("result.json");
        let mut command = Command::new(&python);
        command.current_dir(repo.root()).arg("-u").arg(folder.join(name).with_extension("py"));
        command.arg("--sst").arg(repo.sst_binary()).arg("--out").arg(&work);
        command.arg("--repeats").arg(args.repeats.to_string()).arg("--result").arg(&result);
        command.args(args.quick.then_some("--quick"));
        command.args(args.only.iter().flat_map(|case| ["--only", case]));
        command.env("HF_HUB_OFFLINE", "1").env("TOKENIZERS_PARALLELISM", "true");
        let (passed, _) = exec::tee(&mut command)?;
        if !passed {
            bail!("the workload {name} failed");
        }
        let text = fs::read_to_string(&result)
            .with_context(|| format!("the workload {name} left no {}", result.display()))?;
        all.push(serde_json::from_str::<Workload>(&text)?);
        // The results so far are written, in case a later workload fails.
        fs::write(out.join("peers.json"), serde_json::to_string_pretty(&all)?)?;
        fs::write(out.join("peers.md"), table(&all)?)?;
    }
    println!("{}", table(&all)?);
    eprintln!("also in {}", out.join("peers.{json,md}").display());
    Ok(())
}

/// The names of all workloads, or of the `wanted` ones.
fn workloads(folder: &std::path::Path, wanted: &[String]) -> Result<Vec<String>> {
    let mut known = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_python = path.extension().is_some_and(|extension| extension == "py");
        if is_python && fs::read_to_string(&path)?.contains("__main__") {
            known.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    known.sort();
    if let Some(unknown) = wanted.iter().find(|name| !known.contains(name)) {
        bail!("there is no workload {unknown:?}; there are {}", known.join(", "));
    }
    known.retain(|name| wanted.is_empty() || wanted.contains(name));
    Ok(known)
}

/// Formats a Markdown table with the median, minimum and maximum of each side, and the median of the ratios of the
/// pairs.
fn table(workloads: &[Workload]) -> Result<String> {
    let mut text =
        "| workload | figure | sst | peer | sst is better by |\n| --- | --- | --- | --- | --- |\n"
            .to_owned();
    for workload in workloads {
        for row in &workload.rows {
            let is_alone = row.peer.is_empty();
            if row.sst.is_empty() || (!is_alone && row.sst.len() != row.peer.len()) {
                bail!("{}: {} has no pairs", workload.name, row.what);
            }
            let pairs = row.sst.iter().zip(&row.peer);
            let ratios: Vec<f64> = pairs
                .map(|(sst, peer)| if row.higher_is_better { sst / peer } else { peer / sst })
                .collect();
            let _ = writeln!(
                text,
                "| {} | {}, {} | {} | {} | {} |",
                workload.name,
                row.what,
                row.unit,
                spread(&row.sst),
                if is_alone { String::new() } else { spread(&row.peer) },
                if is_alone { String::new() } else { spread(&ratios) },
            );
        }
    }
    text.push('\n');
    for workload in workloads {
        let Workload { name, peer, processor, .. } = workload;
        let _ = writeln!(text, "The peer of {name} is {peer}; on {processor}.");
    }
    Ok(text)
}

/// Formats `median (minimum to maximum)` with three digits each.
fn spread(values: &[f64]) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (first, last) = (sorted[0], sorted[sorted.len() - 1]);
    let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    let median = digits((low + high) / 2.0);
    match sorted.len() {
        1 => median,
        _ => format!("{median} ({} to {})", digits(first), digits(last)),
    }
}

fn digits(value: f64) -> String {
    match value.abs() {
        x if x >= 1000.0 => format!("{value:.0}"),
        x if x >= 100.0 => format!("{value:.1}"),
        x if x >= 10.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(higher_is_better: bool, sst: &[f64], peer: &[f64]) -> Row {
        let (what, unit) = ("small".to_owned(), "s".to_owned());
        Row { what, unit, higher_is_better, sst: sst.to_vec(), peer: peer.to_vec() }
    }

    #[test]
    fn ratios_are_of_pairs_and_above_one_where_sst_is_ahead() {
        let rows =
            vec![row(true, &[30.0, 20.0, 60.0], &[10.0, 10.0, 10.0]), row(false, &[2.0], &[5.0])];
        let workload = Workload {
            name: "w".to_owned(),
            peer: "p 1.0".to_owned(),
            processor: "c".to_owned(),
            rows,
        };
        let text = table(&[workload]).unwrap();
        let rows: Vec<_> = text.lines().skip(2).take(2).collect();
        assert_eq!(
            rows[0],
            "| w | small, s | 30.00 (20.00 to 60.00) | 10.00 (10.00 to 10.00) | 3.000 (2.000 to 6.000) |"
        );
        assert_eq!(rows[1], "| w | small, s | 2.000 | 5.000 | 2.500 |");
        assert!(text.ends_with("The peer of w is p 1.0; on c.\n"), "{text}");
        let broken = Workload {
            name: "w".to_owned(),
            peer: String::new(),
            processor: String::new(),
            rows: vec![row(true, &[1.0, 2.0], &[1.0])],
        };
        assert!(table(&[broken]).is_err());
        let rows = vec![row(true, &[1.0], &[])];
        let alone =
            Workload { name: "w".to_owned(), peer: String::new(), processor: String::new(), rows };
        let text = table(&[alone]).unwrap();
        assert!(text.contains("| w | small, s | 1.000 |  |  |\n"), "{text}");
    }
}
