//! How a GGUF file says that text is split before it is merged (`tokenizer.ggml.pre`), as parts of a tokenizer.json.
//!
//! The splits are those of llama.cpp (src/llama-vocab.cpp), which runs several expressions one after the other, each
//! on the pieces that the one before it left.

use serde_json::{Value, json};

/// The split of GPT-2.
pub(super) const GPT2: &str = "gpt-2";
/// What llama.cpp does with a file that does not say how it is split.
pub(super) const DEFAULT: &str = "default";
/// The split of Llama 3, as published with it.
const LLAMA3_SPLIT: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
/// llama.cpp's `default`: no model was trained with it, so that the tokens are often other ones than in training.
const DEFAULT_SPLITS: [&str; 4] = [
    "[\\p{P}\\$\\+<=>\\^~\\|]+",
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)",
    "\\p{N}+",
    "[0-9][0-9][0-9]",
];

/// Whether `pre` is Llama 3's split; llama.cpp then also puts the first token before a text.
pub(super) fn is_llama3(pre: &str) -> bool {
    ["llama-bpe", "llama3", "llama-v3"].contains(&pre)
}

/// The pre-tokenizer that `pre` stands for; `None` if it is not known.
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

/// Bytes as letters, after GPT-2's split if `use_regex`.
pub(super) fn byte_level(use_regex: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
           "use_regex": use_regex})
}

#[cfg(test)]
mod tests {
    use sst_data::tokenize::Tokenizer;

    use super::*;

    /// The pieces of a text: each is an unknown word of a model that knows none.
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
        // Punctuation is cut out first, so that `'s` and ` (` are no pieces; numbers lose the space before them.
        let default = ["it", "'", "s", " ", "(", "x", ")", " ", "123", "45", "+", "6"];
        assert_eq!(pieces("default", text), default);
        let smollm = ["it", "'s", " (", "x", ")", " ", "1", "2", "3", "4", "5", "+", "6"];
        assert_eq!(pieces("smollm", text), smollm);
        let llama3 = ["it", "'s", " (", "x", ")", " ", "123", "45", "+", "6"];
        assert_eq!(pieces("llama-bpe", text), llama3);
        assert_eq!(pre_tokenizer("qwen2"), None);
    }
}
