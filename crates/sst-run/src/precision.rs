//! Decides the precision of a run from the recipe or the command, and from the device.

use std::path::Path;

use serde::Deserialize;
use sst_kernels::CpuLevel;
use sst_train::{Precision, PrecisionChoice};
use tch::Device;

use crate::error::{Result, RunError};
use crate::observer::{Notice, Observer};
use crate::recipe::RunConfig;
use crate::run_folder::{CONFIG, read_config};

/// Decides the precision of a run that starts on `device` and writes it into `config`. bf16 weights are turned off if
/// the precision is not bf16. Notifies `observer` of the precision and the reason, unless `is_kept`: then [`keep`]
/// has done so.
///
/// # Errors
/// If the precision is fp16 on the CPU, which no processor computes fast, or a GPU cannot be queried.
pub(crate) fn decide(
    config: &mut RunConfig,
    device: Device,
    is_kept: bool,
    observer: &dyn Observer,
) -> Result<Precision> {
    let is_auto = config.train.precision == PrecisionChoice::Auto;
    let precision = config.train.precision.on(device)?;
    if precision == Precision::Fp16 && device == Device::Cpu {
        let message = "train.precision = \"fp16\" runs on GPUs only: on the CPU write \"auto\", \"bf16\" or \"fp32\"";
        return Err(RunError::Device(message.to_owned()));
    }
    if !is_kept {
        let reason = if is_auto { reason(precision, device) } else { named(precision, device) };
        observer.notice(&Notice::Precision { precision, reason });
    }
    settle(config, precision, observer);
    Ok(precision)
}

/// Writes the precision into the configuration. Turns bf16 weights off, with a notice, if the precision is not bf16.
fn settle(config: &mut RunConfig, precision: Precision, observer: &dyn Observer) {
    let train = &mut config.train;
    train.precision = precision.into();
    if train.bf16_weights && precision != Precision::Bf16 {
        observer.notice(&Notice::WeightsStayFp32);
        train.bf16_weights = false;
    }
}

/// If the recipe says `auto`, takes the precision of the run in `folder` that is being resumed, unless `allow`
/// contains `train.precision`. Returns whether it did.
///
/// # Errors
/// If the run's configuration cannot be read.
pub(crate) fn keep(
    config: &mut RunConfig,
    folder: &Path,
    allow: &[String],
    observer: &dyn Observer,
) -> Result<bool> {
    let may_change = allow.iter().any(|key| key == "train.precision");
    if config.train.precision != PrecisionChoice::Auto || may_change {
        return Ok(false);
    }
    let before = read_config(folder)?;
    let name = &before["train"]["precision"];
    let precision = Precision::deserialize(name).map_err(|error| {
        let place = folder.join(CONFIG);
        RunError::Damaged(format!("{}: train.precision is {name}: {error}", place.display()))
    })?;
    let reason = "the run was started with it".to_owned();
    observer.notice(&Notice::Precision { precision, reason });
    settle(config, precision, observer);
    Ok(true)
}

/// The reason that is shown for a precision that the recipe names.
fn named(precision: Precision, device: Device) -> String {
    let level = CpuLevel::current();
    match (precision, device) {
        (Precision::Bf16, Device::Cpu) if !level.has_fast_bf16() => {
            format!("as the recipe says, computed with fp32 instructions at level {level}")
        }
        (_, Device::Cpu) => format!("as the recipe says, at level {level}"),
        _ => "as the recipe says".to_owned(),
    }
}

/// Why `auto` chooses this precision on a device.
pub fn reason(precision: Precision, device: Device) -> String {
    match (precision, device) {
        (Precision::Bf16, Device::Cpu) => {
            format!("the processor computes bf16 fast at level {}", CpuLevel::current())
        }
        (_, Device::Cpu) => {
            format!("there are no bf16 instructions at level {}", CpuLevel::current())
        }
        (Precision::Bf16, _) => "this GPU computes bf16 fast".to_owned(),
        _ => "this GPU has no bf16 units".to_owned(),
    }
}
