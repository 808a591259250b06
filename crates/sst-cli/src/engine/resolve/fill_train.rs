//! Fills in what `[train]` leaves out.

use sst_train::{Decay, PrecisionChoice, ScheduleName};

use super::batching::{Batching, BatchingName};
use super::config::{Schedule, Train};
use super::duration::Duration;
use super::engine::{Checkpointing, Engine, Keep};
use super::error::Problem;
use super::file::{ScheduleFile, TrainFile};

/// `[train]`. Without `steps` there is nothing to run.
pub(super) fn train(file: TrainFile, max_length: usize) -> Result<Train, Problem> {
    let Some(steps) = file.steps else {
        let message = "is missing: say how long to train, as in \"1500step\" or \"3epoch\"";
        return Err(Problem::new("train.steps", message));
    };
    Ok(Train {
        steps,
        batching: batching(&file, max_length)?,
        length_warmup: file.length_warmup,
        padding_free: file.padding_free.unwrap_or(true),
        precision: file.precision.unwrap_or(PrecisionChoice::Auto),
        max_grad_norm: file.max_grad_norm.unwrap_or(1.0),
        log_every: file.log_every.unwrap_or(Duration::Steps(10)),
        eval_every: file.eval_every.unwrap_or(Duration::Run(0.1)),
        save_every: file.save_every.unwrap_or(Duration::Run(0.1)),
        engine: engine(&file),
        optimizer: file.optimizer,
        schedule: schedule(file.schedule),
    })
}

fn schedule(file: ScheduleFile) -> Schedule {
    let name = file.name.unwrap_or(ScheduleName::Linear);
    let cooldown = if name == ScheduleName::Wsd { Duration::Run(0.1) } else { Duration::ZERO };
    Schedule {
        name,
        warmup: file.warmup.unwrap_or(Duration::Run(0.06)),
        cooldown: file.cooldown.unwrap_or(cooldown),
        cooldown_shape: file.cooldown_shape.unwrap_or(Decay::Linear),
        min_lr_factor: file.min_lr_factor.unwrap_or(0.0),
    }
}

/// What `[train]` says, its defaults filled in. Keys of another kind of batching are refused.
fn batching(file: &TrainFile, max_length: usize) -> Result<Batching, Problem> {
    let name = file.batching.unwrap_or_default();
    let here = |kind| kind == name;
    for (key, given, kind, word) in [
        ("batch_size", file.batch_size.is_some(), BatchingName::Rows, "rows"),
        ("micro_batch_size", file.micro_batch_size.is_some(), BatchingName::Rows, "rows"),
        ("batch_warmup", file.batch_warmup.is_some(), BatchingName::Rows, "rows"),
        ("max_tokens", file.max_tokens.is_some(), BatchingName::Tokens, "tokens"),
        ("micro_max_tokens", file.micro_max_tokens.is_some(), BatchingName::Tokens, "tokens"),
        ("pack_length", file.pack_length.is_some(), BatchingName::Packs, "packs"),
        ("packs_per_step", file.packs_per_step.is_some(), BatchingName::Packs, "packs"),
        ("micro_packs", file.micro_packs.is_some(), BatchingName::Packs, "packs"),
    ] {
        if given && !here(kind) {
            let message = format!("is for train.batching = \"{word}\"");
            return Err(Problem::new(&format!("train.{key}"), message));
        }
    }
    if file.window.is_some() && here(BatchingName::Rows) {
        let message = "is for train.batching = \"tokens\" or \"packs\"";
        return Err(Problem::new("train.window", message));
    }
    Ok(match name {
        BatchingName::Rows => {
            let batch_size = file.batch_size.unwrap_or(64);
            let micro_batch_size = file.micro_batch_size.unwrap_or(batch_size);
            Batching::Rows { batch_size, micro_batch_size, batch_warmup: file.batch_warmup }
        }
        BatchingName::Tokens => {
            let max_tokens = file.max_tokens.unwrap_or(64 * max_length);
            let micro_max_tokens = file.micro_max_tokens.unwrap_or(max_tokens);
            Batching::Tokens { max_tokens, micro_max_tokens, window: file.window }
        }
        BatchingName::Packs => {
            let packs_per_step = file.packs_per_step.unwrap_or(64);
            Batching::Packs {
                pack_length: file.pack_length.unwrap_or(max_length),
                packs_per_step,
                micro_packs: file.micro_packs.unwrap_or(packs_per_step),
                window: file.window,
            }
        }
    })
}

/// What `[train]` says, its defaults filled in.
fn engine(file: &TrainFile) -> Engine {
    Engine {
        activation_checkpointing: file
            .activation_checkpointing
            .clone()
            .unwrap_or(Checkpointing::All(false)),
        freeze: file.freeze.clone(),
        async_save: file.async_save.unwrap_or(true),
        measure_mfu: file.measure_mfu.unwrap_or(false),
        allow_tf32: file.allow_tf32,
        bf16_weights: file.bf16_weights,
        loss_scaling: file.loss_scaling,
        ema: file.ema,
        budget: file.budget,
        keep: Keep::fill(&file.keep),
        inject: file.inject,
    }
}
