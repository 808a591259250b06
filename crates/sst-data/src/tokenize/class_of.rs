//! The class whose rules hold for the files of a folder.

use serde_json::Value;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

use super::class::Class;
use super::folder::{Files, Vocabulary};
use super::spelling::byte_of;

/// How many merges are looked at for one that GPT-2's split rules out. The common merges come first, and those of a
/// vocabulary that was trained with another split (`);` and a line end, a full stop and letters) are among them.
const LOOKED_AT: usize = 20_000;

/// The class whose rules hold for a folder.
///
/// A `tokenizer.json` says itself how text is split. A `vocab.txt`, or a `vocab.json` with its `merges.txt`, does not:
/// their class must follow from `tokenizer_config.json` or from `config.json`.
///
/// # Errors
/// If the files say that the vocabulary is for a class whose split is not known here, or a vocabulary that comes
/// without a class was not made with GPT-2's split.
pub(super) fn class_of(files: &Files) -> Result<Class, String> {
    let written = files.config.get("tokenizer_class").and_then(Value::as_str);
    let class = |bytes| Class::of_folder(written, &files.model, bytes);
    match &files.vocabulary {
        Vocabulary::Json(root) => {
            let parts = ["pre_tokenizer", "decoder"].map(|key| root[key].to_string());
            let class = class(parts.iter().any(|part| part.contains("\"ByteLevel\"")));
            // Old files do not name the type of their model.
            let found = root["model"]["type"].as_str().or(class.model_type());
            if found != class.model_type() && class != Class::Json {
                let (found, name) = (found.unwrap_or("?"), written.unwrap_or("the model's class"));
                tracing::warn!(
                    "{}: its model is {found}, which {name} does not have: its flags are not used",
                    files.path.display()
                );
                return Ok(Class::Json);
            }
            Ok(class)
        }
        Vocabulary::Txt(_) if written == Some("RetriBertTokenizer") => Ok(Class::Bert),
        Vocabulary::Txt(_) => {
            let reads = |class| matches!(class, Class::Bert | Class::Funnel | Class::MPNet);
            Ok(declared(files, "vocab.txt", reads)?.unwrap_or(Class::Bert))
        }
        Vocabulary::Merges(model) => {
            let reads = |class| matches!(class, Class::Gpt2 | Class::Roberta);
            if let Some(class) = declared(files, "vocab.json and merges.txt", reads)? {
                return Ok(class);
            }
            let advice = "add the tokenizer_config.json or the config.json that belongs to it, or save it with a \
                          tokenizer.json";
            // GPT-2's letter for a space, which every byte-level vocabulary has.
            if !model["vocab"].as_object().is_some_and(|vocab| vocab.contains_key("Ġ")) {
                return Err(format!("it is no byte-level vocabulary as GPT-2's is: {advice}"));
            }
            if let Some(token) = against_gpt2(model.get("merges").unwrap_or(&Value::Null)) {
                return Err(format!(
                    "it has the token {token:?}, which GPT-2's split of text never makes, and no file beside it names \
                     another split: {advice}"
                ));
            }
            tracing::warn!(
                "{}: no file beside it names the tokenizer's class, so text is split as GPT-2 does: {advice}",
                files.path.display()
            );
            Ok(Class::Gpt2)
        }
    }
}

/// The class that the configurations name for `vocabulary`, which classes read for which `reads` is true; `None` where
/// they name none.
///
/// # Errors
/// If they name one that does not read such a vocabulary, or that is not known.
fn declared(
    files: &Files,
    vocabulary: &str,
    reads: impl Fn(Class) -> bool,
) -> Result<Option<Class>, String> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let written = text(files.config.get("tokenizer_class"))
        .map(|name| (name, "tokenizer_config.json"))
        .or_else(|| Some((text(files.model.get("tokenizer_class"))?, "config.json")));
    // These say nothing of how text is split.
    let specific = written.filter(|(name, _)| Class::named(name) != Some(Class::Json));
    let (class, says) = match (specific, text(files.model.get("model_type"))) {
        (Some((name, file)), _) => {
            (Class::named(&name), format!("{file} says tokenizer_class {name}"))
        }
        (None, Some(model_type)) => {
            (Class::of_model_type(&model_type), format!("config.json says model_type {model_type}"))
        }
        (None, None) => return Ok(None),
    };
    match class.filter(|class| reads(*class)) {
        Some(class) => Ok(Some(class)),
        None => Err(format!(
            "{says}, and sst does not know how its tokenizer splits text with {vocabulary} alone: save it with a \
             tokenizer.json (`AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)`)"
        )),
    }
}

/// The first token among `merges` that GPT-2's split cuts in two, so that it was learned with another split.
fn against_gpt2(merges: &Value) -> Option<String> {
    let split = ByteLevel::new(false, false, true);
    let merges = merges.as_array()?.iter().take(LOOKED_AT);
    let mut tokens = merges.filter_map(|pair| {
        let letters = format!("{}{}", pair.get(0)?.as_str()?, pair.get(1)?.as_str()?);
        // A token may be a part of a character, and then says nothing.
        let bytes = letters.chars().map(byte_of).collect::<Option<Vec<u8>>>()?;
        String::from_utf8(bytes).ok()
    });
    tokens.find(|token| {
        let mut words = PreTokenizedString::from(token.as_str());
        let is_split = split.pre_tokenize(&mut words).is_ok();
        is_split && words.get_splits(OffsetReferential::Original, OffsetType::Byte).len() > 1
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tokens_that_gpt2_never_makes_are_found() {
        let found = |a: &str, b: &str| against_gpt2(&json!([["t", "h"], [a, b]]));
        for (a, b) in [
            ("Ġ", "the"),
            ("1", "2"),
            ("Ċ", "Ċ"),
            ("ĠĠ", "ĠĠ"),
            ("'", "re"),
            ("Ġ(", "\""),
            ("â", "Ģ"),
        ] {
            assert_eq!(found(a, b), None, "{a} {b}");
        }
        for (a, b, token) in [
            (".", "com", ".com"),
            (");", "Ċ", ");\n"),
            ("Ċ", "Ċx", "\n\nx"),
            ("a", "1", "a1"),
            ("Ġthe", "Ġcat", " the cat"),
        ] {
            assert_eq!(found(a, b), Some(token.to_owned()));
        }
    }
}
