//! `sst eval retrieval` with pictures and their captions.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Map, Value, json};
use sst_cli::args::{CaptionsUsed, RetrievalArgs};
use sst_cli::exit::Usage;
use sst_cli::host::output;
use sst_cli::render;
use sst_core::Modality;
use sst_data::Ledger;
use sst_data::pictures::{ImageProcessor, Pictures};
use sst_data::rows::{Dataset, Subset};
use sst_eval::{CaptionedPictures, Entry, Input, NearPicture, ShowNearest};
use sst_models::LoadHead;

use super::measure::{Measured, evaluate};
use super::pictures::{
    IMAGE, PictureFiles, caption_tokens, images, must_project, must_read, refuse_for_pictures,
};
use super::sheet::{self, Tile};
use crate::model::ModelLocation;
use crate::settings;

/// Captions that a grid shows, and the pictures that each finds.
const SHOWN: (usize, usize) = (8, 5);
/// The colours of pictures that have the caption, and of those that have not.
const RIGHT: [u8; 3] = [0, 150, 80];
const WRONG: [u8; 3] = [210, 60, 60];

/// Measures a model of pictures and texts.
///
/// # Errors
/// If an argument is wrong, model or data cannot be read, or there is nothing to measure.
pub(super) fn retrieval(
    entry: &Entry,
    args: &RetrievalArgs,
    found: &ModelLocation,
) -> Result<Measured> {
    let pairs = &args.pairs;
    let [image, caption] = fields(args)?;
    refuse_for_pictures(
        found,
        &[
            ("--format", pairs.format.is_some()),
            ("--query-prompt", pairs.query_prompt.is_some()),
            ("--document-prompt", pairs.document_prompt.is_some()),
            ("--pooling", pairs.pooling.pooling.is_some()),
        ],
    )?;
    must_read(found, Modality::Text)?;
    if let Some(grid) = &args.grid {
        sheet::must_be_png("--grid", grid)?;
        output::check_paths("--grid", grid, &pairs.data)?;
    }
    let device = settings::open_device(&pairs.device)?;
    let ledger = Ledger::new();
    let (model, processor) = found.load(device, LoadHead::AsFound, &ledger)?;
    must_project(found, &*model)?;
    let images = images(&processor, &found.folder)?;
    let tokens = caption_tokens(&*model, &processor, pairs.pooling.max_length, &ledger)?;
    let mut pictures = args.pictures.clone();
    if image != IMAGE {
        pictures.image_field = Some(image.to_owned());
    }
    let files = PictureFiles::new(&pairs.data, &pictures, args.skip_errors);
    let rows = files.with_captions(caption).rows(Subset::All, images, None, &ledger)?;
    let captions = captions(&rows, args.captions, &ledger)?;
    let rows = Arc::new(rows);
    let mut nearest = Vec::new();
    let show = args.grid.as_ref().map(|_| ShowNearest {
        pictures: spread(captions.len(), SHOWN.0),
        count: SHOWN.1,
        each: Box::new(|picture, found: &[NearPicture]| nearest.push((picture, found.to_vec()))),
    });
    let texts = captions.clone();
    let input = Input::CaptionedPictures(CaptionedPictures {
        rows: Arc::clone(&rows) as Arc<dyn Dataset>,
        captions,
        tokens,
        ledger: ledger.clone(),
        show,
    });
    let batch_size = args.batch_size.map(|size| ("batch_size", json!(size)));
    let samples = args.bootstrap_samples.map(|samples| ("bootstrap_samples", json!(samples)));
    let given = batch_size.into_iter().chain(samples).collect();
    let report = evaluate(entry, given, input, &*model, None, &found.folder)?;
    let used = match args.captions {
        CaptionsUsed::First => "the first of each picture",
        CaptionsUsed::All => "all of each picture",
    };
    let report = report.with_setting("captions_used", used);
    let mut told = Map::new();
    if let Some(grid) = &args.grid {
        let drawn = draw(grid, &rows, images, &texts, &nearest)?;
        if !pairs.json {
            tell(&drawn);
        }
        told.insert("grid".to_owned(), if pairs.json { drawn } else { drawn["file"].clone() });
    }
    Ok(Measured { report, ledger, told, as_json: pairs.json })
}

/// Says what the rows of the grid are.
fn tell(drawn: &Value) {
    render::note(
        "each row of the grid has a picture, then the nearest pictures to its caption, green if they have the caption and red \
         if not:",
    );
    for (at, row) in drawn["rows"].as_array().into_iter().flatten().enumerate() {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        render::note(&format!("  {}. {}: {}", at + 1, text("key"), text("caption")));
    }
}

/// The fields of the picture and of the captions.
fn fields(args: &RetrievalArgs) -> Result<[&str; 2]> {
    let names: Vec<&str> = args.pairs.fields.iter().map(String::as_str).collect();
    let [image, caption] = names[..] else {
        let message = format!(
            "--fields names {} fields, and 2 are needed: that of the picture and that of its captions",
            names.len()
        );
        return Err(Usage(message).into());
    };
    let given = args.pictures.image_field.as_deref();
    if caption == IMAGE || Some(caption) == given {
        let message = format!("--fields {image},{caption}: write the field of the picture first");
        return Err(Usage(message).into());
    }
    if let Some(given) = given.filter(|given| image != IMAGE && image != *given) {
        let message = format!(
            "--fields names the picture `{image}`, and --image-field `{given}`: remove one of them"
        );
        return Err(Usage(message).into());
    }
    Ok([image, caption])
}

/// The captions that are used of each picture. Those that are not are counted.
fn captions(rows: &Pictures, used: CaptionsUsed, ledger: &Ledger) -> Result<Vec<Vec<String>>> {
    let mut all = Vec::new();
    for index in 0..rows.len() {
        let record = rows.record(index)?;
        let mut captions: Vec<String> = record.captions.into_iter().flatten().collect();
        if used == CaptionsUsed::First {
            ledger.add("captions.not_used", captions.len() as u64 - 1, Some(&record.key));
            captions.truncate(1);
        }
        all.push(captions);
    }
    Ok(all)
}

/// `count` of the numbers below `total`, at equal distances.
fn spread(total: usize, count: usize) -> Vec<usize> {
    let count = count.min(total);
    (0..count).map(|at| at * total / count).collect()
}

/// Writes the grid. Returns `{"file", "rows": [{"key", "caption", "nearest": [{"key", "has_caption"}]}]}`.
fn draw(
    grid: &Path,
    rows: &Pictures,
    images: &ImageProcessor,
    captions: &[Vec<String>],
    nearest: &[(usize, Vec<NearPicture>)],
) -> Result<Value> {
    let picture = |place: usize| -> Result<_> {
        let picture = rows.store().picture(place as u64)?;
        Ok(images.fit(picture))
    };
    let (mut tiles, mut told) = (Vec::new(), Vec::new());
    for (query, found) in nearest {
        let mut row = vec![Tile::plain(picture(*query)?)];
        let mut names = Vec::new();
        for NearPicture { picture: place, has_caption } in found {
            let border = if *has_caption { RIGHT } else { WRONG };
            row.push(Tile { picture: picture(*place)?, border });
            let key = rows.key(*place as u64).to_string();
            names.push(json!({"key": key, "has_caption": has_caption}));
        }
        tiles.push(row);
        let key = rows.key(*query as u64).to_string();
        told.push(json!({"key": key, "caption": captions[*query][0], "nearest": names}));
    }
    sheet::write(grid, &tiles)?;
    Ok(json!({"file": grid, "rows": told}))
}
