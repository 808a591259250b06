//! The pre-tokenizer that `tokenizer.ggml.pre` of a GGUF file names, as a part of a tokenizer.json.
//!
//! The splits are those of llama.cpp (src/llama-vocab.cpp). It applies several regular expressions in turn, each to
//! the pieces that the previous one left.

use serde_json::{Value, json};

/// The pre-tokenizer of GPT-2.
pub(super) const GPT2: &str = "gpt-2";
/// llama.cpp's pre-tokenizer for files that name none.
pub(super) const DEFAULT: &str = "default";
/// The regular expression of Llama 3, as published with it.
const LLAMA3_SPLIT: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
/// The regular expressions of llama.cpp's `default`. No model was trained with them, so that a text may get other
/// tokens than in training.
const DEFAULT_SPLITS: [&str; 4] = [
    "[\\p{P}\\$\\+<=>\\^~\\|]+",
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)",
    "\\p{N}+",
    "[0-9][0-9][0-9]",
];

/// Whether `pre` is the pre-tokenizer of Llama 3. llama.cpp then also adds the first token to every text.
pub(super) fn is_llama3(pre: &str) -> bool {
    ["llama-bpe", "llama3", "llama-v3"].contains(&pre)
}

/// The pre-tokenizer that `pre` names; `None` if it is unknown.
pub(super) fn pre_tokenizer(pre: &str) -> Option<Value> {
    let split = |pattern: &str| {
        json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated",
               "invert": false})
    };
    let steps = match pre {
        GPT2 => return Some(byte_level(true)),
        DEFAULT => DEFAULT_SPLITS.map(split).into_iter().chain([byte_level(false)]).collect(),
        "smollm" => vec![json!({"type": "Digits", "individual_digits": true}), byte_level(true)],
        _ if is_llama3(pre) => vec![split(LLAMA3_SPLIT), byte_level(false)],
        _ => return None,
    };
    Some(json!({"type": "Sequence", "pretokenizers": steps}))
}

/// The byte-level pre-tokenizer, which maps bytes to printable characters. `use_regex` turns on GPT-2's split.
pub(super) fn byte_level(use_regex: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
           "use_regex": use_regex})
}

#[cfg(test)]
mod tests {
    use sst_data::tokenize::Tokenizer;

    use super::*;

    /// The pieces of a text. The model has no vocabulary, so that each piece is one unknown token.
    #[allow(clippy::unwrap_used, reason = "a test may panic")]
    fn pieces(pre: &str, text: &str) -> Vec<String> {
        let json = json!({
            "version": "1.0", "pre_tokenizer": pre_tokenizer(pre).unwrap(),
            "model": {"type": "WordLevel", "vocab": {"<unk>": 0}, "unk_token": "<unk>"},
        });
        let tokenizer = Tokenizer::from_json("t", json.to_string().as_bytes()).unwrap();
        let offsets = tokenizer.encoding(text).unwrap().offsets;
        offsets.into_iter().map(|(start, end)| text[start..end].to_owned()).collect()
    }

    #[test]
    fn text_is_split_as_llama_cpp_splits_it() {
        let text = "it's (x) 12345+6";
        assert_eq!(pieces("gpt-2", text), ["it", "'s", " (", "x", ")", " 12345", "+", "6"]);
        // Punctuation is split off first, so that `'s` and ` (` are not pieces, and numbers lose the space before
        // them.
        let default = ["it", "'", "s", " ", "(", "x", ")", " ", "123", "45", "+", "6"];
        assert_eq!(pieces("default", text), default);
        let smollm = ["it", "'s", " (", "x", ")", " ", "1", "2", "3", "4", "5", "+", "6"];
        assert_eq!(pieces("smollm", text), smollm);
        let llama3 = ["it", "'s", " (", "x", ")", " ", "123", "45", "+", "6"];
        assert_eq!(pieces("llama-bpe", text), llama3);
        assert_eq!(pre_tokenizer("qwen2"), None);
    }
}
