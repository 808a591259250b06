//! Measures the speed of pictures: decoding into a store, and drawing rows from it (pictures a second, on one core).

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark may panic; its functions are made by macros"
)]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use sst_data::pictures::resize::{Resample, resize};
use sst_data::pictures::transform::PictureTransforms;
use sst_data::pictures::{Picture, PicturePreparation, PictureSource, Pictures, StoredPictures};
use sst_data::rows::{Dataset, Subset};
use sst_data::{Ledger, SeqRng, atomic};

/// The number of pictures.
const PICTURES: u64 = 64;

/// A picture of 320 x 256 pixels with large areas and fine noise, so that it is compressed like a photograph.
fn picture(number: u64) -> Picture {
    let mut rng = SeqRng::new(0, "bench.pictures", 0, number);
    let coarse = (0..3 * 8 * 8).map(|_| rng.below(256) as u8).collect();
    let mut picture = resize(Picture::new(8, 8, coarse).unwrap(), 320, 256, Resample::Bicubic);
    for value in picture.pixels_mut() {
        *value = value.saturating_add(rng.below(16) as u8);
    }
    picture
}

fn rows(folder: &Path, configs: &[Value]) -> Pictures {
    let files = folder.join("files");
    if !files.exists() {
        std::fs::create_dir(&files).unwrap();
        for number in 0..PICTURES {
            let png = picture(number).to_png().unwrap();
            atomic::write(&files.join(format!("{number:03}.png")), &png).unwrap();
        }
    }
    let (source, ledger) = (PictureSource::new([files.display().to_string()]), Ledger::new());
    let preparation = PicturePreparation {
        source: &source,
        stored: StoredPictures::default(),
        labels: None,
        ledger: &ledger,
        cache: &folder.join("cache"),
    };
    let store = preparation.prepare(&mut |_, _| {}).unwrap();
    let transforms = PictureTransforms::from_configs(1, configs).unwrap();
    Pictures::new(Arc::clone(&store), transforms, Subset::All).unwrap()
}

fn draw(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let (crop, flip) = (json!({"name": "random_resized_crop"}), json!({"name": "horizontal_flip"}));
    let named = |name: &str| json!({"name": name, "p": 1.0});
    let normalize = json!({"name": "normalize"});
    let mut group = c.benchmark_group("pictures");
    group.throughput(Throughput::Elements(PICTURES)).sample_size(20);
    let bilinear = json!({"name": "random_resized_crop", "resample": "bilinear"});
    for (name, configs) in [
        ("crop", vec![crop.clone()]),
        ("crop_flip", vec![crop.clone(), flip.clone()]),
        ("crop_flip_normalize", vec![crop.clone(), flip.clone(), normalize.clone()]),
        ("bilinear_flip_normalize", vec![bilinear, flip, normalize]),
        ("crop_jitter", vec![crop.clone(), named("color_jitter")]),
        ("crop_gray", vec![crop.clone(), named("grayscale")]),
        ("crop_blur", vec![crop.clone(), named("gaussian_blur")]),
        ("crop_solarize", vec![crop, named("solarize")]),
    ] {
        let (rows, mut epoch) = (rows(folder.path(), &configs), 0);
        group.bench_function(name, |b| {
            b.iter(|| {
                epoch += 1;
                (0..rows.len()).for_each(|row| _ = black_box(rows.get(row, epoch).unwrap()));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, draw);
criterion_main!(benches);
