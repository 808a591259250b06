//! The image processors of models.

use sst_data::pictures::processor::ProcessorKind;

/// The image processor that models of this `model_type` have in transformers. For a model with two encoders of any types it
/// is that of ViT.
pub fn image_processor_kind(model_type: &str) -> ProcessorKind {
    match model_type {
        "clip" => ProcessorKind::Clip,
        "siglip" => ProcessorKind::Siglip,
        _ => ProcessorKind::Vit,
    }
}
