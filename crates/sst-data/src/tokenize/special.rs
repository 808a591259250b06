//! The special tokens of a tokenizer, the template of a sequence, and the tokens that continue a word.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokenizers::tokenizer::{Encoding, Token};

/// The text of the token of each of the seven roles.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpecialNames {
    /// The padding token, which fills short rows.
    pub pad: Option<String>,
    /// The token for text that the vocabulary cannot spell.
    pub unk: Option<String>,
    /// The first token of a BERT sequence.
    pub cls: Option<String>,
    /// The last token of a BERT sequence.
    pub sep: Option<String>,
    /// The token that replaces a masked token.
    pub mask: Option<String>,
    /// The first token of a text.
    pub bos: Option<String>,
    /// The last token of a text.
    pub eos: Option<String>,
}

/// The ids of the special tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// The padding token, which fills short rows.
    pub pad: Option<u32>,
    /// The token for text that the vocabulary cannot spell.
    pub unk: Option<u32>,
    /// The first token of a BERT sequence.
    pub cls: Option<u32>,
    /// The last token of a BERT sequence.
    pub sep: Option<u32>,
    /// The token that replaces a masked token.
    pub mask: Option<u32>,
    /// The first token of a text.
    pub bos: Option<u32>,
    /// The last token of a text.
    pub eos: Option<u32>,
    /// Every special token, also those without a role, sorted.
    pub all: Vec<u32>,
}

/// The special tokens that are put around one sequence, such as `[CLS]` and `[SEP]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpecialTokenTemplate {
    /// Ids before the text.
    pub prefix: Vec<u32>,
    /// Ids after it.
    pub suffix: Vec<u32>,
    /// The id that is put after each document within a sequence, if any.
    pub end: Option<u32>,
}

/// The usual tokens of the roles, for files that do not declare them.
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
    /// The tokens of BERT: `[PAD] [UNK] [CLS] [SEP] [MASK]`.
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

    /// Finds the token of each role: the declared one, or else the unknown token of the model, or else a token with
    /// one of the usual names.
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

    /// The ids of the tokens.
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

/// The special tokens around a sequence. They are found by running the post-processor on a sequence of one token.
pub(super) fn special_token_template(
    library: &tokenizers::Tokenizer,
    vocab_size: usize,
) -> Result<SpecialTokenTemplate, String> {
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
    Ok(SpecialTokenTemplate { prefix: prefix.to_vec(), suffix: suffix.to_vec(), end: None })
}

/// How the text of a token shows that it continues a word.
pub(super) enum WordRule {
    /// A token with this prefix continues a word.
    Prefix(String),
    /// A token without this mark of a word's start continues a word.
    Mark(char),
    /// The text of a token does not show it.
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
            // Llama's decoder is a sequence of replacements, but its pieces are those of SentencePiece.
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
