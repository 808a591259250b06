//! Loads a tokenizer from a file or a folder.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value, json};
use tokenizers::PostProcessorWrapper;

use super::added::{Added, Declared};
use super::cache::WordCache;
use super::class::Class;
use super::class_of::class_of;
use super::folder::{CONFIG, Files, Vocabulary};
use super::growth::Growth;
use super::long::Cuts;
use super::model::SIDE;
use super::{Inner, SpecialNames, TokenizeError, Tokenizer, check, rebuild, special, unread};
use crate::Unused;
use crate::panic::panic_message;

/// What the files of a folder add to a tokenizer.
#[derive(Default)]
pub(super) struct Extras {
    /// The `tokenizer_config.json` that came with the tokenizer.
    pub(super) config: Map<String, Value>,
    /// The token of each role that the files declare.
    pub(super) declared: BTreeMap<String, Option<String>>,
    pub(super) templates: Vec<(String, Vec<u8>)>,
    pub(super) unused: Unused,
    /// How much longer a text becomes when it is encoded, and tokens when they are decoded.
    pub(super) growth: (Growth, Growth),
}

impl Tokenizer {
    /// Loads a `tokenizer.json`, a BERT `vocab.txt`, a `vocab.json` with `merges.txt`, or a folder that holds one of
    /// them; of several, the first in this order is used. As AutoTokenizer of transformers does, it also reads
    /// `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json` beside the file, and applies the
    /// rules of the tokenizer class that these files or the `config.json` of the model name.
    ///
    /// # Errors
    /// If a file is missing or damaged, or goes beyond a limit.
    pub fn load(path: &Path) -> Result<Self, TokenizeError> {
        let mut files = Files::read(path)?;
        let name = files.path.display().to_string();
        let invalid = |reason: String| TokenizeError::invalid(&name, reason);
        truncation_side(&mut files)?;
        let class = class_of(&files).map_err(invalid)?;
        let (old, model) = match &files.vocabulary {
            Vocabulary::Json(root) => (root.clone(), root["model"].as_object().cloned()),
            Vocabulary::Txt(vocab) => {
                (Value::Null, Some(Map::from_iter([("vocab".to_owned(), json!(vocab))])))
            }
            Vocabulary::Merges(model) => (Value::Null, Some(model.clone())),
        };
        let json_tokens = old["added_tokens"].as_array().cloned().unwrap_or_default();
        let declared = Declared {
            config: &files.config,
            special_map: &files.special_map,
            added: &files.added,
            json: &json_tokens,
        };
        let added = declared.merge(class).map_err(invalid)?;
        let unknown = added.roles.get("unk").cloned().flatten();
        if let Vocabulary::Txt(vocab) = &files.vocabulary {
            let unknown = unknown.clone().unwrap_or_default();
            if !vocab.contains_key(&unknown) {
                return Err(invalid(format!("it has no line {unknown:?}")));
            }
        }
        let json = match class {
            Class::Json => old.clone(),
            _ => {
                let model = model.unwrap_or_default();
                let root = rebuild::rebuild(class, &model, &old, &files.config, unknown.as_deref());
                Value::Object(root.map_err(invalid)?)
            }
        };
        let unknown = special::unknown_of(&json);
        let growth = check::growth(&json).map_err(invalid)?;
        let mut library = library(json).map_err(invalid)?;
        finish(&mut library, class, &files, &old, &added).map_err(invalid)?;
        warn_about_ids(&name, &library, &added, &json_tokens);
        let unused = unread::unread(&files, class, &old, &library);
        let mut declared = added.roles;
        if class != Class::Json {
            // The class declares all its roles, so no token gets a role because of its usual name.
            for (role, _) in SpecialNames::default().roles() {
                declared.entry(role.to_owned()).or_insert(None);
            }
        }
        let extras =
            Extras { config: files.config, declared, templates: files.templates, unused, growth };
        Self::assemble(&name, library, unknown, extras)
    }

    /// Loads a tokenizer from the text of a `tokenizer.json`. Error messages call it `name`.
    ///
    /// # Errors
    /// As for [`Tokenizer::load`].
    pub fn from_json(name: &str, json: &[u8]) -> Result<Self, TokenizeError> {
        let mut json = check::parse(json).map_err(|reason| TokenizeError::invalid(name, reason))?;
        check::take_side(&mut json);
        Self::build(name, json, BTreeMap::new())
    }

    /// Builds a tokenizer from checked JSON. `declared` gives the tokens of roles; a role that is declared as `None`
    /// stays without a token.
    pub(super) fn build(
        name: &str,
        json: Value,
        declared: BTreeMap<String, Option<String>>,
    ) -> Result<Self, TokenizeError> {
        let invalid = |reason: String| TokenizeError::invalid(name, reason);
        let unknown = special::unknown_of(&json);
        let growth = check::growth(&json).map_err(invalid)?;
        let library = library(json).map_err(invalid)?;
        Self::assemble(name, library, unknown, Extras { declared, growth, ..Extras::default() })
    }

