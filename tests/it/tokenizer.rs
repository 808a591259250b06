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
fn what_cannot_be_trained_says_why() {
    let sandbox = Sandbox::new();
    let check = |args: &[&str], code, expected: &str| {
        let ended = sandbox.sst(&[&["tokenizer", "train", "--out", "tok"], args].concat());
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{expected}\n{}", ended.stderr);
        assert!(!sandbox.path("tok").exists());
    };
    check(&["corpus.txt", "--algorithm", "wordpeace"], 2, "--algorithm: unknown variant");
    check(&["corpus.txt", "--vocab-size", "3"], 1, "vocab_size 3 is not in");
    check(&["nope.txt"], 1, "nope.txt");
}
