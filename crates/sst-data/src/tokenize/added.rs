//! Collects the tokens that a tokenizer folder adds to its vocabulary, in the order in which transformers adds them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use super::class::Class;

/// The declarations of added tokens in the files of a tokenizer folder.
pub(super) struct Declared<'a> {
    /// The contents of `tokenizer_config.json`.
    pub(super) config: &'a Map<String, Value>,
    /// The contents of `special_tokens_map.json`, which transformers wrote before version 5.
    pub(super) special_map: &'a Map<String, Value>,
    /// The contents of `added_tokens.json`, which transformers wrote before version 4.34.
    pub(super) added: &'a Map<String, Value>,
    /// The `added_tokens` list of `tokenizer.json`.
    pub(super) json: &'a [Value],
}

/// The tokens to add, and the token of each role (`pad`, `unk`, `mask` and so on).
#[derive(Debug, Default)]
pub(super) struct Added {
    /// The tokens in the order in which they are added. A token that the vocabulary already has keeps its id.
    pub(super) tokens: Vec<AddedToken>,
    /// The id that the files state for each token. It is compared with the id that the token really gets.
    pub(super) ids: Vec<(String, u64)>,
    /// The token of each role that the files declare; `None` for a role that is declared to have no token.
    pub(super) roles: BTreeMap<String, Option<String>>,
}

/// The roles in the order in which transformers adds their tokens.
const ROLES: [&str; 7] = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"];

impl Declared<'_> {
    /// Merges the declarations. The added tokens come from `added_tokens_decoder` of `tokenizer_config.json`. If that
    /// key is missing, they come from `special_tokens_map.json`, `added_tokens.json` and the `added_tokens` of
    /// `tokenizer.json`. The tokens of the roles and the extra special tokens follow.
    ///
    /// # Errors
    /// If an entry is not a token, or an id is not a number.
    pub(super) fn merge(&self, class: Class) -> Result<Added, String> {
        let mut config = self.config.clone();
        if is_empty(config.get("extra_special_tokens"))
            && let Some(tokens) = config.remove("additional_special_tokens")
        {
            config.insert("extra_special_tokens".to_owned(), tokens);
        }
        let mut by_id: BTreeMap<u64, AddedToken> = BTreeMap::new();
        match config.get("added_tokens_decoder") {
            Some(Value::Object(tokens)) => {
                for (id, token) in tokens {
                    let id = id
                        .parse()
                        .map_err(|_| format!("added_tokens_decoder: `{id}` is not an id"))?;
                    by_id.insert(id, token_of(token, false)?);
                }
            }
            Some(other) if !other.is_null() => {
                return Err(format!("added_tokens_decoder is {other}, not an object"));
            }
            _ => {
                for (key, value) in self.special_map {
                    config.insert(key.clone(), value.clone());
                }
                if is_empty(config.get("extra_special_tokens"))
                    && let Some(tokens) = config.remove("additional_special_tokens")
                {
                    config.insert("extra_special_tokens".to_owned(), tokens);
                }
                self.add_old(&config, &mut by_id)?;
            }
        }
        let ids = by_id.iter().map(|(id, token)| (token.content.clone(), *id)).collect();
        let mut named = named_tokens(&config, class)?;
        let flags: BTreeMap<&str, &AddedToken> =
            by_id.values().map(|token| (token.content.as_str(), token)).collect();
        for token in named.iter_mut().filter_map(|(_, token)| token.as_mut()) {
            if let Some(known) = flags.get(token.content.as_str()) {
                *token = (*known).clone();
                token.special = true;
            }
        }
        let special: Vec<&str> =
            named.iter().filter_map(|(_, token)| Some(token.as_ref()?.content.as_str())).collect();
        let mut tokens: Vec<AddedToken> = Vec::new();
        for mut token in by_id.into_values() {
            token.special |= special.contains(&token.content.as_str());
            tokens.push(token);
        }
        let more =
            named.iter().filter_map(|(_, token)| token.clone()).chain(extra_tokens(&config)?);
        // A token that `tokenizer.json` already lists keeps the flags that it has there.
        let present: Vec<&str> =
            self.json.iter().filter_map(|token| token.get("content")?.as_str()).collect();
        let keeps = class == Class::Json;
        for token in more {
            let in_json = keeps && present.contains(&token.content.as_str());
            if !in_json && !tokens.iter().any(|known| known.content == token.content) {
                tokens.push(token);
            }
        }
        let is_role =
            |key: &str| key.strip_suffix("_token").filter(|role| ROLES.contains(role)).is_some();
        let roles = named
            .into_iter()
            .filter(|(key, _)| is_role(key))
            .map(|(key, token)| {
                (key.trim_end_matches("_token").to_owned(), token.map(|t| t.content))
            })
            .collect();
        Ok(Added { tokens, ids, roles })
    }

    fn add_old(
        &self,
        config: &Map<String, Value>,
        by_id: &mut BTreeMap<u64, AddedToken>,
    ) -> Result<(), String> {
        let mut special: Vec<String> = ROLES
            .iter()
            .filter_map(|role| text_of(config.get(&format!("{role}_token"))?))
            .collect();
        special.extend(extra_tokens(config)?.into_iter().map(|token| token.content));
        for (content, id) in self.added {
            let id = id
                .as_u64()
                .ok_or_else(|| format!("added_tokens.json: {content:?} has the id {id}"))?;
            by_id.insert(id, AddedToken::from(content.clone(), special.contains(content)));
        }
        for token in self.json {
            if let Some(id) = token.get("id").and_then(Value::as_u64) {
                by_id.insert(id, token_of(token, false)?);
            }
        }
        Ok(())
    }
}

