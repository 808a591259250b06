//! `sst embed` with a model that reads pictures: vectors of pictures, of their captions, or of texts in the same space.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use sst_cli::args::EmbedArgs;
use sst_cli::exit::{Exit, Usage};
use sst_cli::host::output;
use sst_cli::host::source::{named, source};
use sst_cli::render;
use sst_core::nn::Pooling;
use sst_core::{HeadKind, InputSpec, Modality, Model, PatchGrid};
use sst_data::pictures::{CaptionTokens, Pictures};
use sst_data::read::Source;
use sst_data::rows::{Dataset, Subset};
use sst_data::tokenize::UnknownCount;
use sst_data::vectors::{VectorFormat, VectorWriter};
use sst_data::{Key, Ledger, atomic};
use sst_eval::pictures::{CaptionEncoder, PictureEncoder, PictureVector, normalize_rows};
use sst_models::LoadHead;
use sst_train::Precision;
use tch::{Kind, Tensor};

use super::computing::{Computing, computing};
use super::pictures::{
    IMAGE, PictureFiles, caption_tokens, images, must_project, must_read, refuse_for_pictures,
};
use crate::model::ModelLocation;
use crate::settings;

/// The number of texts that are held in memory and sorted by length at a time.
const WINDOW: usize = 16_384;

/// What vectors are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Pictures,
    /// The first caption in this field.
    Captions(String),
    Texts,
}

impl Wanted {
    fn of(args: &EmbedArgs) -> Self {
        match &args.fields {
            _ if args.texts => Self::Texts,
            Some(field) if field != IMAGE && Some(field) != args.pictures.image_field.as_ref() => {
                Self::Captions(field.clone())
            }
            _ => Self::Pictures,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Pictures => "pictures",
            Self::Captions(_) => "captions",
            Self::Texts => "texts",
        }
    }
}

