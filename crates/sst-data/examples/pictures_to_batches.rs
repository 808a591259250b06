//! Turns a folder of pictures into the batches that an image model is trained on, and prints how fast, as JSON:
//! `cargo run --release --example pictures_to_batches -- FOLDER CACHE THREADS STEPS FILTER`.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use sst_data::batching::{FixedBatches, Position};
use sst_data::loader::{Loader, LoaderConfig};
use sst_data::pictures::transform::PictureTransforms;
use sst_data::pictures::{
    PIXEL_VALUES, PicturePreparation, PictureSource, Pictures, StoredPictures,
};
use sst_data::rows::{Dataset, Subset};
use sst_data::{
    ArrayData, Collate, CollateError, Example, HostArray, HostBatch, Ledger, Normalizer,
    PixelValues, recycle,
};

/// The number of pictures in a batch.
const BATCH: usize = 64;
/// Steps that are not measured, while the threads start and fill their queue.
const WARMUP: usize = 8;

/// Puts the pixels of all rows into one array of shape `[batch, 3, height, width]`.
struct Stack;

impl Collate for Stack {
    fn collate(&self, examples: &[Example], _seed: u64) -> Result<HostBatch, CollateError> {
        let (mut values, mut shape) = (Vec::new(), [examples.len(), 3, 0, 0]);
        for pixels in examples.iter().filter_map(|example| example.pixels(PIXEL_VALUES)) {
            shape[2..].copy_from_slice(&[pixels.height as usize, pixels.width as usize]);
            if let PixelValues::F32(numbers) = &pixels.values {
                if values.is_empty() {
                    values = recycle::array(examples.len() * numbers.len());
                }
                values.extend_from_slice(numbers);
            }
        }
        let keys = examples.iter().map(|example| example.key.clone()).collect();
        let batch = HostBatch::new(Normalizer::Count(examples.len() as u64), keys);
        Ok(batch.with(PIXEL_VALUES, &shape, ArrayData::F32(values))?)
    }
}

/// How the pictures are read.
pub(crate) struct Reading<'a> {
    /// The folder of pictures.
    pub(crate) folder: &'a str,
    /// The folder of prepared data.
    pub(crate) cache: &'a Path,
    /// The number of threads that make batches.
    pub(crate) threads: usize,
    /// The number of batches that are measured.
    pub(crate) steps: usize,
    /// The filter of the random resized crop: `bicubic` or `bilinear`.
    pub(crate) filter: &'a str,
}

/// Reads pictures, and returns how many there are, how many were drawn in how many `seconds`, and the mean of their values.
/// The first call decodes and resizes all pictures; `prepared_seconds` is how long that took.
pub(crate) fn run(reading: &Reading<'_>) -> Result<Value, Box<dyn Error>> {
    let (ledger, source) = (Ledger::new(), PictureSource::new([reading.folder]));
    // The short side is stored with 256 pixels.
    let preparation = PicturePreparation {
        source: &source,
        stored: StoredPictures::default(),
        labels: None,
        ledger: &ledger,
        cache: reading.cache,
    };
    let started = Instant::now();
    let store = preparation.prepare(&mut |_, _| ())?;
    let prepared_seconds = started.elapsed().as_secs_f64();
    // What happens to a picture each time that it is read. The crop has 224 x 224 pixels.
    let transforms = PictureTransforms::from_configs(
        7,
        &[
            json!({"name": "random_resized_crop", "resample": reading.filter}),
            json!({"name": "horizontal_flip"}),
            json!({"name": "normalize"}),
        ],
    )?;
    let rows = Pictures::new(store, transforms, Subset::All)?;
    let pictures = rows.len();
    // An order that depends on the seed, epoch after epoch.
    let batching = FixedBatches::new(7, pictures, BATCH, BATCH)?;
    let config = LoaderConfig { workers: reading.threads, ..LoaderConfig::default() };
    let (rows, batching, from) = (Arc::new(rows), Arc::new(batching), Position::default());
    let mut loader = Loader::new(rows, Arc::new(Stack), batching, config, from)?;
    for step in loader.by_ref().take(WARMUP) {
        step?;
    }
    let (started, mut measured) = (Instant::now(), 0);
    let (mut total, mut values) = (0.0, 0);
    for step in loader.take(reading.steps) {
        for batch in step?.micro {
            measured += batch.keys.len();
            let Some(ArrayData::F32(pixels)) = batch.get(PIXEL_VALUES).map(HostArray::data) else {
                continue;
            };
            // A few of the values, because this thread only receives batches.
            let some = pixels.iter().step_by(97);
            values += some.len();
            total += some.map(|value| f64::from(*value)).sum::<f64>();
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok(json!({
        "stored": pictures,
        "prepared_seconds": prepared_seconds,
        "pictures": measured,
        "seconds": seconds,
        "mean": total / values as f64,
    }))
}

#[allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program reads its arguments and prints what comes out"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, cache, threads, steps, filter] = arguments.as_slice() else {
        return Err("give FOLDER CACHE THREADS STEPS FILTER".into());
    };
    let (threads, steps, cache) = (threads.parse()?, steps.parse()?, Path::new(cache));
    println!("{}", run(&Reading { folder, cache, threads, steps, filter })?);
    Ok(())
}
