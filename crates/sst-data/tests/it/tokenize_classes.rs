//! A vocabulary without tokenizer.json does not state how text is split. The files beside it must state it; otherwise
//! the vocabulary is refused.

#![allow(clippy::disallowed_methods)] // Tests write their inputs in place.

use std::fs;

use serde_json::{Map, Value, json};
use sst_data::UnusedKind;
use sst_data::tokenize::Tokenizer;

/// Loads a byte-level vocabulary of single bytes and `merges`, with `config` as config.json and `tokenizer` as
/// tokenizer_config.json where they are not null.
fn load(merges: &[(&str, &str)], config: &Value, tokenizer: &Value) -> Result<Tokenizer, String> {
    let folder = tempfile::tempdir().unwrap();
    let letters = ('!'..='~').chain(['Ġ', 'Ċ']).map(String::from);
    let special = ["<s>", "</s>", "<|endoftext|>"].map(str::to_owned);
    let merged = merges.iter().map(|(a, b)| format!("{a}{b}"));
    let tokens = special.into_iter().chain(letters).chain(merged).enumerate();
    let vocab: Map<String, Value> = tokens.map(|(id, token)| (token, json!(id))).collect();
    let lines: String = merges.iter().map(|(a, b)| format!("{a} {b}\n")).collect();
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    write("vocab.json", Value::Object(vocab).to_string());
    write("merges.txt", format!("#version: 0.2\n{lines}"));
    for (name, value) in [("config.json", config), ("tokenizer_config.json", tokenizer)] {
        if !value.is_null() {
            write(name, value.to_string());
        }
    }
    Tokenizer::load(folder.path()).map_err(|error| error.to_string())
}

#[test]
fn merges_of_another_split_are_not_read_as_gpt2s() {
    let (plain, none) = ([("c", "o"), ("1", "2")], Value::Null);
    // For each of these, transformers 5.23 splits `.com` and `12` differently or refuses the folder.
    for model_type in [
        "qwen2",
        "qwen3_moe",
        "clip",
        "cohere",
        "llama",
        "mistral",
        "gpt_neox",
        "deberta",
        "whisper",
        "my_own",
    ] {
        let error = load(&plain, &json!({"model_type": model_type}), &none).unwrap_err();
        assert!(
            error.contains("vocab.json")
                && error.contains(&format!("model_type {model_type}"))
                && error.contains("save_pretrained"),
            "{error}"
        );
    }
    for file in ["config.json", "tokenizer_config.json"] {
        let class = json!({"tokenizer_class": "Qwen2Tokenizer"});
        let (config, tokenizer) =
            if file == "config.json" { (&class, &none) } else { (&none, &class) };
        let error = load(&plain, config, tokenizer).unwrap_err();
        assert!(error.contains(&format!("{file} says tokenizer_class Qwen2Tokenizer")), "{error}");
    }
    // A generic class does not hide the class of the model.
    let fast = json!({"tokenizer_class": "PreTrainedTokenizerFast"});
    let error = load(&plain, &json!({"model_type": "qwen2"}), &fast).unwrap_err();
    assert!(error.contains("model_type qwen2"), "{error}");
    for model_type in ["gpt2", "opt", "roberta", "led"] {
        assert!(load(&plain, &json!({"model_type": model_type}), &none).is_ok(), "{model_type}");
    }
}

#[test]
fn merges_without_a_class_are_gpt2s_only_if_they_can_be() {
    let gpt2 = load(&[("c", "o"), ("Ġ", "co"), ("1", "2")], &json!({}), &Value::Null).unwrap();
    let tokens = |text: &str| {
        let ids = gpt2.encode(text).unwrap();
        ids.into_iter().map(|id| gpt2.token(id).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(tokens("co co12"), ["co", "Ġco", "12"]);
    for (merge, token) in [((".", "c"), ".c"), ((";", "Ċ"), r";\n"), (("a", "1"), "a1")] {
        let error = load(&[("c", "o"), merge], &json!({}), &Value::Null).unwrap_err();
        assert!(error.contains(&format!("the token \"{token}\"")), "{error}");
    }
    // A class that the folder names is used.
    let named = json!({"tokenizer_class": "GPT2Tokenizer"});
    assert!(load(&[(".", "c")], &Value::Null, &named).is_ok());
}

#[test]
fn a_word_list_of_another_class_is_not_read_as_berts() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = "<cls>\n<pad>\n<eos>\n<unk>\n[UNK]\n[CLS]\n[SEP]\n[PAD]\nL\nA\n";
    fs::write(folder.path().join("vocab.txt"), tokens).unwrap();
    assert!(Tokenizer::load(folder.path()).is_ok());
    for model_type in ["esm", "roformer", "splinter", "llama", "roberta"] {
        let config = json!({"model_type": model_type}).to_string();
        fs::write(folder.path().join("config.json"), config).unwrap();
        let error = Tokenizer::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("model_type {model_type}")), "{error}");
    }
}

