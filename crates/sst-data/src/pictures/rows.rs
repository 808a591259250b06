//! Rows over a picture store.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::captions::{CaptionLosses, CaptionTokens, TRUNCATED};
use super::store::{PictureRecord, PictureStore};
use super::transform::PictureTransforms;
use crate::example::{Example, Field, Key};
use crate::ledger::Ledger;
use crate::rng::SeqRng;
use crate::rows::{Dataset, DatasetError, Subset};
use crate::tokenize::UnknownCount;
use crate::transform::{TransformError, Transforms};

/// The field of the pixels of a row. Further views have a number behind it: `pixel_values.1`.
pub const PIXEL_VALUES: &str = "pixel_values";
/// The field of the tokens of a caption.
pub const INPUT_IDS: &str = "input_ids";
/// The column that transforms of captions change.
const TEXT: &str = "text";
/// The field of the label of a row.
pub const LABEL: &str = "label";

/// Which caption a row has, where a picture has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptionChoice {
    /// The first one, for rows that a model is evaluated on.
    First,
    /// One that is drawn in each epoch, with this seed.
    Draw {
        /// The seed.
        seed: u64,
    },
}

/// Rows over a [`PictureStore`], one for each picture, which a [`PictureTransforms`] changes each time that a row is
/// requested. The field `pixel_values` has the pixels, `label` the number of the label if there are labels, and each field
/// of captions has the text of one caption, if the picture has captions in it. Like a document, a picture is in the validation set by one draw on its index.
#[derive(Debug)]
pub struct Pictures {
    store: Arc<PictureStore>,
    transforms: PictureTransforms,
    views: usize,
    captions: CaptionChoice,
    /// Change a caption before it is tokenised.
    caption_transforms: Transforms,
    /// Tokenises the captions; `None` leaves them as texts.
    tokens: Option<CaptionTokens>,
    /// The pictures of the subset; `None` for all.
    numbers: Option<Vec<u64>>,
    /// The names of the fields of pixels.
    names: Vec<Arc<str>>,
}

impl Pictures {
    /// Rows of one view, with the first caption.
    ///
    /// # Errors
    /// If the fraction of the subset is not in `[0, 1)`.
    pub fn new(
        store: Arc<PictureStore>,
        transforms: PictureTransforms,
        subset: Subset,
    ) -> Result<Self, DatasetError> {
        if let Subset::Train { fraction } | Subset::Validation { fraction } = subset
            && !(0.0..1.0).contains(&fraction)
        {
            return Err(DatasetError::BadFraction(fraction));
        }
        let is_whole = matches!(subset, Subset::All | Subset::Train { fraction: 0.0 });
        let all = 0..store.num_pictures();
        let numbers = (!is_whole).then(|| all.filter(|number| subset.contains(*number)).collect());
        let (captions, names) = (CaptionChoice::First, vec![Arc::from(PIXEL_VALUES)]);
        let caption_transforms = Transforms::none();
        Ok(Self {
            store,
            transforms,
            views: 1,
            captions,
            caption_transforms,
            tokens: None,
            numbers,
            names,
        })
    }

    /// The same rows with so many views of each picture, which are transformed independently. 0 reads no pixels.
    #[must_use]
    pub fn with_views(mut self, views: usize) -> Self {
        let name = |view: usize| match view {
            0 => Arc::from(PIXEL_VALUES),
            view => Arc::from(format!("{PIXEL_VALUES}.{view}")),
        };
        self.names = (0..views).map(name).collect();
        self.views = views;
        self
    }

    /// The same rows with captions chosen in this way.
    #[must_use]
    pub fn with_captions(self, captions: CaptionChoice) -> Self {
        Self { captions, ..self }
    }

    /// The same rows with the tokens of one caption in the field `input_ids`, in place of the texts of captions. Where there
    /// are several fields of captions, the field is chosen like the caption in it.
    #[must_use]
    pub fn with_caption_tokens(self, tokens: CaptionTokens) -> Self {
        Self { tokens: Some(tokens), ..self }
    }

    /// The same rows with captions that are changed in this way before they are tokenised. Each is an example with the one
    /// column `text`.
    #[must_use]
    pub fn with_caption_transforms(self, caption_transforms: Transforms) -> Self {
        Self { caption_transforms, ..self }
    }

    /// The store.
    pub fn store(&self) -> &Arc<PictureStore> {
        &self.store
    }

    /// What stands beside the picture of row `index`, with all its captions.
    ///
    /// # Errors
    /// If there is no such row, or the store cannot be read.
    pub fn record(&self, index: u64) -> Result<PictureRecord, DatasetError> {
        Ok(self.store.record(self.number(index)?)?)
    }

    /// Counts in `ledger` how many of the captions that these rows can have are longer than a row (`captions.truncated`), and
    /// their unknown tokens (`tokenize.unknown_tokens`). Nothing is counted for rows whose captions are not tokenised.
    ///
    /// # Errors
    /// If the store cannot be read, or a caption cannot be tokenised.
    pub fn count_losses(&self, ledger: &Ledger) -> Result<(), DatasetError> {
        let Some(tokens) = &self.tokens else { return Ok(()) };
        let of_row = |index: u64| -> Result<(Key, Vec<(String, CaptionLosses)>), DatasetError> {
            let PictureRecord { key, captions, .. } = self.record(index)?;
            let count = match self.captions {
                CaptionChoice::First => 1,
                CaptionChoice::Draw { .. } => usize::MAX,
            };
            let used = captions.into_iter().flatten().take(count);
            let losses = used.map(|text| {
                let losses = tokens.losses(&key, &text)?;
                Ok((text, losses))
            });
            let losses = losses.collect::<Result<Vec<_>, DatasetError>>()?;
            Ok((key, losses))
        };
        let rows = (0..self.len()).into_par_iter().map(of_row);
        let (mut unknown, mut all) = (UnknownCount::new(), 0);
        // In the order of the rows, so that the first one that is named does not depend on threads.
        for (key, captions) in rows.collect::<Result<Vec<_>, _>>()? {
            for (text, losses) in captions {
                ledger.add(TRUNCATED, u64::from(losses.is_truncated), Some(&key));
                all += losses.tokens;
                let tokenizer = tokens.tokenizer();
                let added = unknown.add(tokenizer, &text, losses.unknown, Some(&key), ledger);
                added.map_err(|error| DatasetError::Unreadable {
                    key: key.clone(),
                    reason: error.to_string(),
                })?;
            }
        }
        unknown.report(ledger, all);
        Ok(())
    }

