//! Decides which architecture of ViTMAE a file of weights is loaded as.

use sst_core::checkpoint::Renamed;

use crate::error::ModelError;
use crate::plan::{LoadHead, Plan, Request};
use crate::vit::canonical;

/// The encoder with the decoder.
pub(super) const PRETRAINING: &str = "ViTMAEForPreTraining";
/// The encoder.
pub(super) const BASE: &str = "ViTMAEModel";
/// The module of the decoder.
pub(super) const DECODER: &str = "decoder";
const MASK_TOKEN: &str = "decoder.mask_token";

/// Chooses the encoder with the decoder if the file holds one, or else the encoder alone.
pub(super) fn plan(request: &Request<'_>) -> Result<Plan, ModelError> {
    if let LoadHead::Needed(kind) | LoadHead::New(kind) = request.head
        && request.architecture.is_none()
    {
        return Err(request.no_such_head(kind));
    }
    let has_decoder = request.weights.names().any(|name| canonical(name) == MASK_TOKEN);
    let found = if has_decoder { PRETRAINING } else { BASE };
    let architecture = request.architecture.unwrap_or(found);
    let renames = request.weights.names().map(|name| {
        let renamed = match parameter(name, architecture) {
            Renamed::To(target) if architecture == BASE && is_decoder(&target) => Renamed::Unused,
            other => other,
        };
        (name.to_owned(), renamed)
    });
    let renames = renames.collect();
    let lacks_decoder =
        request.named() == Some(PRETRAINING) && architecture == BASE && !has_decoder;
    let absent = if lacks_decoder { vec![format!("{DECODER}.*")] } else { Vec::new() };
    let (untied, new, task) = (false, Vec::new(), None);
    Ok(Plan { architecture, pooler: false, untied, new, absent, task, renames })
}

fn is_decoder(name: &str) -> bool {
    name.split('.').next() == Some(DECODER)
}

/// The parameter that a tensor of any spelling stands for, in this architecture. Beside the decoder, the encoder's
/// parameters have the prefix `vit.`.
pub(super) fn parameter(name: &str, architecture: &str) -> Renamed {
    let target = canonical(name);
    let is_encoder = ["embeddings.", "encoder.", "layernorm."];
    let is_encoder = is_encoder.iter().any(|part| target.starts_with(part));
    Renamed::To(match is_encoder && architecture != BASE {
        true => format!("vit.{target}"),
        false => target,
    })
}
