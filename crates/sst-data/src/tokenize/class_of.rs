//! Decides which tokenizer class applies to the files of a folder.

use serde_json::Value;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

use super::class::Class;
use super::folder::{Files, Vocabulary};
use super::spelling::byte_of;

/// The number of merges that are searched for one that GPT-2's split would never allow. Merges are sorted by
/// frequency, so if the vocabulary was trained with another split, such merges (`);` and a line end, a full stop and
/// letters) are among the first.
const SEARCHED_MERGES: usize = 20_000;

/// The class that applies to a folder.
///
/// A `tokenizer.json` states how text is split. A `vocab.txt`, or a `vocab.json` with its `merges.txt`, does not, so
/// the class must follow from `tokenizer_config.json` or `config.json`.
///
/// # Errors
/// If the files name a class whose split is not implemented here, or if no file names a class and the vocabulary was
/// not made with GPT-2's split.
pub(super) fn class_of(files: &Files) -> Result<Class, String> {
    let written = files.config.get("tokenizer_class").and_then(Value::as_str);
    let class = |bytes| Class::of_folder(written, &files.model, bytes);
    match &files.vocabulary {
        Vocabulary::Json(root) => {
            let parts = ["pre_tokenizer", "decoder"].map(|key| root[key].to_string());
            let class = class(parts.iter().any(|part| part.contains("\"ByteLevel\"")));
            // Old files leave out the type of their model.
            let model_type = root["model"]["type"].as_str().or(class.model_type());
            if model_type != class.model_type() && class != Class::Json {
                let (model_type, name) =
                    (model_type.unwrap_or("?"), written.unwrap_or("the model's class"));
                tracing::warn!(
                    "{}: its model is {model_type}, which {name} does not use: the flags of that class are ignored",
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
            // This is GPT-2's letter for a space. Every byte-level vocabulary has it.
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

/// The class that the configuration files name for `vocabulary`; `None` if they name none. `reads` says which classes
/// read such a vocabulary.
///
/// # Errors
/// If they name an unknown class, or one that does not read such a vocabulary.
fn declared(
    files: &Files,
    vocabulary: &str,
    reads: impl Fn(Class) -> bool,
) -> Result<Option<Class>, String> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let written = text(files.config.get("tokenizer_class"))
        .map(|name| (name, "tokenizer_config.json"))
        .or_else(|| Some((text(files.model.get("tokenizer_class"))?, "config.json")));
    // These generic class names do not state how text is split.
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

/// The first token made by `merges` that GPT-2's split would cut in two. Such a token shows that the vocabulary was
/// trained with another split.
fn against_gpt2(merges: &Value) -> Option<String> {
    let split = ByteLevel::new(false, false, true);
    let merges = merges.as_array()?.iter().take(SEARCHED_MERGES);
    let mut tokens = merges.filter_map(|pair| {
        let letters = format!("{}{}", pair.get(0)?.as_str()?, pair.get(1)?.as_str()?);
        // A token that is only part of a character proves nothing.
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
