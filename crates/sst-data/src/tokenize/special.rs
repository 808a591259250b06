//! Which tokens are special, what stands around a sequence, and where words begin.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokenizers::tokenizer::{Encoding, Token};

/// The tokens of the seven roles, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpecialNames {
    /// Fills short rows.
    pub pad: Option<String>,
    /// Stands for what the vocabulary cannot spell.
    pub unk: Option<String>,
    /// Begins a BERT sequence.
    pub cls: Option<String>,
    /// Ends a BERT sequence.
    pub sep: Option<String>,
    /// Hides a token.
    pub mask: Option<String>,
    /// Begins a text.
    pub bos: Option<String>,
    /// Ends a text.
    pub eos: Option<String>,
}

/// The ids of the special tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Fills short rows.
    pub pad: Option<u32>,
    /// Stands for what the vocabulary cannot spell.
    pub unk: Option<u32>,
    /// Begins a BERT sequence.
    pub cls: Option<u32>,
    /// Ends a BERT sequence.
    pub sep: Option<u32>,
    /// Hides a token.
    pub mask: Option<u32>,
    /// Begins a text.
    pub bos: Option<u32>,
    /// Ends a text.
    pub eos: Option<u32>,
    /// Every special token, those without a role too; sorted.
    pub all: Vec<u32>,
}

/// What stands around one sequence: `[CLS]` and `[SEP]`, say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// Ids before the text.
    pub prefix: Vec<u32>,
    /// Ids after it.
    pub suffix: Vec<u32>,
    /// An id after each document, within a sequence.
    pub end: Option<u32>,
}

/// What the roles' tokens are usually called, for files that do not say.
const USUAL: [(&str, &[&str]); 7] = [
    ("pad", &["[PAD]", "<pad>"]),
    ("unk", &["[UNK]", "<unk>"]),
    ("cls", &["[CLS]"]),
    ("sep", &["[SEP]"]),
    ("mask", &["[MASK]", "<mask>"]),
    ("bos", &["[BOS]", "<s>", "<|startoftext|>", "<|begin_of_text|>", "<|endoftext|>"]),
    ("eos", &["[EOS]", "</s>", "<|endoftext|>", "<|end_of_text|>"]),
];

impl SpecialNames {
    /// `[PAD] [UNK] [CLS] [SEP] [MASK]`.
    pub fn bert() -> Self {
        let name = |token: &str| Some(token.to_owned());
        Self {
            pad: name("[PAD]"),
            unk: name("[UNK]"),
            cls: name("[CLS]"),
            sep: name("[SEP]"),
            mask: name("[MASK]"),
            ..Self::default()
        }
    }

