//! A vocabulary without tokenizer.json does not say how text is split: what lies beside it must, or it is refused.

#![allow(clippy::disallowed_methods)] // Tests write their inputs in place.

use std::fs;

use serde_json::{Map, Value, json};
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
    // transformers 5.23 splits `.com` and `12` differently for each of these, or refuses them.
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
    // A class that says nothing of the split does not hide what the model's says.
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
    // Who names the class is believed.
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
