//! Limits hold when a tokenizer runs, ordinary files stay below them, and unused settings are listed.

#![allow(clippy::disallowed_methods)] // Tests write their inputs in place.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sst_data::UnusedKind;
use sst_data::tokenize::{
    Algorithm, Tokenizer, TrainConfig, TruncationSide, UnknownCount, train, unknown_warning,
};

use crate::tokenize::book;

/// A WordPiece tokenizer of three tokens with this normalizer and decoder.
fn small(normalizer: Value, decoder: Value) -> Value {
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [],
        "normalizer": normalizer,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": null,
        "decoder": decoder,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {"[UNK]": 0, "a": 1, "##a": 2, "(1)": 3},
        },
    })
}

fn from(json: &Value) -> Result<Tokenizer, String> {
    Tokenizer::from_json("small", json.to_string().as_bytes()).map_err(|error| error.to_string())
}

fn replace(pattern: &str, content: &str) -> Value {
    json!({"type": "Replace", "pattern": {"String": pattern}, "content": content})
}

#[test]
fn typographic_rules_load_and_rules_that_feed_each_other_do_not() {
    let signs = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳";
    let rules: Vec<Value> = signs.chars().map(|c| replace(&c.to_string(), "(1)")).collect();
    let normalizer = json!({"type": "Sequence", "normalizers": rules});
    let decoder = json!({"type": "Sequence", "decoders": rules});
    let tokenizer = from(&small(normalizer, decoder)).unwrap();
    assert_eq!(tokenizer.encode("⑳ a").unwrap(), [3, 1]);
    assert_eq!(tokenizer.decode(&[3], false).unwrap(), "(1)");
    let doubling: Vec<Value> = (0..13).map(|_| replace("a", "aa")).collect();
    let error = from(&small(json!({"type": "Sequence", "normalizers": doubling}), json!(null)));
    assert!(error.unwrap_err().contains("4096 times longer"));
}

#[test]
fn a_text_that_would_grow_beyond_memory_is_an_error() {
    let tokenizer =
        from(&small(replace("a", &"a".repeat(4096)), replace("(", &"(".repeat(4096)))).unwrap();
    let start = Instant::now();
    let error = tokenizer.encode(&"a".repeat(100_000)).unwrap_err().to_string();
    assert!(error.contains("409600000 characters") && error.contains("split the text"), "{error}");
    assert!(tokenizer.encoding(&"a".repeat(100_000)).is_err());
    assert!(tokenizer.decode(&vec![3; 100_000], false).is_err());
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(tokenizer.encode(&"b".repeat(100_000)).unwrap(), [0]);
}

#[test]
fn max_input_chars_per_word_is_limited() {
    let mut json = small(json!(null), json!(null));
    json["model"]["max_input_chars_per_word"] = json!(1_000_000_000);
    assert!(from(&json).unwrap_err().contains("max_input_chars_per_word is 1000000000"));
    json["model"]["max_input_chars_per_word"] = json!(200);
    assert!(from(&json).is_ok());
}

#[test]
fn an_empty_unigram_piece_loads() {
    let vocab = json!([["<unk>", 0.0], ["", -1.0], ["a", -1.0], ["ab", -1.5]]);
    let model = json!({"type": "Unigram", "unk_id": 0, "vocab": vocab});
    let tokenizer = from(&json!({"version": "1.0", "model": model})).unwrap();
    assert_eq!(tokenizer.encode("aba").unwrap(), [3, 2]);
}

/// The error for a folder that transformers reads and sst does not names the file and what to do.
#[test]
fn other_vocabularies_are_named() {
    for (name, kind) in [
        ("spiece.model", "SentencePiece"),
        ("tokenizer.model", "SentencePiece"),
        ("tiktoken.model", "tiktoken"),
        ("qwen.tiktoken", "tiktoken"),
        ("tekken.json", "mistral-common"),
        ("vocab.json", "without merges.txt"),
        ("merges.txt", "without vocab.json"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), b"\x0a\x0e").unwrap();
        let error = Tokenizer::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(kind), "{error}");
        assert!(error.contains("save_pretrained"), "{error}");
        if name.ends_with(".model") {
            let alone = Tokenizer::load(&folder.path().join(name)).unwrap_err().to_string();
            assert!(alone.contains("save_pretrained"), "{alone}");
        }
    }
}

fn write(folder: &Path, files: &[(&str, Value)]) {
    for (name, value) in files {
        fs::write(folder.join(name), value.to_string()).unwrap();
    }
}