    /// Each role with its token, in a fixed order.
    pub(super) fn roles(&self) -> [(&'static str, &Option<String>); 7] {
        [
            ("pad", &self.pad),
            ("unk", &self.unk),
            ("cls", &self.cls),
            ("sep", &self.sep),
            ("mask", &self.mask),
            ("bos", &self.bos),
            ("eos", &self.eos),
        ]
    }

    /// The distinct tokens, in the order of the roles.
    pub(super) fn in_order(&self) -> Vec<&str> {
        let mut tokens: Vec<&str> = Vec::new();
        for token in self.roles().into_iter().filter_map(|(_, token)| token.as_deref()) {
            if !tokens.contains(&token) {
                tokens.push(token);
            }
        }
        tokens
    }

    /// The roles' tokens: as declared, else the model's own unknown token, else by usual names.
    pub(super) fn find(
        library: &tokenizers::Tokenizer,
        declared: &BTreeMap<String, Option<String>>,
        unknown: Option<String>,
    ) -> Self {
        let present = |token: &String| library.token_to_id(token).is_some();
        let role = |name: &str, usual: &[&str]| match declared.get(name) {
            Some(Some(token)) if !present(token) => {
                tracing::warn!("the tokenizer has no token {token:?}, declared as {name}_token");
                None
            }
            Some(token) => token.clone(),
            None if name == "unk" && unknown.is_some() => unknown.clone().filter(present),
            None => usual.iter().map(|token| (*token).to_owned()).find(present),
        };
        let [pad, unk, cls, sep, mask, bos, eos] = USUAL.map(|(name, usual)| role(name, usual));
        Self { pad, unk, cls, sep, mask, bos, eos }
    }

    /// Their ids.
    pub(super) fn resolve(&self, library: &tokenizers::Tokenizer) -> SpecialTokens {
        let id = |token: &Option<String>| library.token_to_id(token.as_deref()?);
        let added = library.get_added_tokens_decoder();
        let flagged = added.into_iter().filter(|(_, token)| token.special).map(|(id, _)| id);
        let roles = self.roles().into_iter().filter_map(|(_, token)| id(token));
        let mut all: Vec<u32> = flagged.chain(roles).collect();
        all.sort_unstable();
        all.dedup();
        SpecialTokens {
            pad: id(&self.pad),
            unk: id(&self.unk),
            cls: id(&self.cls),
            sep: id(&self.sep),
            mask: id(&self.mask),
            bos: id(&self.bos),
            eos: id(&self.eos),
            all,
        }
    }
}

/// The unknown token that the model itself names.
pub(super) fn unknown_of(json: &Value) -> Option<String> {
    let model = json.get("model")?;
    let by_id = || model.get("vocab")?.get(model.get("unk_id")?.as_u64()? as usize)?.get(0);
    model.get("unk_token").or_else(by_id)?.as_str().map(str::to_owned)
}

/// What the post-processor puts around a sequence, found by giving it a sequence of one token.
pub(super) fn frame(library: &tokenizers::Tokenizer, vocab_size: usize) -> Result<Frame, String> {
    let text = Encoding::from_tokens(vec![Token::new(0, "x".to_owned(), (0, 1))], 0);
    let framed = library.post_process(text, None, true).map_err(|error| error.to_string())?;
    let mask = framed.get_special_tokens_mask();
    let mut places = mask.iter().enumerate().filter(|(_, special)| **special == 0);
    let (Some((place, _)), None) = (places.next(), places.next()) else {
        return Err("its post-processor does not keep a sequence once".to_owned());
    };
    let (prefix, suffix) = (&framed.get_ids()[..place], &framed.get_ids()[place + 1..]);
    if let Some(id) = prefix.iter().chain(suffix).find(|id| **id as usize >= vocab_size) {
        return Err(format!("its post-processor adds id {id}, which is not in the vocabulary"));
    }
    Ok(Frame { prefix: prefix.to_vec(), suffix: suffix.to_vec(), end: None })
}

/// How a token shows that it continues a word.
pub(super) enum WordRule {
    /// It has this prefix.
    Prefix(String),
    /// It lacks the mark of a word's start.
    Mark(char),
    /// It does not show.
    None,
}

impl WordRule {
    pub(super) fn of(library: &tokenizers::Tokenizer) -> Self {
        use tokenizers::DecoderWrapper::{ByteLevel, Metaspace, WordPiece};
        match (library.get_model(), library.get_decoder()) {
            (tokenizers::ModelWrapper::WordPiece(model), _) => {
                Self::Prefix(model.continuing_subword_prefix.clone())
            }
            (_, Some(WordPiece(decoder))) => Self::Prefix(decoder.prefix.clone()),
            (_, Some(ByteLevel(_))) => Self::Mark('Ġ'),
            (_, Some(Metaspace(decoder))) => Self::Mark(decoder.get_replacement()),
            // Llama's decoder is a sequence of replacements; its pieces are SentencePiece's.
            (_, Some(_)) if library.token_to_id("▁").is_some() => Self::Mark('▁'),
            _ => Self::None,
        }
    }

    pub(super) fn continues(&self, token: &str) -> bool {
        match self {
            Self::Prefix(prefix) => !prefix.is_empty() && token.starts_with(prefix),
            Self::Mark(mark) => {
                token.chars().next().is_some_and(|c| c != *mark && !c.is_ascii_punctuation())
            }
            Self::None => false,
        }
    }
}
