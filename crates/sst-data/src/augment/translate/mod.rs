//! Translators are programs and servers that translate each text by itself.

mod apertium;
mod cache;
mod error;
mod libre;
mod stream;

pub use apertium::Apertium;
pub use cache::Cached;
pub use error::TranslateError;
pub use libre::LibreTranslate;

/// Translates texts from one language into another.
pub trait Translator: Send {
    /// The name of the translator with its languages. Two translators of the same name translate alike.
    fn name(&self) -> &str;

    /// The translation of each text, in the same order. A text is a single line with at least one word.
    ///
    /// # Errors
    /// If a text has no translation of its own. Then no translation is returned.
    fn translate(&mut self, texts: &[String]) -> Result<Vec<String>, TranslateError>;
}

/// The two languages of `pair`: `eng-spa`, or `zh-Hans:en` where a language has a hyphen of its own.
///
/// # Errors
/// If `pair` does not consist of two names.
pub fn split_pair(pair: &str) -> Result<(&str, &str), TranslateError> {
    let parts = pair.split_once(':').or_else(|| pair.split_once('-'));
    let is_name = |name: &str| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
            && !name.starts_with('-')
    };
    match parts {
        Some((from, to))
            if is_name(from) && is_name(to) && (pair.contains(':') || !to.contains('-')) =>
        {
            Ok((from, to))
        }
        _ => Err(TranslateError::BadPair { pair: pair.to_owned() }),
    }
}

/// Refuses translations that are empty.
fn check_whole(by: &str, texts: &[String], answers: &[String]) -> Result<(), TranslateError> {
    if texts.len() != answers.len() {
        let (asked, answered) = (texts.len(), answers.len());
        return Err(TranslateError::Count { by: by.to_owned(), asked, answered });
    }
    let lost =
        |(text, answer): &(&String, &String)| !text.trim().is_empty() && answer.trim().is_empty();
    match texts.iter().zip(answers).find(lost) {
        Some((text, _)) => {
            Err(TranslateError::Lost { by: by.to_owned(), text: error::excerpt(text) })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_two_languages() {
        assert_eq!(split_pair("eng-spa").unwrap(), ("eng", "spa"));
        assert_eq!(split_pair("spa-cat_valencia").unwrap(), ("spa", "cat_valencia"));
        assert_eq!(split_pair("zh-Hans:en").unwrap(), ("zh-Hans", "en"));
        for pair in ["", "eng", "eng-", "-spa", "zh-Hans-en", "a b-c", "../x-y", "a:-u"] {
            assert!(split_pair(pair).is_err(), "{pair}");
        }
    }
}