#[test]
fn what_is_not_used_is_listed_by_name() {
    let plain = small(
        json!({"type": "Lowercase"}),
        json!({"type": "WordPiece", "prefix": "##", "cleanup": true}),
    );
    let with = |place: &str, key: &str, value: Value| {
        let mut json = plain.clone();
        json.pointer_mut(place).unwrap().as_object_mut().unwrap().insert(key.to_owned(), value);
        json
    };
    let added = json!([{"id": 1, "content": "a", "special": true, "lstrip": false, "rstrip": false,
        "single_word": false, "normalized": false, "priority": 3}]);
    let cased =
        json!({"tokenizer_class": "BertTokenizer", "unk_token": "[UNK]", "do_lower_case": false});
    for (config, json, expected) in [
        (json!({"vocab_remapping": 1}), plain.clone(), "tokenizer_config.json: vocab_remapping"),
        (json!({"do_lower_case": false}), plain.clone(), "tokenizer_config.json: do_lower_case"),
        (
            json!({"add_prefix_space": true}),
            plain.clone(),
            "tokenizer_config.json: add_prefix_space",
        ),
        (json!({"add_bos_token": true}), plain.clone(), "tokenizer_config.json: add_bos_token"),
        (json!({}), with("", "byte_pairs", json!(1)), "tokenizer.json: byte_pairs"),
        (
            json!({}),
            with("/model", "subword_regularization", json!(1)),
            "tokenizer.json: model: subword_regularization",
        ),
        (
            json!({}),
            with("/normalizer", "locale", json!("tr")),
            "tokenizer.json: normalizer.locale",
        ),
        (json!({}), with("/pre_tokenizer", "keep", json!(1)), "tokenizer.json: pre_tokenizer.keep"),
        (json!({}), with("/decoder", "suffix", json!("x")), "tokenizer.json: decoder.suffix"),
        (json!({}), with("", "added_tokens", added), "tokenizer.json: added_tokens: priority"),
        (cased, plain.clone(), "tokenizer.json: normalizer (BertTokenizer makes its own)"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[("tokenizer.json", json), ("tokenizer_config.json", config)]);
        let tokenizer = Tokenizer::load(folder.path()).unwrap();
        let keys: Vec<&str> = tokenizer.unused().of(UnusedKind::ConfigKey).collect();
        assert!(keys.contains(&expected), "{keys:?} lacks {expected}");
    }
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"padding_side": "left", "model_max_length": 512, "tokenizer_class": "PreTrainedTokenizerFast",
        "image_token": "<image>", "clean_up_tokenization_spaces": false, "add_bos_token": false, "sep_token": null});
    write(folder.path(), &[("tokenizer.json", plain), ("tokenizer_config.json", config)]);
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    assert!(tokenizer.unused().is_empty(), "{:?}", tokenizer.unused());
    assert_eq!(tokenizer.id("<image>"), Some(4));
}

/// The key of tokenizer_config.json takes precedence over that of tokenizer.json.
#[test]
fn the_side_on_which_long_texts_are_cut_is_kept() {
    use TruncationSide::{Left, Right};
    let cut = |direction: &str| {
        let mut json = small(json!(null), json!(null));
        json["truncation"] = json!({"direction": direction, "max_length": 8, "strategy": "LongestFirst", "stride": 0});
        json
    };
    let load = |json: &Value, config: Value| {
        let folder = tempfile::tempdir().unwrap();
        write(
            folder.path(),
            &[("tokenizer.json", json.clone()), ("tokenizer_config.json", config)],
        );
        Tokenizer::load(folder.path()).map_err(|error| error.to_string())
    };
    for (direction, config, side) in [
        ("Right", json!({}), Right),
        ("Left", json!({}), Left),
        ("Left", json!({"truncation_side": "right"}), Right),
        ("Right", json!({"truncation_side": "left"}), Left),
        ("Left", json!({"truncation_side": null}), Left),
    ] {
        let tokenizer = load(&cut(direction), config).unwrap();
        assert_eq!(tokenizer.truncation_side(), side);
        assert!(tokenizer.unused_beside_truncation().is_empty());
        let told: Vec<&str> = tokenizer.unused().of(UnusedKind::ConfigKey).collect();
        let left = ["tokenizer_config.json: truncation_side"];
        assert_eq!(told, if side == Left { &left[..] } else { &[] });
        let saved = tempfile::tempdir().unwrap();
        tokenizer.save(saved.path(), 64).unwrap();
        assert_eq!(Tokenizer::load(saved.path()).unwrap().truncation_side(), side);
    }
    let error = load(&cut("Left"), json!({"truncation_side": "middle"})).unwrap_err();
    assert!(
        error.contains("tokenizer_config.json") && error.contains("write \"left\" or"),
        "{error}"
    );
    assert_eq!([Left.keep(&[1, 2, 3], 2), Right.keep(&[1, 2, 3], 2)], [[2, 3], [1, 2]]);
    assert_eq!(Left.keep(&[1, 2], 3), [1, 2]);
}

