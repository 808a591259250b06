//! Builds the batching rule, which groups rows into steps, from `[train]` and `[curriculum]`.

use std::sync::Arc;

use sst_data::Processor;
use sst_data::batching::{
    Batching as Rule, BatchingError, BudgetConfig, Cost, Fill, FixedBatches, LengthRamp,
    LengthWarmUp, PackConfig, Packed, SizeRamp, TokenBudget,
};
use sst_data::curriculum::{Curriculum, CurriculumError, rank};
use sst_data::rows::Dataset;

use crate::error::{Result, RunError};
use crate::recipe::{Batching, RunConfig, Scale, Task};

/// Builds the batching rule of a task that takes `total_steps` steps over `rows`.
///
/// # Errors
/// If a size is invalid, a row is longer than a step may be, or the rows cannot be ranked by difficulty.
pub(crate) fn rule(
    config: &RunConfig,
    task: &Task,
    rows: &Arc<dyn Dataset>,
    processor: &Processor,
    scale: Scale,
    total_steps: u64,
) -> Result<Arc<dyn Rule>> {
    let usage = |error: &BatchingError| RunError::Settings(task.message(error));
    let unranked = |error: &CurriculumError| RunError::Settings(task.message(error));
    let seed = config.run.seed;
    let filler: Arc<dyn Fill> = match config.train.batching.rule {
        Batching::Rows { batch_size, micro_batch_size, batch_warmup } => {
            let rule = FixedBatches::new(seed, rows.len(), batch_size, micro_batch_size);
            let rule = rule.map_err(|error| usage(&error))?;
            match batch_warmup {
                None => Arc::new(rule),
                Some(warmup) => {
                    let steps = warmup.duration.steps(scale, total_steps);
                    let ramp = SizeRamp { from: warmup.from, steps };
                    Arc::new(rule.with_ramp(ramp).map_err(|error| usage(&error))?)
                }
            }
        }
        Batching::Tokens { max_tokens, micro_max_tokens, window } => {
            let cost = if config.train.batching.padding_free { Cost::Real } else { Cost::Padded };
            let sizes = BudgetConfig { max_tokens, micro_max_tokens, cost, window };
            let rule = TokenBudget::new(seed, Arc::clone(rows), sizes);
            Arc::new(rule.map_err(|error| usage(&error))?)
        }
        Batching::Packs { pack_length, packs_per_step, micro_packs, window } => {
            let sizes = PackConfig { length: pack_length, packs_per_step, micro_packs, window };
            let rule = Packed::new(seed, Arc::clone(rows), sizes);
            Arc::new(rule.map_err(|error| usage(&error))?)
        }
    };
    let rule: Arc<dyn Rule> = match &task.curriculum {
        None => filler,
        Some(curriculum) => {
            let tokenizer = processor.tokenizer()?;
            let template = sst_objectives::special_token_template(task.objective_name(), tokenizer);
            let template = template.map_err(|error| RunError::Settings(task.message(&error)))?;
            let mut special = [&template.prefix[..], &template.suffix[..]].concat();
            special.extend(template.end);
            let scores = curriculum.difficulty.of(&**rows, &special).map_err(|e| unranked(&e))?;
            let order = rank(&scores).map_err(|error| unranked(&error))?;
            let pacing = curriculum.pacing(scale, total_steps);
            let rule = Curriculum::new(seed, filler, order, pacing);
            Arc::new(rule.map_err(|error| unranked(&error))?)
        }
    };
    match config.train.batching.length_warmup {
        None => Ok(rule),
        Some(warmup) => {
            let steps = warmup.duration.steps(scale, total_steps);
            let ramp = LengthRamp { from: warmup.from, steps, multiple_of: warmup.multiple_of };
            let rule = LengthWarmUp::new(rule, ramp, task.data.max_length);
            Ok(Arc::new(rule.map_err(|error| usage(&error))?))
        }
    }
}