/// Flags of classes that sst does not build: a flag that agrees with tokenizer.json is not reported, and another one
/// is.
#[test]
fn flags_that_agree_with_the_tokenizer_json_are_not_reported() {
    let unused = |class: &str, json: &Value, flag: (&str, Value)| -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let config = json!({"tokenizer_class": class, flag.0: flag.1});
        fs::write(folder.path().join("tokenizer.json"), json.to_string()).unwrap();
        fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
        let tokenizer = Tokenizer::load(folder.path()).unwrap();
        tokenizer.unused().of(UnusedKind::ConfigKey).map(str::to_owned).collect()
    };
    let unigram = |normalizers: Value, before: Value| {
        let vocab =
            json!([["<unk>", 0.0], ["a", -1.0], ["<extra_id_1>", -2.0], ["<extra_id_0>", -2.0]]);
        json!({
            "version": "1.0", "normalizer": {"type": "Sequence", "normalizers": normalizers},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": before},
            "model": {"type": "Unigram", "unk_id": 0, "vocab": vocab},
        })
    };
    let space =
        |scheme: &str| json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme});
    let albert = unigram(
        json!([{"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"}]),
        json!([space("always")]),
    );
    let plain = unigram(json!([{"type": "NFC"}]), json!([space("never")]));
    let punctuation = json!({"type": "Punctuation", "behavior": "Isolated"});
    let deberta = unigram(json!([{"type": "NFC"}]), json!([punctuation, space("first")]));
    let mut splinter = plain.clone();
    splinter["normalizer"] = json!({"type": "BertNormalizer", "clean_text": true,
        "handle_chinese_chars": true, "strip_accents": null, "lowercase": true});
    // Each case has the class, a file that does what the flag says, the flag, and its opposite.
    for (class, file, key, agrees, differs) in [
        ("AlbertTokenizer", &albert, "do_lower_case", json!(true), json!(false)),
        ("AlbertTokenizerFast", &albert, "keep_accents", json!(false), json!(true)),
        ("AlbertTokenizer", &albert, "add_prefix_space", json!(true), json!(false)),
        ("XLNetTokenizer", &plain, "do_lower_case", json!(false), json!(true)),
        ("T5Tokenizer", &plain, "extra_ids", json!(2), json!(100)),
        ("T5Tokenizer", &plain, "add_prefix_space", json!(false), json!(true)),
        ("DebertaV2Tokenizer", &deberta, "split_by_punct", json!(true), json!(false)),
        ("DebertaV2TokenizerFast", &plain, "split_by_punct", json!(false), json!(true)),
        ("SplinterTokenizer", &splinter, "do_lower_case", json!(true), json!(false)),
        ("SplinterTokenizer", &splinter, "tokenize_chinese_chars", json!(true), json!(false)),
        ("SplinterTokenizer", &splinter, "strip_accents", Value::Null, json!(true)),
    ] {
        assert!(unused(class, file, (key, agrees)).is_empty(), "{class} {key}");
        let told = unused(class, file, (key, differs));
        assert_eq!(told, [format!("tokenizer_config.json: {key}")], "{class}");
    }
    // The class of transformers 5 ignores these.
    for (class, key, value) in [
        ("XLNetTokenizer", "keep_accents", json!(true)),
        ("XLNetTokenizerFast", "remove_space", json!(true)),
        ("AlbertTokenizer", "remove_space", json!(true)),
        ("T5Tokenizer", "legacy", json!(true)),
        ("DebertaV2Tokenizer", "vocab_type", json!("spm")),
    ] {
        assert!(unused(class, &plain, (key, value.clone())).is_empty(), "{class} {key}");
        assert_eq!(
            unused("MBartTokenizer", &plain, (key, value)).len(),
            usize::from(key != "keep_accents")
        );
    }
}
