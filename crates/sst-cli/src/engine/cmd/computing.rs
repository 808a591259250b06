//! The precision of vectors.

use anyhow::Result;
use sst_cli::args::EmbedArgs;
use sst_cli::exit::Usage;
use sst_cli::host::source::named;
use sst_cli::render;
use sst_run::precision;
use sst_train::{Precision, PrecisionChoice};
use tch::{Device, Kind};

/// How vectors are computed.
pub(super) struct Computing {
    pub(super) precision: Precision,
    /// The type of matrix products, if it is not that of fp32.
    pub(super) autocast: Option<Kind>,
}

/// The precision that the arguments ask for, on `device`. A choice that is left to sst is printed with its reason.
///
/// # Errors
/// If it is none for vectors, or the device cannot compute it.
pub(super) fn computing(args: &EmbedArgs, device: Device) -> Result<Computing> {
    let wanted: PrecisionChoice = named("--precision", &args.precision)?;
    if wanted == PrecisionChoice::Fp16 {
        return Err(Usage(
            "--precision fp16 is not for vectors: write auto, fp32 or bf16".to_owned(),
        )
        .into());
    }
    let precision = wanted.on(device)?;
    if wanted == PrecisionChoice::Auto && !args.json {
        let reason = precision::reason(precision, device);
        render::note(&format!("precision {}: {reason}", precision.name()));
    }
    let autocast = (precision == Precision::Bf16).then_some(Kind::BFloat16);
    Ok(Computing { precision, autocast })
}
