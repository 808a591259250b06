//! SimCLR on pictures (Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations"): NT-Xent
//! on two views of each picture, which are made by transforms. For texts, the objective is `nt_xent`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::Result;
use sst_core::nn::Pooling;
use sst_data::{Collate, CollateError, Example, HostBatch, Normalizer, RowSpec};

use super::grad_cache::{LossInput, chunked_loss};
use super::info_nce::{ContrastiveLoss, nt_xent};
use super::method::{Method, entry};
use crate::entry::{Context, Entry};
use crate::error::ObjectiveError;
use crate::pixels::{PIXEL_VALUES, pixel_array};

/// The entry in the list of objectives.
pub(crate) const ENTRY: Entry = entry::<SimClr>();

/// The configuration of `simclr`, besides the shared keys. It has none: transforms make the views.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimClrConfig {}

struct SimClr;

/// Makes batches of the first views of all pictures, then the second views: `pixel_values` `[2 b, 3, h, w]`.
struct PictureViews;

impl Collate for PictureViews {
    fn collate(&self, examples: &[Example], _seed: u64) -> Result<HostBatch, CollateError> {
        let (shape, pixels) = pixel_array(examples, &[PIXEL_VALUES, "pixel_values.1"])?;
        let keys = examples.iter().map(|example| example.key.clone()).collect();
        let pictures = examples.len() as u64;
        let batch = HostBatch::new(Normalizer::WholeBatch, keys).with_tokens(pictures, pictures);
        Ok(batch.with(PIXEL_VALUES, &shape, pixels)?)
    }
}

impl Method for SimClr {
    type Keys = SimClrConfig;

    const NAME: &'static str = "simclr";
    const LEAST_ROWS: usize = 2;
    const SUMMARY: &'static str =
        "SimCLR on pictures: pulls two views of a picture together, made by transforms";
    const POOLING: Pooling = Pooling::Cls;
    const ROWS: RowSpec = RowSpec::Pictures { views: 2, captions: false };

    /// Those of SimCLR (appendix A) without the blur, whose kernel would have to follow the size of the pictures.
    fn picture_transforms() -> Vec<Value> {
        vec![
            json!({"name": "random_resized_crop"}),
            json!({"name": "horizontal_flip"}),
            json!({"name": "color_jitter", "p": 0.8}),
            json!({"name": "grayscale"}),
        ]
    }

    fn new(
        _keys: SimClrConfig,
        _context: &Context<'_>,
    ) -> Result<(Self, Arc<dyn Collate>), ObjectiveError> {
        Ok((Self, Arc::new(PictureViews)))
    }

    /// The mean NT-Xent over all views. Each view is a query, whose key is the other view of its picture.
    fn loss(&self, input: LossInput<'_>) -> Result<ContrastiveLoss> {
        chunked_loss(&input.rows(None)?, &|vectors_bd| {
            let views = vectors_bd.f_chunk(2, 0)?;
            nt_xent(&views[0], &views[1], input.shared.temperature())
        })
    }
}