    fn assemble(
        name: &str,
        library: tokenizers::Tokenizer,
        unknown: Option<String>,
        extras: Extras,
    ) -> Result<Self, TokenizeError> {
        let invalid = |reason: String| TokenizeError::invalid(name, reason);
        let largest = library.get_vocab(true).into_values().max();
        let vocab_size = largest.ok_or_else(|| invalid("its vocabulary is empty".to_owned()))?;
        let vocab_size = vocab_size as usize + 1;
        let names = SpecialNames::find(&library, &extras.declared, unknown);
        let special = names.resolve(&library);
        let template = catch_unwind(AssertUnwindSafe(|| {
            special::special_token_template(&library, vocab_size)
        }))
        .unwrap_or_else(|panic| Err(panic_message(&*panic)))
        .map_err(invalid)?;
        let (words, cuts) = (WordCache::of(&library), Cuts::of(&library));
        Ok(Self {
            inner: Arc::new(Inner {
                library,
                name: name.to_owned(),
                vocab_size,
                special,
                names,
                template,
                config: extras.config,
                templates: extras.templates,
                unused: extras.unused,
                growth: extras.growth,
                fingerprint: OnceLock::new(),
                words,
                cuts,
            }),
            vocabulary: None,
        })
    }
}

/// The `tokenizers::Tokenizer` of checked JSON.
fn library(json: Value) -> Result<tokenizers::Tokenizer, String> {
    let load = || serde_json::from_value::<tokenizers::Tokenizer>(json);
    catch_unwind(AssertUnwindSafe(load))
        .map_err(|panic| panic_message(&*panic))?
        .map_err(|error| error.to_string())
}

/// Copies the truncation side of `tokenizer.json` into the configuration, where transformers looks for it first.
fn truncation_side(files: &mut Files) -> Result<(), TokenizeError> {
    let is_left = match &mut files.vocabulary {
        Vocabulary::Json(root) => check::take_side(root),
        _ => false,
    };
    match files.config.get(SIDE) {
        None | Some(Value::Null) if is_left => {
            files.config.insert(SIDE.to_owned(), json!("left"));
            Ok(())
        }
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(side)) if side == "left" || side == "right" => Ok(()),
        Some(other) => {
            let path = files.path.with_file_name(CONFIG).display().to_string();
            let reason = format!("{SIDE} is {other}: write \"left\" or \"right\"");
            Err(TokenizeError::invalid(&path, reason))
        }
    }
}

/// Adds the added tokens of the folder and the post-processor of the class.
fn finish(
    library: &mut tokenizers::Tokenizer,
    class: Class,
    files: &Files,
    old: &Value,
    added: &Added,
) -> Result<(), String> {
    for token in &added.tokens {
        check::added_token(&token.content)?;
    }
    let tokens = added.tokens.clone();
    catch_unwind(AssertUnwindSafe(|| library.add_tokens(tokens)))
        .map_err(|panic| panic_message(&*panic))?
        .map_err(|error| error.to_string())?;
    let role = |name: &str| added.roles.get(name).cloned().flatten();
    let names = SpecialNames {
        cls: role("cls"),
        sep: role("sep"),
        bos: role("bos"),
        eos: role("eos"),
        ..SpecialNames::default()
    };
    let flag = |key| rebuild::flag(&files.config, key).map(Option::unwrap_or_default);
    // The flags apply only if no `tokenizer.json` defines the special tokens around a text.
    let add = match (old.is_null(), old["post_processor"].is_null()) {
        (true, _) => Some((flag("add_bos_token")?, flag("add_eos_token")?)),
        (false, true) if class != Class::Json => Some((false, false)),
        _ => None,
    };
    let id = |token: &str| library.token_to_id(token).map(u64::from);
    let post = rebuild::post_processor(class, &names, &files.config, add, id)?;
    let post = post.or_else(|| (class != Class::Json).then(|| old["post_processor"].clone()));
    if let Some(post) = post {
        let post: Option<PostProcessorWrapper> =
            serde_json::from_value(post).map_err(|error| error.to_string())?;
        library.with_post_processor(post);
    }
    library.set_encode_special_tokens(flag("split_special_tokens")?);
    Ok(())
}

/// Warns about added tokens whose id differs from the one that a file states, and about ids without a token.
fn warn_about_ids(name: &str, library: &tokenizers::Tokenizer, added: &Added, json: &[Value]) {
    let of_json = json.iter().filter_map(|token| {
        Some((token.get("content")?.as_str()?.to_owned(), token.get("id")?.as_u64()?))
    });
    let mut reported: Vec<String> = Vec::new();
    for (token, id) in added.ids.iter().cloned().chain(of_json) {
        let has = library.token_to_id(&token);
        if has.map(u64::from) != Some(id) && !reported.contains(&token) {
            let has = has.map_or("none".to_owned(), |id| id.to_string());
            tracing::warn!(
                "{name}: the added token {token:?} has the id {has} as in transformers, although a file states the id {id}"
            );
            reported.push(token);
        }
    }
    let ids: std::collections::BTreeSet<u32> = library.get_vocab(true).into_values().collect();
    let size = ids.last().map_or(0, |last| *last as usize + 1);
    if ids.len() < size {
        let first = (0..size as u32).find(|id| !ids.contains(id)).unwrap_or_default();
        let missing = size - ids.len();
        let ids = match missing {
            1 => format!("the id {first}, which is below {size}, has no token"),
            _ => format!("{missing} ids below {size} have no token, the first of them {first}"),
        };
        tracing::warn!("{name}: {ids}");
    }
}
