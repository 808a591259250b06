//! The log files that a run writes, and the model cards of its checkpoints.

use std::path::Path;
use std::sync::Arc;

use sst_core::{Metrics, Model, Tracker};
use sst_data::Processor;
use sst_models::{Carried, HostModel, ModelCard};
use sst_train::track::{Jsonl, LossPlot, TensorBoard};
use sst_train::{Export, TrainError};

use crate::error::Result;
use crate::recipe::RunConfig;

/// The trackers that write the log files of a run that continues after `step` steps.
///
/// # Errors
/// If a file cannot be opened.
pub(super) fn trackers(folder: &Path, step: u64) -> Result<Vec<Box<dyn Tracker>>> {
    let metrics = folder.join("metrics.jsonl");
    // `LossPlot` reads the file that `Jsonl` writes.
    Ok(vec![
        Box::new(Jsonl::open(&metrics, step)?),
        Box::new(TensorBoard::open(&folder.join("tb"), step)?),
        Box::new(LossPlot::new(&metrics, &folder.join("loss.png"))),
    ])
}

/// Returns the function that exports the model: it copies the weights to the host, and writes them with the
/// tokenizer, the image processor, the model card and the files that were loaded with the model.
pub(super) fn exporter(
    config: &RunConfig,
    processor: Arc<Processor>,
    carried: Option<Carried>,
) -> Box<Export<'static>> {
    let card = card(config);
    // The exported weights are not the evaluated ones if only one of both is the moving average.
    let ema = config.train.ema.as_ref();
    let is_evaluated = ema.is_none_or(|ema| ema.evaluate == ema.export);
    Box::new(move |model: &dyn Model, metrics: &Metrics| {
        let other = |error| TrainError::Other(Box::new(error));
        let metrics = if is_evaluated { held_out_only(metrics) } else { Metrics::new() };
        let card = ModelCard { metrics, ..card.clone() };
        let (model, processor) = (HostModel::copy(model).map_err(other)?, Arc::clone(&processor));
        let carried = carried.clone().map(|carried| match processor.images() {
            Some(_) => carried.without_image_processor(),
            None => carried,
        });
        let model = match carried {
            Some(carried) => model.carry(carried),
            None => model,
        };
        Ok(Box::new(move |folder| {
            model.save(folder, processor.find_tokenizer(), &card).map_err(other)?;
            let images = processor.images().map_or(Ok(()), |images| images.save(folder));
            images.map_err(|error| TrainError::Other(Box::new(error)))
        }))
    })
}

fn held_out_only(metrics: &Metrics) -> Metrics {
    let held_out = |(name, value): (&String, &f64)| {
        name.strip_prefix("eval/").map(|name| (name.to_owned(), *value))
    };
    metrics.iter().filter_map(held_out).collect()
}

fn card(config: &RunConfig) -> ModelCard {
    let tasks = &config.tasks.list;
    let mut data: Vec<&str> =
        tasks.iter().flat_map(|task| &task.data.paths).map(String::as_str).collect();
    data.sort_unstable();
    data.dedup();
    let mut objectives: Vec<_> =
        tasks.iter().map(|task| task.objective_name().to_owned()).collect();
    objectives.sort_unstable();
    objectives.dedup();
    let plural = if objectives.len() > 1 { "s" } else { "" };
    let body = format!(
        "# {}\n\nTrained on {} with the objective{plural} `{}` for {}, {}, by [sst]({}).",
        config.run.name,
        data.join(", "),
        objectives.join("`, `"),
        config.train.steps,
        config.train.batching.rule.describe(),
        env!("CARGO_PKG_REPOSITORY")
    );
    let tag = |name: &String| sst_objectives::entry(name).ok()?.pipeline_tag.map(str::to_owned);
    let pipeline_tag = objectives.iter().find_map(tag);
    ModelCard { tags: objectives, pipeline_tag, body, ..ModelCard::default() }
}
