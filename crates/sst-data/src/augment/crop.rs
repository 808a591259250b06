//! `crop`: keeps a span of the text (Meng et al. 2021, "COCO-LM").

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::entry::Entry;
use super::split::{Kind, Piece, Split};
use super::{AugmentError, Context, WordAugment, check_rate, parse, pick};
use crate::rng::SeqRng;

pub(super) const ENTRY: Entry = Entry {
    name: Crop::NAME,
    summary: "keep a span of words and cut off the rest",
    default_config: || json!(CropConfig::default()),
    build: |config, context| Ok(Box::new(Crop::new(config, context)?)),
};

/// How texts are cropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CropConfig {
    /// The fraction of words that is cut off, at the start and the end together. The default is 0.1, because COCO-LM
    /// keeps 90 %. At least one word is kept.
    pub rate: f64,
}

impl Default for CropConfig {
    fn default() -> Self {
        Self { rate: 0.1 }
    }
}

struct Crop {
    config: CropConfig,
    special: Vec<String>,
}

impl Crop {
    fn new(config: &Value, context: &Context) -> Result<Self, AugmentError> {
        let config: CropConfig = parse(Self::NAME, config)?;
        check_rate(Self::NAME, config.rate)?;
        Ok(Self { config, special: context.special.clone() })
    }
}

impl WordAugment for Crop {
    const NAME: &'static str = "crop";

    fn special(&self) -> &[String] {
        &self.special
    }

    fn change(&self, text: &Split<'_>, rng: &mut SeqRng) -> String {
        let words = text.words.len();
        let count = pick::count(self.config.rate, words, rng).min(words.saturating_sub(1));
        if count == 0 {
            return text.text.to_owned();
        }
        let before = rng.below(count as u64 + 1) as usize;
        let after = count - before;
        // Text before the first word is cut off together with it, and so is text after the last word.
        let first = if before == 0 { 0 } else { text.words[before] };
        let last = words - 1 - after;
        let end = if after == 0 { text.pieces.len() } else { text.words[last] + 1 };
        let mut out = String::with_capacity(text.text.len());
        let spaced = |piece: Option<&Piece<'_>>, at: fn(&str) -> Option<char>| {
            piece.and_then(|piece| at(piece.text)).is_some_and(char::is_whitespace)
        };
        for (place, piece) in text.pieces[..first].iter().enumerate() {
            if piece.kind == Kind::Special {
                out += piece.text;
                let next = text.pieces.get(place + 1);
                out += if spaced(next, |text| text.chars().next()) { " " } else { "" };
            }
        }
        text.pieces[first..end].iter().for_each(|piece| out += piece.text);
        for (place, piece) in text.pieces.iter().enumerate().skip(end) {
            if piece.kind == Kind::Special {
                let previous = text.pieces.get(place - 1);
                out += if spaced(previous, |text| text.chars().next_back()) { " " } else { "" };
                out += piece.text;
            }
        }
        out
    }
}