#[test]
fn chat_templates_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"chat_template": "{{ messages }}", "do_sample": 1});
    write(
        folder.path(),
        &[("tokenizer.json", small(json!(null), json!(null))), ("tokenizer_config.json", config)],
    );
    fs::write(folder.path().join("chat_template.jinja"), "{{ x }}").unwrap();
    fs::create_dir(folder.path().join("additional_chat_templates")).unwrap();
    fs::write(folder.path().join("additional_chat_templates/tools.jinja"), "{{ y }}").unwrap();
    let saved = tempfile::tempdir().unwrap();
    Tokenizer::load(folder.path()).unwrap().save(saved.path(), 64).unwrap();
    let read = |name: &str| fs::read_to_string(saved.path().join(name)).unwrap();
    assert_eq!(read("chat_template.jinja"), "{{ x }}");
    assert_eq!(read("additional_chat_templates/tools.jinja"), "{{ y }}");
    let config: Value = serde_json::from_str(&read("tokenizer_config.json")).unwrap();
    assert_eq!(
        (&config["chat_template"], &config["do_sample"]),
        (&json!("{{ messages }}"), &json!(1))
    );
}

#[test]
fn spaces_before_punctuation_are_removed_on_request() {
    let mut json = small(json!(null), json!(null));
    json["model"]["vocab"] = json!({"[UNK]": 0, "a": 1, ".": 2, "n't": 3});
    let decoded = |config: Value| {
        let folder = tempfile::tempdir().unwrap();
        write(
            folder.path(),
            &[("tokenizer.json", json.clone()), ("tokenizer_config.json", config)],
        );
        Tokenizer::load(folder.path()).unwrap().decode(&[1, 3, 2], false).unwrap()
    };
    assert_eq!(decoded(json!({})), "a n't .");
    assert_eq!(decoded(json!({"clean_up_tokenization_spaces": true})), "an't.");
}

#[test]
fn flags_that_are_neither_true_nor_false_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"tokenizer_class": "BertTokenizer", "do_lower_case": "False"});
    write(
        folder.path(),
        &[("tokenizer.json", small(json!(null), json!(null))), ("tokenizer_config.json", config)],
    );
    let error = Tokenizer::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("`do_lower_case` is \"False\""), "{error}");
}

#[test]
fn merges_that_are_no_pairs_name_their_line() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("vocab.json", json!({"Ġ": 0, "a": 1, "Ġa": 2}))]);
    fs::write(folder.path().join("merges.txt"), "#version: 0.2\nĠ a\na b c\n").unwrap();
    let error = Tokenizer::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("merges.txt") && error.contains("line 3"), "{error}");
}

/// Training on one line as long as a book gives the same result as training on its parts.
#[test]
fn a_long_document_trains_like_its_parts() {
    let lines = [book("kjv.txt.gz", 9_000), book("sanguo.txt.gz", 200)].concat();
    let whole = lines.join(" ");
    assert!(whole.len() > 1 << 20, "{}", whole.len());
    for algorithm in [Algorithm::WordPiece, Algorithm::Bpe, Algorithm::Unigram] {
        let config = TrainConfig { algorithm, vocab_size: 1200, ..TrainConfig::default() };
        // Only words of byte-level tokenizers contain the space before them.
        let space = if algorithm == Algorithm::Bpe { " " } else { "" };
        let parts = lines.iter().enumerate().map(|(at, line)| match at {
            0 => line.clone(),
            _ => format!("{space}{line}"),
        });
        let of_parts = train(&config, parts).unwrap();
        let of_whole = train(&config, std::iter::once(whole.clone())).unwrap();
        assert_eq!(of_whole.fingerprint(), of_parts.fingerprint(), "{algorithm:?}");
    }
}

#[test]
fn unknown_characters_are_counted_and_named() {
    let config = TrainConfig { vocab_size: 400, ..TrainConfig::default() };
    let tokenizer = train(&config, book("kjv.txt.gz", 200).into_iter()).unwrap();
    let ledger = sst_data::Ledger::new();
    let mut unknown = UnknownCount::new();
    let mut tokens = 0;
    for text in ["In the beginning 中国 中 God", "and the earth Ж"] {
        let ids = tokenizer.encode(text).unwrap();
        tokens += ids.len() as u64;
        let count = tokenizer.count_unknown(&ids);
        unknown.add(&tokenizer, text, count, None, &ledger).unwrap();
    }
    unknown.finish(&ledger);
    let entry = &ledger.entries()["tokenize.unknown_tokens"];
    assert_eq!((entry.count, &entry.items[..]), (4, &["中", "Ж", "国"].map(str::to_owned)[..]));
    let warning = unknown_warning(&ledger, tokens).unwrap();
    assert!(warning.contains("mostly 中 Ж 国"), "{warning}");
    assert_eq!(unknown_warning(&ledger, 1000), None);
}
