//! `sst train --seeds N`: the same recipe with several seeds, and how far the figures differ.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::json;
use sst_cli::args::TrainArgs;
use sst_cli::exit::Exit;
use sst_cli::render;
use sst_train::Outcome;

use super::{Trained, train};
use crate::recipe;

/// The mean and the standard deviation of a figure over runs.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    mean: f64,
    /// Of a sample, with n - 1; `None` for one run.
    deviation: Option<f64>,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let deviation = (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt());
        Self { mean, deviation }
    }
}

/// Trains one run for each of `count` seeds, one after the other, and prints the mean and the standard deviation of the
/// figures of evaluators. The seeds are that of the recipe and those after it, and the runs are called `NAME-seed-S`.
///
/// # Errors
/// If a run fails. Those before it stay, and `--resume` goes on with the one that failed.
pub(super) fn run(args: &TrainArgs, count: u64) -> Result<Exit> {
    let first = recipe::check(&args.recipe, &args.set)?;
    let (name, seed) = (first.config.run.name.clone(), first.config.run.seed);
    let mut runs: Vec<(u64, Trained)> = Vec::new();
    for seed in seed..seed.saturating_add(count) {
        render::note(&format!("seed {seed}, run {} of {count}", runs.len() + 1));
        let own = [format!("run.seed={seed}"), format!("run.name={name}-seed-{seed}")];
        let sets: Vec<String> = args.set.iter().cloned().chain(own).collect();
        let trained = train(args, &sets)?;
        if let Outcome::Stopped { .. } = trained.outcome {
            return trained.conclude(args);
        }
        trained.note_end();
        runs.push((seed, trained));
    }
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (_, trained) in &runs {
        let metrics = trained.metrics().filter(|(name, _)| name.starts_with("eval/"));
        metrics.for_each(|(name, value)| values.entry(name).or_default().push(*value));
    }
    // A figure that some run lacks has no mean over all of them.
    values.retain(|_, values| values.len() == runs.len());
    let spreads = values.iter().map(|(name, values)| (*name, Spread::of(values)));
    let spreads: BTreeMap<&str, Spread> = spreads.collect();
    if args.json {
        let runs = runs.iter().map(|(seed, trained)| {
            let metrics: BTreeMap<_, _> = trained.metrics().collect();
            json!({
                "seed": seed, "run": trained.folder, "model": trained.checkpoint().join("model"),
                "metrics": metrics,
            })
        });
        let figures: BTreeMap<_, _> = spreads
            .iter()
            .map(|(name, Spread { mean, deviation })| {
                (*name, json!({"mean": mean, "deviation": deviation}))
            })
            .collect();
        let runs: Vec<_> = runs.collect();
        render::json(&json!({"version": 1, "runs": runs, "figures": figures}))?;
    } else {
        let head = ["figure", "mean", "deviation"].map(str::to_owned).to_vec();
        let rows = spreads.iter().map(|(name, Spread { mean, deviation })| {
            let deviation = deviation.map_or("-".to_owned(), |value| format!("{value:.4}"));
            vec![(*name).to_owned(), format!("{mean:.4}"), deviation]
        });
        render::line(&render::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>()))?;
        for (_, trained) in &runs {
            render::line(&trained.checkpoint().join("model").display().to_string())?;
        }
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        let spread = Spread::of(&[1.0, 2.0, 4.0]);
        assert!((spread.mean - 7.0 / 3.0).abs() < 1e-12);
        // numpy.std([1, 2, 4], ddof=1)
        assert!((spread.deviation.unwrap_or_default() - 1.527_525_231_651_946_8).abs() < 1e-12);
        assert_eq!(Spread::of(&[3.0]), Spread { mean: 3.0, deviation: None });
    }
}
