//! The device half: the squared error of the masked patches.

use std::sync::Arc;

use serde_json::{Value, json};
use sst_core::{
    Batch, InputSpec, LossParts, Modality, Model, Objective, PatchGrid, Pixels, Result, StepContext,
};
use sst_data::{Collate, RowSpec};
use tch::Kind;

use super::collate::MaeCollate;
use super::config::{MaeConfig, model_keys};
use crate::entry::{Context, Entry};
use crate::error::ObjectiveError;
use crate::parse::parse;

/// The entry in the list of objectives.
pub(crate) const ENTRY: Entry = Entry {
    name: "mae",
    summary: "masked autoencoding: reconstruct pictures of which most patches are masked",
    default_config: || json!(MaeConfig::default()),
    limits: || vec![("mask_ratio", 0.0, 1.0)],
    rows: |_| RowSpec::Pictures { views: 1, captions: false },
    needs_causal: false,
    least_rows: 1,
    model_types: &["vit_mae"],
    needs_dropout: false,
    held_out: &["held-out-loss"],
    pipeline_tag: Some("image-feature-extraction"),
    head: None,
    classes: None,
    model_keys,
    // The augmentation of the paper (appendix A.1).
    picture_transforms: || {
        vec![
            json!({"name": "random_resized_crop", "scale": [0.2, 1.0]}),
            json!({"name": "horizontal_flip"}),
        ]
    },
    idle_keys: |_| Vec::new(),
    special_token_template: |tokenizer| tokenizer.special_token_template().clone(),
    check: |config, _| parse::<MaeConfig>(config)?.check(),
    build,
};

struct Mae {
    collate: Arc<MaeCollate>,
}

fn build(config: &Value, context: &Context<'_>) -> Result<Box<dyn Objective>, ObjectiveError> {
    let config: MaeConfig = parse(config)?;
    config.check()?;
    // A check without a model knows no patches. Any number will do, because no batch is made.
    let none = InputSpec::Image { size: [16, 16], channels: 3, patch: 1 };
    let patches = PatchGrid::new(context.images.unwrap_or(none))?.num_patches();
    let visible = config.visible(patches)?;
    Ok(Box::new(Mae { collate: Arc::new(MaeCollate::new(patches as usize, visible)) }))
}

impl Objective for Mae {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collate(&self) -> Arc<dyn Collate> {
        self.collate.clone()
    }

    /// The sum over masked patches of the mean squared error of their pixels.
    fn loss(&self, model: &dyn Model, batch: &Batch, context: &StepContext) -> Result<LossParts> {
        let (encoder, decoder) = (model.encoder(Modality::Image)?, model.patch_decoder()?);
        let grid = PatchGrid::new(encoder.spec())?;
        let visible_bk = batch.get("visible_patches")?;
        let pixels = Pixels::from_batch(batch)?;
        let hidden_bkd = encoder.encode(pixels.into(), context.forward)?.hidden_bld;
        let predicted = decoder.decode(&hidden_bkd, visible_bk, context.forward)?;
        let target = grid.cut(pixels.pixel_values)?;
        let target = match decoder.norm_pix() {
            true => {
                let [normal, ..] = PatchGrid::normalize(&target)?;
                normal
            }
            false => target,
        };
        // bf16 would round the squares.
        let error = predicted.f_to_kind(Kind::Float)?.f_sub(&target)?;
        let error_bn = error.f_square()?.f_mean_dim([-1_i64].as_slice(), false, Kind::Float)?;
        let loss = error_bn.f_mul(&grid.masked(visible_bk)?)?.f_sum(Kind::Float)?;
        Ok(LossParts { loss, sums: Vec::new() })
    }
}
