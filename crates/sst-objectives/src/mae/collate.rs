//! The host half: which patches are visible.

use sst_data::{ArrayData, Collate, CollateError, Example, HostBatch, Normalizer, SeqRng};

use crate::pixels::{PIXEL_VALUES, pixel_array};

/// Makes batches of pictures. Arrays: `pixel_values` `[b, 3, h, w]`, and `visible_patches` `[b, k]`, the numbers of the
/// visible patches in ascending order. Normalizer: the number of masked patches.
#[derive(Debug)]
pub struct MaeCollate {
    /// n.
    patches: usize,
    /// k.
    visible: usize,
}

impl MaeCollate {
    /// Batches of pictures of `patches` patches, of which `visible` are visible.
    pub fn new(patches: usize, visible: usize) -> Self {
        Self { patches, visible }
    }

    /// The visible patches of a picture: any set of k patches is as likely as any other.
    fn visible_of(&self, example: &Example, seed: u64) -> Vec<i64> {
        let mut rng = SeqRng::new(seed, "mae.visible", example.epoch, example.index);
        let mut patches: Vec<i64> = (0..self.patches as i64).collect();
        for at in 0..self.visible {
            let from = at + rng.below((self.patches - at) as u64) as usize;
            patches.swap(at, from);
        }
        patches.truncate(self.visible);
        patches.sort_unstable();
        patches
    }
}

impl Collate for MaeCollate {
    fn collate(&self, examples: &[Example], seed: u64) -> Result<HostBatch, CollateError> {
        let (shape, pixels) = pixel_array(examples, &[PIXEL_VALUES])?;
        let visible: Vec<i64> =
            examples.iter().flat_map(|example| self.visible_of(example, seed)).collect();
        let masked = examples.len() * (self.patches - self.visible);
        let keys = examples.iter().map(|example| example.key.clone()).collect();
        let pictures = examples.len() as u64;
        let batch = HostBatch::new(Normalizer::Count(masked as u64), keys)
            .with_tokens(pictures, pictures)
            .with(PIXEL_VALUES, &shape, pixels)?;
        let shape = [examples.len(), self.visible];
        Ok(batch.with("visible_patches", &shape, ArrayData::I64(visible))?)
    }
}
