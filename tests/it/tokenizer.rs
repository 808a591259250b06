//! `sst tokenizer`.

use crate::sandbox::Sandbox;

#[test]
fn a_trained_tokenizer_encodes() {
    let sandbox = Sandbox::new();
    let ended =
        sandbox.good(&["tokenizer", "train", "corpus.txt", "--vocab-size", "60", "--out", "tok"]);
    assert_eq!(ended.stdout, "tok/tokenizer.json\n");
    assert!(sandbox.path("tok/tokenizer_config.json").is_file());
    let text = "the old man";
    let args = ["tokenizer", "encode", "--tokenizer", "tok", "--special", "--text", text];
    let encoded = sandbox.good(&[&args[..], &["--json"]].concat()).json();
    assert_eq!((&encoded["version"], &encoded["text"]), (&1.into(), &text.into()));
    let tokens: Vec<&str> =
        encoded["tokens"].as_array().unwrap().iter().map(|token| token.as_str().unwrap()).collect();
    assert_eq!((tokens[0], tokens[tokens.len() - 1]), ("[CLS]", "[SEP]"));
    assert_eq!(tokens[1..tokens.len() - 1].join("").replace("##", ""), "theoldman");
    assert!(encoded["offsets"][0].is_null());
    assert_eq!(encoded["offsets"][1][0], 0);
    let plain = sandbox.good(&args[..4]);
    assert_eq!(plain.stdout, "", "stdin is empty");
}

#[test]
fn invalid_settings_say_why() {
    let sandbox = Sandbox::new();
    let check = |args: &[&str], code, expected: &str| {
        let ended = sandbox.sst(&[&["tokenizer", "train", "--out", "tok"], args].concat());
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{expected}\n{}", ended.stderr);
        assert!(!sandbox.path("tok").exists());
    };
    check(&["corpus.txt", "--algorithm", "wordpeace"], 2, "--algorithm is `wordpeace`; expected");
    check(&["corpus.txt", "--vocab-size", "3"], 2, "vocab_size is 3 and must be from 6");
    check(&["nope.txt"], 2, "nope.txt does not exist");
}

/// A cached tokenizer whose file has changed is trained again, and a resumed run continues.
#[test]
fn a_changed_tokenizer_in_the_cache_is_not_used() {
    let sandbox = Sandbox::trained();
    let folders = sandbox.path("cache/sst/prepared/tokenizers");
    let folder = std::fs::read_dir(folders).unwrap().next().unwrap().unwrap().path();
    let file = folder.join("tokenizer.json");
    let before = std::fs::read_to_string(&file).unwrap();
    let changed = before.replacen("\"##", "\"#", 1);
    assert_ne!(changed, before);
    let overwrite = |text: &str| {
        let name = folder.strip_prefix(sandbox.path("")).unwrap().join("tokenizer.json");
        sandbox.write(name.to_str().unwrap(), text);
    };
    overwrite(&changed);
    let steps = ["--set", "train.steps=16step", "--resume"];
    let ended = sandbox.good(&[&["pretrain", "recipe.toml"][..], &steps].concat());
    assert!(ended.stderr.contains("training the tokenizer again"), "{}", ended.stderr);
    assert!(ended.stderr.contains("has changed since it was written"), "{}", ended.stderr);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
}

#[test]
fn a_resume_with_another_tokenizer_names_where_it_is() {
    let sandbox = Sandbox::new();
    sandbox.good(&["tokenizer", "train", "corpus.txt", "--vocab-size", "60", "--out", "tok"]);
    sandbox.write(
        "recipe.toml",
        crate::sandbox::RECIPE
            .replace("[tokenizer.train]\nvocab_size = 120", "[tokenizer]\npath = \"tok\""),
    );
    sandbox.good(&["pretrain", "recipe.toml"]);
    sandbox.good(&["tokenizer", "train", "corpus.txt", "--vocab-size", "50", "--out", "tok"]);
    let ended =
        sandbox.sst(&["pretrain", "recipe.toml", "--set", "train.steps=16step", "--resume"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("the tokenizer is tokenizer.path, tok"), "{}", ended.stderr);
}

/// Unknown tokens are counted with their characters when text is prepared or embedded.
#[test]
fn unknown_tokens_are_in_the_ledger() {
    let sandbox = Sandbox::trained();
    sandbox.write("other.txt", "the old man Жжук\n中国 中\n");
    let args = ["embed", "--model", "runs/r", "--data", "other.txt", "--out", "v.npy", "--json"];
    let ended = sandbox.good(&args);
    let entry = &ended.json()["ledger"]["tokenize.unknown_tokens"];
    assert_eq!(entry["items"][0], "中", "{entry}");
    assert!(ended.stderr.contains("of the tokens are unknown"), "{}", ended.stderr);
}

#[test]
fn unused_settings_of_a_tokenizer_folder_are_listed() {
    let sandbox = Sandbox::new();
    sandbox.good(&["tokenizer", "train", "corpus.txt", "--vocab-size", "60", "--out", "tok"]);
    let config = r#"{"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": false}"#;
    sandbox.write("tok/tokenizer_config.json", config);
    let ended = sandbox.good(&["tokenizer", "encode", "--tokenizer", "tok", "--text", "the"]);
    assert!(ended.stderr.contains("tokenizer_config.json: do_lower_case"), "{}", ended.stderr);
    let recipe = crate::sandbox::RECIPE
        .replace("[tokenizer.train]\nvocab_size = 120", "[tokenizer]\npath = \"tok\"");
    sandbox.write("recipe.toml", &recipe);
    let prepared = sandbox.good(&["data", "prepare", "recipe.toml", "--json"]).json();
    let items = &prepared["ledger"]["unused.config_keys"]["items"];
    assert_eq!(items[0], "tokenizer_config.json: do_lower_case", "{prepared}");
}

#[test]
fn a_tokenizer_of_fewer_tokens_than_asked_for_says_why() {
    let sandbox = Sandbox::new();
    sandbox.write("rare.txt", "one\ntwo\nthree\n");
    let train = |args: &[&str]| {
        let all = ["tokenizer", "train", "rare.txt", "--out", "tok", "--vocab-size", "4000"];
        sandbox.good(&[&all[..], args].concat()).stderr
    };
    for algorithm in ["wordpiece", "bpe", "unigram"] {
        let told = train(&["--algorithm", algorithm]);
        assert!(
            told.contains(
                "instead of vocab_size = 4000: all remaining pairs or pieces are seen fewer than"
            ),
            "{told}"
        );
        assert!(told.contains("min_frequency = 2"), "{told}");
    }
    let told = train(&["--min-frequency", "1"]);
    assert!(told.contains("every word of the texts is one token already"), "{told}");
}