    /// The number in the store of row `index`.
    fn number(&self, index: u64) -> Result<u64, DatasetError> {
        let number = match &self.numbers {
            Some(numbers) => numbers.get(index as usize).copied(),
            None => (index < self.store.num_pictures()).then_some(index),
        };
        number.ok_or(DatasetError::OutOfRange { index, len: self.len() })
    }

    /// The place in [`PictureStore::caption_fields`] of the field whose caption is tokenised, among those with captions.
    fn caption_field(&self, captions: &[Vec<String>], epoch: u64, index: u64) -> Option<usize> {
        let captioned: Vec<usize> =
            (0..captions.len()).filter(|field| !captions[*field].is_empty()).collect();
        let place = match self.captions {
            CaptionChoice::First => 0,
            CaptionChoice::Draw { seed } => {
                let mut rng = SeqRng::new(seed, "picture.caption_field", epoch, index);
                rng.below(captioned.len().max(1) as u64) as usize
            }
        };
        captioned.get(place).copied()
    }

    /// The caption of a field; `None` if there are none.
    fn caption(&self, captions: &[String], field: usize, epoch: u64, index: u64) -> Option<String> {
        let place = match self.captions {
            CaptionChoice::First => 0,
            CaptionChoice::Draw { seed } => {
                let stream = format!("picture.caption.{field}");
                let mut rng = SeqRng::new(seed, &stream, epoch, index);
                rng.below(captions.len().max(1) as u64) as usize
            }
        };
        captions.get(place).cloned()
    }
}

impl Pictures {
    /// The caption of row `index` after the transforms of captions.
    fn transformed(
        &self,
        key: &Key,
        caption: String,
        epoch: u64,
        index: u64,
    ) -> Result<String, DatasetError> {
        if self.caption_transforms.is_empty() {
            return Ok(caption);
        }
        let fields = BTreeMap::from([(Arc::from(TEXT), Field::Text(caption))]);
        let example = Example { key: key.clone(), index, epoch, fields };
        let example = self.caption_transforms.apply(example).map_err(|error| {
            DatasetError::Unreadable { key: key.clone(), reason: error.to_string() }
        })?;
        Ok(example.text(TEXT).unwrap_or_default().to_owned())
    }
}

impl Dataset for Pictures {
    fn len(&self) -> u64 {
        self.numbers.as_ref().map_or(self.store.num_pictures(), |numbers| numbers.len() as u64)
    }

    /// 1 for each row, because pictures of a batch have one size.
    fn row_length(&self, index: u64) -> usize {
        usize::from(index < self.len())
    }

    fn get(&self, index: u64, epoch: u64) -> Result<Example, DatasetError> {
        let number = self.number(index)?;
        let PictureRecord { key, label, captions } = self.store.record(number)?;
        let mut fields = BTreeMap::new();
        if !self.names.is_empty() {
            let unreadable = |error: TransformError| DatasetError::Unreadable {
                key: key.clone(),
                reason: error.to_string(),
            };
            let picture = self.store.picture(number)?;
            for (view, name) in self.names.iter().enumerate().skip(1) {
                let pixels = self.transforms.apply(picture.clone(), epoch, index, view);
                fields.insert(name.clone(), Field::Pixels(pixels.map_err(unreadable)?));
            }
            let pixels = self.transforms.apply(picture, epoch, index, 0).map_err(unreadable)?;
            fields.insert(self.names[0].clone(), Field::Pixels(pixels));
        }
        if let Some(label) = label {
            fields.insert(Arc::from(LABEL), Field::Int(i64::from(label)));
        }
        if let Some(tokens) = &self.tokens {
            let field = self.caption_field(&captions, epoch, index);
            let caption =
                field.and_then(|field| self.caption(&captions[field], field, epoch, index));
            let caption = caption.ok_or_else(|| DatasetError::Unreadable {
                key: key.clone(),
                reason: "it has no caption: name the fields of captions".to_owned(),
            })?;
            let caption = self.transformed(&key, caption, epoch, index)?;
            let ids = tokens.ids(&key, &caption)?;
            fields.insert(Arc::from(INPUT_IDS), Field::Tokens(ids));
            return Ok(Example { key, index, epoch, fields });
        }
        let names = self.store.caption_fields().iter().zip(&captions);
        for (at, (name, captions)) in names.enumerate() {
            if let Some(caption) = self.caption(captions, at, epoch, index) {
                fields.insert(Arc::from(name.as_str()), Field::Text(caption));
            }
        }
        Ok(Example { key, index, epoch, fields })
    }

    fn key(&self, index: u64) -> Key {
        let record = self.number(index).and_then(|number| Ok(self.store.record(number)?));
        record.map_or_else(|_| Key::new("?", 0), |record| record.key)
    }
}