/// Embeds pictures, captions or texts, and writes their vectors.
///
/// # Errors
/// If the model or the data cannot be read, or the file cannot be written.
pub(super) fn run(args: &EmbedArgs, found: &ModelLocation, format: VectorFormat) -> Result<Exit> {
    let wanted = Wanted::of(args);
    check(args, found, &wanted, format)?;
    let device = settings::open_device(&args.device)?;
    let Computing { precision, autocast } = computing(args, device)?;
    let ledger = Ledger::new();
    let (mut model, processor) = found.load(device, LoadHead::AsFound, &ledger)?;
    if wanted != Wanted::Pictures {
        must_project(found, &*model)?;
    }
    if let Some(kind) = autocast {
        model.params_mut().cast(kind)?;
    }
    let vector = vector_of(&*model, args.pooling.pooling.as_deref())?;
    // Vectors that are compared with those of captions have length 1, as CLIP's users have them.
    let normalize = match (args.pooling.normalize, args.pooling.no_normalize) {
        (false, false) => wanted != Wanted::Pictures || vector == PictureVector::Projected,
        (normalize, _) => normalize,
    };
    let skip_errors = args.documents.skip_errors;
    let mut files = PictureFiles::new(&args.data, &args.pictures, skip_errors);
    if let Wanted::Captions(field) = &wanted {
        files = files.with_captions(field);
    }
    let pictures = |ledger: &Ledger| -> Result<Pictures> {
        files.rows(Subset::All, images(&processor, &found.folder)?, None, ledger)
    };
    let tokens = match wanted {
        Wanted::Pictures => None,
        _ => Some(caption_tokens(&*model, &processor, args.pooling.max_length, &ledger)?),
    };
    let rows = if wanted == Wanted::Texts { None } else { Some(pictures(&ledger)?) };
    let run = Embedding { args, model: &*model, vector, normalize, autocast, ledger: &ledger };
    let start = Instant::now();
    let mut totals = (0, 0);
    let width = run.width(&wanted)?;
    let mut failed = None;
    let written = atomic::write_with(&args.out, |file| {
        let mut writer = VectorWriter::new(file, format, width)?;
        let pushed = match (&wanted, &rows, &tokens) {
            (Wanted::Pictures, Some(rows), _) => run.pictures(rows, &mut writer).map(|()| 0),
            (Wanted::Captions(_), Some(rows), Some(tokens)) => {
                run.captions(rows, tokens, &mut writer)
            }
            (_, _, Some(tokens)) => run.texts(tokens, &mut writer),
            _ => Ok(0),
        };
        match pushed {
            Ok(tokens) => {
                totals = (writer.finish()?, tokens);
                Ok(())
            }
            Err(error) => {
                failed = Some(error);
                Err(std::io::Error::other("not written"))
            }
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    written.with_context(|| format!("cannot write {}", args.out.display()))?;
    let seconds = start.elapsed().as_secs_f64();
    let kind = if wanted == Wanted::Pictures { vector } else { PictureVector::Projected };
    run.tell(&wanted, totals, (width, kind, precision), seconds)?;
    Ok(Exit::Done)
}

/// Checks what can be checked before anything is loaded.
fn check(
    args: &EmbedArgs,
    found: &ModelLocation,
    wanted: &Wanted,
    format: VectorFormat,
) -> Result<()> {
    let is_texts = *wanted == Wanted::Texts;
    refuse_for_pictures(
        found,
        &[
            ("--prompt", args.prompt.is_some()),
            ("--format", args.documents.format.is_some() && !is_texts),
            ("--text-field", args.documents.text_field != "text" && !is_texts),
        ],
    )?;
    let is_pictures = *wanted == Wanted::Pictures;
    if !is_pictures {
        must_read(found, Modality::Text)?;
        if args.pooling.pooling.is_some() {
            let message =
                "--pooling is for pictures: captions and texts have the projection of the model";
            return Err(Usage(message.to_owned()).into());
        }
    } else if args.pooling.max_length.is_some() {
        return Err(Usage("--max-length is for texts: pictures have one size".to_owned()).into());
    }
    output::check_paths("--out", &args.out, &args.data)?;
    if format != VectorFormat::Npy {
        output::check_folder(&args.out, &args.model)?;
        output::check_folder(&args.out, &found.folder)?;
    }
    Ok(())
}

/// The vector of a picture: the given pooling, or else the projection, or else the class token.
///
/// # Errors
/// If there is no such pooling of pictures.
pub(super) fn vector_of(model: &dyn Model, pooling: Option<&str>) -> Result<PictureVector> {
    if let Some(name) = pooling {
        let pooling: Pooling = named("--pooling", name)?;
        if !matches!(pooling, Pooling::Cls | Pooling::Mean | Pooling::Max) {
            let message = format!("--pooling {name} is for texts: pictures have cls, mean and max");
            return Err(Usage(message).into());
        }
        return Ok(PictureVector::Pooled(pooling));
    }
    Ok(PictureVector::of(model))
}

/// The number of pictures in a forward pass of about `batch_tokens` patches.
///
/// # Errors
/// If the model reads no pictures.
pub(super) fn batch_size(model: &dyn Model, batch_tokens: usize) -> Result<usize> {
    let patches = PatchGrid::new(model.encoder(Modality::Image)?.spec())?.num_patches();
    Ok((batch_tokens / (patches as usize + 1)).max(1))
}

/// The run of the command after everything is loaded.
struct Embedding<'e> {
    args: &'e EmbedArgs,
    model: &'e dyn Model,
    vector: PictureVector,
    normalize: bool,
    autocast: Option<Kind>,
    ledger: &'e Ledger,
}

impl Embedding<'_> {
    /// The number of numbers of a vector.
    fn width(&self, wanted: &Wanted) -> Result<usize> {
        let modality = match wanted {
            Wanted::Pictures => Modality::Image,
            _ => Modality::Text,
        };
        Ok(match self.vector {
            PictureVector::Pooled(_) if modality == Modality::Image => {
                self.model.hidden_size(modality)? as usize
            }
            _ => self.model.head(HeadKind::Projection(modality))?.num_outputs(),
        })
    }

    /// Rows in a forward pass, of `length` tokens each.
    fn batch_size(&self, length: usize) -> usize {
        (self.args.batch_tokens as usize / length.max(1)).max(1)
    }

    /// The vectors, of length 1 if that is wanted.
    fn finish(&self, vectors: &Tensor) -> Result<Tensor> {
        Ok(if self.normalize { normalize_rows(vectors)? } else { vectors.shallow_clone() })
    }

    fn pictures(&self, rows: &Pictures, writer: &mut VectorWriter<'_>) -> Result<()> {
        let size = batch_size(self.model, self.args.batch_tokens as usize)?;
        let encoder = PictureEncoder::new(self.model, self.vector, size)?;
        let encoder = encoder.with_autocast(self.autocast);
        encoder.for_each(rows, |examples, vectors| {
            let vectors = self.finish(vectors)?;
            for (row, example) in (0..).zip(examples) {
                let vector = Vec::<f32>::try_from(vectors.f_get(row)?)?;
                writer.push_of_picture(&example.key, None, &vector).with_context(self.cannot())?;
            }
            Ok::<_, anyhow::Error>(())
        })
    }

    /// The number of tokens.
    fn captions(
        &self,
        rows: &Pictures,
        tokens: &CaptionTokens,
        writer: &mut VectorWriter<'_>,
    ) -> Result<u64> {
        let mut captions = Vec::new();
        for index in 0..rows.len() {
            let record = rows.record(index)?;
            let all = record.captions.into_iter().flatten();
            let mut all = all.collect::<Vec<String>>().into_iter();
            captions.extend(all.next().map(|first| (record.key.clone(), first)));
            self.ledger.add("captions.not_used", all.count() as u64, Some(&record.key));
        }
        let mut unknown = UnknownCount::new();
        let mut total = 0;
        for window in captions.chunks(WINDOW) {
            total += self.window(window, true, tokens, &mut unknown, writer)?;
        }
        unknown.report(self.ledger, total);
        Ok(total)
    }

    /// The number of tokens.
    fn texts(&self, tokens: &CaptionTokens, writer: &mut VectorWriter<'_>) -> Result<u64> {
        let source = source(&self.args.data, &self.args.documents)?;
        // Row i of the file belongs to line i of the text.
        let source = Source { keep_blank_lines: true, ..source };
        let mut documents = source.read(self.ledger)?;
        let mut unknown = UnknownCount::new();
        let mut total = 0;
        loop {
            let window = documents.by_ref().take(WINDOW).collect::<Result<Vec<_>, _>>()?;
            if window.is_empty() {
                unknown.report(self.ledger, total);
                return Ok(total);
            }
            let texts: Vec<(Key, String)> = window
                .iter()
                .map(|example| {
                    (example.key.clone(), example.text("text").unwrap_or_default().to_owned())
                })
                .collect();
            total += self.window(&texts, false, tokens, &mut unknown, writer)?;
        }
    }

    /// Writes the vectors of some texts, with the keys of their pictures if they are captions. Returns the number of tokens.
    fn window(
        &self,
        texts: &[(Key, String)],
        are_captions: bool,
        tokens: &CaptionTokens,
        unknown: &mut UnknownCount,
        writer: &mut VectorWriter<'_>,
    ) -> Result<u64> {
        let length = match self.model.text_encoder()?.spec() {
            InputSpec::Text { max_length, .. } => max_length,
            InputSpec::Image { .. } => 1,
        };
        let encoder = CaptionEncoder::new(self.model, tokens, self.batch_size(length))?;
        let encoder = encoder.with_autocast(self.autocast);
        let (vectors, count) = encoder.encode(texts, unknown, self.ledger)?;
        let vectors = self.finish(&vectors)?;
        for (row, (key, text)) in (0..).zip(texts) {
            let vector = Vec::<f32>::try_from(vectors.f_get(row)?)?;
            let pushed = match are_captions {
                true => writer.push_of_picture(key, Some(text), &vector),
                false => writer.push(text, &vector),
            };
            pushed.with_context(self.cannot())?;
        }
        Ok(count)
    }

    fn cannot(&self) -> impl FnOnce() -> String + use<'_> {
        let out: &Path = &self.args.out;
        move || format!("cannot write {}", out.display())
    }

    fn tell(
        &self,
        wanted: &Wanted,
        (count, tokens): (u64, u64),
        (width, vector, precision): (usize, PictureVector, Precision),
        seconds: f64,
    ) -> Result<()> {
        let name = wanted.name();
        if self.args.json {
            let mut value = Map::new();
            value.insert("version".to_owned(), json!(1));
            value.insert(name.to_owned(), json!(count));
            if *wanted != Wanted::Pictures {
                value.insert("tokens".to_owned(), json!(tokens));
            }
            value.insert("width".to_owned(), json!(width));
            value.insert("vector".to_owned(), json!(vector.to_string()));
            value.insert("normalized".to_owned(), json!(self.normalize));
            value.insert("precision".to_owned(), json!(precision));
            value.insert("seconds".to_owned(), json!(seconds));
            value.insert("ledger".to_owned(), json!(self.ledger.entries()));
            render::json(&Value::Object(value))?;
            return Ok(());
        }
        let length = if self.normalize { ", of length 1" } else { "" };
        render::note(&format!(
            "{} {name} in {seconds:.2} s: vectors of {width} numbers in {} ({vector}{length})",
            render::count(count),
            self.args.out.display()
        ));
        let are_left_out = self.ledger.count("captions.not_used") > 0;
        if let (Wanted::Captions(field), true) = (wanted, are_left_out) {
            render::note(&format!("of several captions in `{field}`, the first one"));
        }
        render::ledger(&self.ledger.entries());
        Ok(())
    }
}