/// Every key `..._token` of the configuration that names a token. The roles come first; a role that the configuration
/// does not mention has the default token of `class`. Tokens that belong to one model, such as `image_token`, follow.
fn named_tokens(
    config: &Map<String, Value>,
    class: Class,
) -> Result<Vec<(String, Option<AddedToken>)>, String> {
    let mut named = Vec::new();
    for role in ROLES {
        let key = format!("{role}_token");
        let default = class.default_tokens().iter().find(|(name, _)| *name == role);
        let token = match config.get(&key) {
            Some(Value::Null) => None,
            Some(token) => Some(token_of(token, true)?),
            None => match default {
                Some((_, token)) => Some(AddedToken::from(*token, true)),
                None => continue,
            },
        };
        let written = config.get(&key).is_none_or(Value::is_string);
        // transformers makes the mask token of MPNet match the space before it (`lstrip`).
        let lstrip = class == Class::MPNet && role == "mask" && written;
        named.push((
            key,
            token.map(|token| if lstrip { token.lstrip(true).special(false) } else { token }),
        ));
    }
    for (key, token) in config {
        let is_role = key.strip_suffix("_token").is_none_or(|role| ROLES.contains(&role));
        if !is_role && (token.is_string() || token.is_object()) {
            named.push((key.clone(), Some(token_of(token, true)?)));
        }
    }
    if let Some(Value::Object(extra)) = config.get("extra_special_tokens") {
        for (key, token) in extra {
            named.push((key.clone(), Some(token_of(token, true)?)));
        }
    }
    Ok(named)
}

/// The list `extra_special_tokens`, which older files call `additional_special_tokens`.
fn extra_tokens(config: &Map<String, Value>) -> Result<Vec<AddedToken>, String> {
    match config.get("extra_special_tokens") {
        Some(Value::Array(tokens)) => tokens.iter().map(|token| token_of(token, true)).collect(),
        None | Some(Value::Null | Value::Object(_)) => Ok(Vec::new()),
        Some(other) => Err(format!("extra_special_tokens is {other}, not a list of tokens")),
    }
}

fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(tokens)) => tokens.is_empty(),
        Some(Value::Object(tokens)) => tokens.is_empty(),
        Some(_) => false,
    }
}

fn text_of(token: &Value) -> Option<String> {
    token.as_str().or_else(|| token.get("content")?.as_str()).map(str::to_owned)
}

/// Parses a token that is written as a string, or as an object with flags. `special` is the default of the flag
/// `special`. The flag `normalized` is true by default for tokens that are not special.
fn token_of(token: &Value, special: bool) -> Result<AddedToken, String> {
    let content = text_of(token).ok_or_else(|| format!("{token} is not a token"))?;
    let flag = |key: &str, default: bool| match token.get(key) {
        None | Some(Value::Null) => Ok(default),
        Some(Value::Bool(value)) => Ok(*value),
        Some(value) => Err(format!(
            "the flag `{key}` of token {content:?} is {value}: it must be true or false"
        )),
    };
    let special = flag("special", special)?;
    Ok(AddedToken {
        single_word: flag("single_word", false)?,
        lstrip: flag("lstrip", false)?,
        rstrip: flag("rstrip", false)?,
        normalized: flag("normalized", !special)?,
        special,
        content,
    })
}
